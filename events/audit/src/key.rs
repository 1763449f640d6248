//! Keys of auditors: Ed25519 (RFC 8032). Texts of keys and signatures are base 64.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

/// A public key, by which signatures are verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature by a [`SecretKey`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Why a text is no key or signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the base 64 of {0} bytes")]
pub struct NotOne(usize);

impl PublicKey {
    /// Short name of the key for people: 16 hexadecimal digits of its BLAKE3.
    #[must_use]
    pub fn id(&self) -> String {
        blake3::hash(&self.0).to_hex()[..16].to_owned()
    }

    /// Whether `signature` over `message` was made with the secret half of this key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, &signature.0).is_ok()
    }
}

/// A secret key. It cannot be printed.
pub struct SecretKey(Ed25519KeyPair);

impl SecretKey {
    /// Bytes of a seed, which is all there is to keep of a key.
    pub const SEED: usize = 32;

    /// The key of a seed (RFC 8032, 5.1.5). Every 32 bytes are one; they have to be random.
    ///
    /// # Panics
    /// Never: only the length of a seed can be wrong, and the type has it.
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; Self::SEED]>) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&seed[..]).expect("a seed has 32 bytes"))
    }

    /// The public half.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
    }

    /// Signs `message`. The same message gives the same signature.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).as_ref().try_into().expect("a signature has 64 bytes"))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

macro_rules! base64_text {
    ($name:ident, $len:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&STANDARD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotOne;

            fn from_str(text: &str) -> Result<Self, NotOne> {
                let bytes = STANDARD.decode(text.trim()).map_err(|_| NotOne($len))?;
                bytes.try_into().map(Self).map_err(|_| NotOne($len))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

base64_text!(PublicKey, 32);
base64_text!(Signature, 64);

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 8032, section 7.1, tests 2 and 3.
    #[test]
    fn the_published_test_vectors_hold() {
        for (seed, public, message, signature) in [
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                &[0x72_u8][..],
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                &[0xaf, 0x82][..],
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                 18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let key = SecretKey::from_seed(&Zeroizing::new(hex(seed)));
            assert_eq!(key.public(), PublicKey(hex(public)));
            assert_eq!(key.sign(message), Signature(hex(signature)));
            assert!(key.public().verifies(message, &key.sign(message)));
            assert!(!key.public().verifies(b"another message", &key.sign(message)));
        }
    }

    #[test]
    fn a_secret_key_is_not_printed_and_texts_round_trip() {
        let key = SecretKey::from_seed(&Zeroizing::new([7; 32]));
        assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.public().id()));
        let public = key.public();
        assert_eq!(public.to_string().parse(), Ok(public));
        for bad in ["", "AAAA", "????", &format!("{public}AAAA")] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }
}
