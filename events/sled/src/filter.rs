//! A Bloom filter over the commands of a sealed segment: a new command, which is nearly every one, is known to be new
//! without opening old segments.

/// Bits per command. With [`PROBES`] this answers "maybe" wrongly for about one new command in 70,000; each such answer
/// costs opening a segment.
const BITS_PER_COMMAND: usize = 24;
const PROBES: u32 = 12;

/// Says of a fingerprint "certainly not here" or "maybe here".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    pub(crate) fn of(fingerprints: impl ExactSizeIterator<Item = u64>) -> Self {
        let words = (fingerprints.len() * BITS_PER_COMMAND).div_ceil(64).max(1);
        let mut filter = Self { words: vec![0; words] };
        for fingerprint in fingerprints {
            for bit in filter.bits(fingerprint) {
                filter.words[bit / 64] |= 1 << (bit % 64);
            }
        }
        filter
    }

    pub(crate) fn may_hold(&self, fingerprint: u64) -> bool {
        self.bits(fingerprint).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn bits(&self, fingerprint: u64) -> impl Iterator<Item = usize> + use<> {
        let size = self.words.len() as u128 * 64;
        let start = mix(fingerprint);
        let step = mix(start) | 1;
        (0..u64::from(PROBES)).map(move |probe| {
            let hash = start.wrapping_add(probe.wrapping_mul(step));
            // Scales the hash to the size, without the cost of a division.
            ((u128::from(hash) * size) >> 64) as usize
        })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (rest.is_empty() && !words.is_empty()).then_some(Self { words })
    }
}

/// Spreads fingerprints that differ in a few bits only (the finaliser of splitmix64).
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worst that a source of ids may do: count.
    fn fingerprints(from: u32) -> impl ExactSizeIterator<Item = u64> {
        (from..from + 10_000).map(u64::from)
    }

    #[test]
    fn what_is_in_is_always_found_and_what_is_not_nearly_never() {
        let filter = Filter::of(fingerprints(0));
        assert!(fingerprints(0).all(|fingerprint| filter.may_hold(fingerprint)));
        let wrong = fingerprints(1_000_000).filter(|fingerprint| filter.may_hold(*fingerprint)).count();
        assert!(wrong < 4, "{wrong} of 10,000");
        assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
    }
}
