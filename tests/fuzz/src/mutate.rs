//! A small mutator: the same seed, the same inputs, on every machine.

/// Bytes that decoders tend to take for something.
const INTERESTING: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"9007199254740993",
    b"${",
    b" }",
    b"&a ",
    b"*a ",
    b"<<: ",
    b"\xee\x80\x80",
    b"\xee\x80\x81",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"__proto__",
    b"\r\n\r\n",
    b"%00",
    b"...",
    b"@x",
    b"[::1]",
    b"0x7f.1",
    b"2130706433",
];
/// Longest input that is made.
const LONGEST: usize = 64 << 10;

/// Makes inputs out of inputs.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// One that always makes the same.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One to eight changes to `input`, some of them with a part of `other`.
    #[must_use]
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut bytes, other);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[0],
            2 => bytes.truncate(at),
            3 => {
                let end = (at + self.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let piece = INTERESTING[self.below(INTERESTING.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            5 => {
                // The same over and over: depth, length, number.
                let end = (at + 1 + self.below(24)).min(bytes.len());
                let piece = bytes[at..end].repeat(1 + self.below(40));
                bytes.splice(at..at, piece);
            }
            6 | 7 if !other.is_empty() => {
                let from = self.below(other.len());
                let to = (from + 1 + self.below(64)).min(other.len());
                let end = (at + self.below(to - from + 1)).min(bytes.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let end = (at + self.below(4)).min(bytes.len());
                let piece = INTERESTING[self.below(INTERESTING.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("below a usize")
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
