//! The texts that prove who somebody is, and their hashes. Only hashes are kept.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openclaw_model::Digest;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// 32 bytes from the operating system's source of randomness.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// What tokens begin with, so that scanners for leaked secrets find them.
const TOKEN: &str = "oc_";
/// Characters of 256 bits in base64.
const CHARS: usize = 43;

/// A fresh text that nobody can guess.
pub(super) fn secret(random: &Random) -> Zeroizing<String> {
    let bits = Zeroizing::new(random());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(&bits[..]))
}

/// A fresh token.
pub(super) fn token(random: &Random) -> Zeroizing<String> {
    let secret = secret(random);
    Zeroizing::new(format!("{TOKEN}{}", secret.as_str()))
}

/// SHA-256. The texts have 256 random bits, so that no slower hash is needed.
pub(super) fn hash(text: &str) -> Digest {
    Digest(Sha256::digest(text.as_bytes()).into())
}

/// Whether a text can be a token at all; anything else need not be looked up.
pub(super) fn is_token(text: &str) -> bool {
    text.strip_prefix(TOKEN).is_some_and(is_secret)
}

/// Whether a text can be the value of a session's cookie.
pub(super) fn is_secret(text: &str) -> bool {
    text.len() == CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether a text can be the name of a token or a user: it stands in events as `token:NAME` and `user:NAME`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_prefix_and_256_bits_and_its_hash_is_sha_256() {
        let random: Random = Arc::new(|| [0xff; 32]);
        let token = token(&random);
        assert_eq!(token.len(), 46);
        assert!(is_token(&token) && !is_token(&token[1..]) && !is_token(&token[..45]) && !is_token("oc_"));
        assert!(is_secret(&secret(&random)));
        // FIPS 180-4, the example "abc".
        assert!(hash("abc").to_string().starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }

    #[test]
    fn names_are_what_can_stand_in_an_actor() {
        for good in ["a", "ci", "ada.lovelace", "0-x_y"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".a", "-a", "Ada", "a:b", "a b", "ä", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
