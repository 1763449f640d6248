//! What opens a vault: a passphrase, or the recovery key.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    crypto::{KEY, Key},
    error::Error,
};

/// What a guess at the passphrase costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106: 64 MiB, three passes, four lanes. Some 0.4 s of one core.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };
    /// What a file may ask for: a foreign file must not make the server allocate or compute without bound.
    const MAX: Self = Self { memory_kib: 1 << 20, passes: 10, lanes: 8 };

    /// Other costs; none if Argon2 does not take them, or they are above 1 GiB, 10 passes or 8 lanes. Costs below
    /// [`Cost::DEFAULT`] are for tests.
    #[must_use]
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let range = |value: u32, max: u32| (1..=max).contains(&value);
        (range(memory_kib, Self::MAX.memory_kib)
            && range(passes, Self::MAX.passes)
            && range(lanes, Self::MAX.lanes)
            && memory_kib >= 8 * lanes)
            .then_some(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB, passes, lanes.
    #[must_use]
    pub fn parts(self) -> (u32, u32, u32) {
        (self.memory_kib, self.passes, self.lanes)
    }
}

/// A passphrase. Cannot be printed; overwritten when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Fewest characters of a new one (NIST SP 800-63B).
    pub const MIN_CHARS: usize = 8;

    /// Takes a text as it is.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Takes the first line of a text, as editors and `echo` write it.
    #[must_use]
    pub fn from_first_line(text: &str) -> Self {
        Self::new(text.lines().next().unwrap_or_default().to_owned())
    }

    pub(crate) fn strong_enough(&self) -> Result<(), Error> {
        if self.0.chars().count() < Self::MIN_CHARS { Err(Error::WeakPassphrase) } else { Ok(()) }
    }

    /// The key that it stands for. Costs what `cost` says, in time and memory.
    pub(crate) fn key(&self, cost: Cost, salt: &[u8; 32]) -> Result<Key, Error> {
        let Cost { memory_kib, passes, lanes } = cost;
        let params = Params::new(memory_kib, passes, lanes, Some(KEY)).expect("a cost is what Argon2 takes");
        let mut out = Zeroizing::new([0; KEY]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, &mut *out)
            .map_err(|_| Error::TooMuch("there is no memory to check the passphrase with"))?;
        Ok(Key(out))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Digits of a recovery key (Crockford's base 32: no I, L, O, U).
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes that find a mistyped key.
const CHECK: usize = 3;
/// Characters that are written together.
const GROUP: usize = 7;

/// Opens the vault when the passphrase is lost. 256 random bits; whoever has it needs nothing else.
#[derive(Clone)]
pub struct RecoveryKey(Key);

impl RecoveryKey {
    pub(crate) fn random() -> Result<Self, Error> {
        Key::random().map(Self)
    }

    /// The key that it stands for in one vault. It is random, so that stretching it would add nothing.
    pub(crate) fn key(&self, vault: &[u8; 16]) -> Key {
        self.0.derive(vault, &[b"openclaw-vault/1 recovery"])
    }

    /// The key as it is written down: eight groups of seven characters, with a checksum.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY + CHECK]);
        bytes[..KEY].copy_from_slice(&*self.0.0);
        let check = Sha256::digest(*self.0.0);
        bytes[KEY..].copy_from_slice(&check[..CHECK]);
        let mut out = Zeroizing::new(String::with_capacity(64));
        for (index, digit) in digits(&*bytes).enumerate() {
            if index > 0 && index % GROUP == 0 {
                out.push('-');
            }
            out.push(char::from(DIGITS[usize::from(digit)]));
        }
        out
    }

    /// Reads what [`RecoveryKey::to_text`] wrote. Case, spaces and dashes do not matter.
    ///
    /// # Errors
    /// [`Error::NoRecoveryKey`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0_u8; KEY + CHECK]);
        let (mut bits, mut held, mut at) = (0_u32, 0_u32, 0);
        for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
            let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase());
            bits = (bits << 5) | u32::try_from(digit.ok_or(Error::NoRecoveryKey)?).expect("one of 32");
            held += 5;
            if held >= 8 {
                held -= 8;
                *bytes.get_mut(at).ok_or(Error::NoRecoveryKey)? = (bits >> held) as u8;
                at += 1;
            }
            bits &= (1 << held) - 1;
        }
        let (key, check) = bytes.split_at(KEY);
        if at != KEY + CHECK || held != 0 || Sha256::digest(key)[..CHECK] != *check {
            return Err(Error::NoRecoveryKey);
        }
        let mut out = Zeroizing::new([0; KEY]);
        out.copy_from_slice(key);
        bits.zeroize();
        Ok(Self(Key(out)))
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

/// Five bits at a time.
fn digits(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    (0..bytes.len() * 8 / 5).map(|index| {
        let bit = index * 5;
        let two = u16::from(bytes[bit / 8]) << 8 | u16::from(bytes.get(bit / 8 + 1).copied().unwrap_or(0));
        (two >> (11 - bit % 8)) as u8 & 31
    })
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    #[test]
    fn the_vector_of_rfc_9106_is_met() {
        // Section 5.3: Argon2id, m = 32 KiB, t = 3, p = 4, with a secret and associated data.
        let mut params = ParamsBuilder::new();
        let data = AssociatedData::new(&[4; 12]).unwrap();
        let params = params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(data).build().unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut out = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut out).unwrap();
        let expected = [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
            0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn costs_that_would_exhaust_the_machine_are_none() {
        assert_eq!(Cost::new(64 << 10, 3, 4), Some(Cost::DEFAULT));
        assert!(Cost::new(1 << 20, 10, 8).is_some());
        for (memory, passes, lanes) in [
            ((1 << 20) + 1, 1, 1),
            (8, 11, 1),
            (80, 1, 9),
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert_eq!(Cost::new(memory, passes, lanes), None, "{memory} {passes} {lanes}");
        }
    }

    #[test]
    fn a_recovery_key_is_read_as_it_was_written_and_a_slip_is_noticed() {
        let key = RecoveryKey::random().unwrap();
        let text = key.to_text();
        assert_eq!(text.len(), 8 * 7 + 7);
        let again = RecoveryKey::from_text(&format!(" {}\n", text.to_lowercase().replace('-', " "))).unwrap();
        assert_eq!(*again.0.0, *key.0.0);
        for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
            let mut slip = text.as_bytes().to_vec();
            slip[at] = if slip[at] == b'7' { b'8' } else { b'7' };
            let slip = String::from_utf8(slip).unwrap();
            assert!(matches!(RecoveryKey::from_text(&slip), Err(Error::NoRecoveryKey)), "{at}");
        }
        for wrong in ["", "0", &text[..text.len() - 1], &format!("{}0", *text), "ÖÖÖ"] {
            assert!(RecoveryKey::from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn neither_can_be_printed() {
        let key = RecoveryKey::random().unwrap();
        assert_eq!(
            format!("{key:?} {:?}", Passphrase::new("hunter22".into())),
            "RecoveryKey(..) Passphrase(..)"
        );
        assert!(Passphrase::from_first_line("hunter22\r\nmore").strong_enough().is_ok());
        assert!(matches!(Passphrase::new("short".into()).strong_enough(), Err(Error::WeakPassphrase)));
    }
}
