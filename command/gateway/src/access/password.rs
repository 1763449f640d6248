//! Passwords: what they have to be, and their hashes.
//!
//! A hash is Argon2id (RFC 9106) with a key of 256 bits that is not in the log, so that whoever has the log alone
//! cannot try passwords. Hashing is done off the asynchronous threads, at most two at a time: each takes 19 MiB.

use std::{fmt, sync::Arc, time::Duration};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::text::Random;

/// OWASP's recommendation: 19 MiB, two passes.
const MEMORY_KIB: u32 = 19 << 10;
const PASSES: u32 = 2;
const OUT: usize = 32;
const SALT: usize = 16;
/// Fewest characters of a password.
pub const MIN_CHARS: usize = 12;
/// Longest password, in bytes.
const MAX_BYTES: usize = 1_024;
/// Hashes that are computed at the same time.
const AT_A_TIME: usize = 2;
/// Those that may wait for their turn.
const WAITING: usize = 30;

/// The key of the hashes.
pub type Pepper = Zeroizing<[u8; 32]>;
/// Where the key comes from. With `true` it is made if there is none.
pub type PepperSource = Arc<dyn Fn(bool) -> Result<Pepper, String> + Send + Sync>;

/// Why a password cannot be hashed or checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not satisfy the rules. `OC-USR-004`.
    #[error("{0}")]
    Weak(&'static str),
    /// Too many are being checked. `OC-USR-006`.
    #[error("too many passwords are being checked")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The key is missing or cannot be trusted. `OC-AUTH-003`.
    #[error("passwords cannot be used: {0}")]
    Pepper(String),
}

/// Hashes and checks passwords.
pub(super) struct Passwords {
    pepper: PepperSource,
    random: Random,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl Passwords {
    pub(super) fn new(pepper: PepperSource, random: Random) -> Self {
        Self {
            pepper,
            random,
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// The hash of a new password of the user `name`. `first` says that no hash exists yet, so that a missing key may
    /// be made: a key that is made while there are hashes would make all of them worthless.
    pub(super) async fn hash(
        &self,
        name: &str,
        password: Zeroizing<String>,
        first: bool,
    ) -> Result<String, Error> {
        fits(name, &password)?;
        let random = (self.random)();
        let mut salt = [0; SALT];
        salt.copy_from_slice(&random[..SALT]);
        let pepper = self.pepper.clone();
        self.in_turn(move || {
            let pepper = pepper(first).map_err(Error::Pepper)?;
            Ok(written(&salt, &*digest(&password, &salt, &pepper)?))
        })
        .await
    }

    /// Whether `password` has the hash `known`; it takes as long when there is none.
    pub(super) async fn verify(
        &self,
        known: Option<String>,
        password: Zeroizing<String>,
    ) -> Result<bool, Error> {
        let pepper = self.pepper.clone();
        self.in_turn(move || {
            let password = if password.len() > MAX_BYTES { Zeroizing::new(String::new()) } else { password };
            let known = known.as_deref().and_then(read);
            // Nobody's hash: the work is done all the same, so that the time does not tell who there is.
            let (salt, expected) = known.unwrap_or(([0; SALT], [0; OUT]));
            let pepper = match (pepper(false), known) {
                (Ok(pepper), _) => pepper,
                (Err(_), None) => Zeroizing::new([0; 32]),
                (Err(reason), Some(_)) => return Err(Error::Pepper(reason)),
            };
            let given = digest(&password, &salt, &pepper)?;
            Ok(bool::from(given.ct_eq(&expected)) && known.is_some())
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let busy = Error::Busy { retry_after: Duration::from_secs(2) };
        let _waiting = self.waiting.clone().try_acquire_owned().map_err(|_| busy.clone())?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| busy)?;
        let worked = tokio::task::spawn_blocking(move || {
            // Kept to the end of the work, even if the caller goes away.
            let _turn = turn;
            work()
        });
        worked.await.unwrap_or_else(|error| Err(Error::Pepper(error.to_string())))
    }
}

fn fits(name: &str, password: &str) -> Result<(), Error> {
    if password.chars().count() < MIN_CHARS {
        return Err(Error::Weak("a password has at least 12 characters"));
    }
    if password.len() > MAX_BYTES {
        return Err(Error::Weak("a password has at most 1,024 bytes"));
    }
    if password.eq_ignore_ascii_case(name) {
        return Err(Error::Weak("a password is not the user's name"));
    }
    let first = password.chars().next();
    if password.chars().all(|char| Some(char) == first) {
        return Err(Error::Weak("a password is not one character again and again"));
    }
    Ok(())
}

fn digest(password: &str, salt: &[u8; SALT], pepper: &Pepper) -> Result<Zeroizing<[u8; OUT]>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(OUT)).expect("costs that Argon2 takes");
    let mut out = Zeroizing::new([0; OUT]);
    Argon2::new_with_secret(&pepper[..], Algorithm::Argon2id, Version::V0x13, params)
        .and_then(|argon2| argon2.hash_password_into(password.as_bytes(), salt, &mut *out))
        .map_err(|error| Error::Pepper(error.to_string()))?;
    Ok(out)
}

/// As a PHC string (<https://github.com/P-H-C/phc-string-format>).
fn written(salt: &[u8; SALT], digest: &[u8; OUT]) -> String {
    let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${digest}")
}

/// Salt and digest of what [`written`] wrote; none for anything else.
fn read(text: &str) -> Option<([u8; SALT], [u8; OUT])> {
    let rest = text.strip_prefix(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$"))?;
    let (salt, digest) = rest.split_once('$')?;
    let salt = STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?;
    let digest = STANDARD_NO_PAD.decode(digest).ok()?.try_into().ok()?;
    Some((salt, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(pepper: u8) -> Passwords {
        Passwords::new(Arc::new(move |_| Ok(Zeroizing::new([pepper; 32]))), Arc::new(|| [7; 32]))
    }

    fn word(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_admits_its_password_and_only_with_its_key() {
        let ours = passwords(1);
        let hash = ours.hash("ada", word("correct horse battery"), true).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains("horse"));
        assert_eq!(ours.verify(Some(hash.clone()), word("correct horse battery")).await, Ok(true));
        assert_eq!(ours.verify(Some(hash.clone()), word("correct horse batterx")).await, Ok(false));
        assert_eq!(ours.verify(None, word("correct horse battery")).await, Ok(false));
        assert_eq!(ours.verify(Some("$argon2id$v=19$m=1,t=1,p=1$$".into()), word("")).await, Ok(false));
        let theirs = passwords(2);
        assert_eq!(theirs.verify(Some(hash), word("correct horse battery")).await, Ok(false), "another key");
    }

    #[tokio::test]
    async fn weak_passwords_are_refused() {
        let ours = passwords(1);
        for weak in ["", "short", "elevenchars", "ada-lovelace", "ADA-LOVELACE", "aaaaaaaaaaaaaaaa"] {
            let refused = ours.hash("ada-lovelace", word(weak), true).await;
            assert!(matches!(refused, Err(Error::Weak(_))), "{weak}");
        }
        assert!(ours.hash("ada", word(&"ab".repeat(600)), true).await.is_err(), "too long");
    }

    #[tokio::test]
    async fn without_its_key_nothing_is_hashed_and_nobody_is_admitted() {
        let source: PepperSource = Arc::new(|make| match make {
            true => Ok(Zeroizing::new([1; 32])),
            false => Err("it is gone".into()),
        });
        let passwords = Passwords::new(source, Arc::new(|| [7; 32]));
        let hash = passwords.hash("ada", word("correct horse battery"), true).await.unwrap();
        let gone = passwords.hash("bob", word("correct horse battery"), false).await;
        assert_eq!(gone, Err(Error::Pepper("it is gone".into())));
        let refused = passwords.verify(Some(hash), word("correct horse battery")).await;
        assert_eq!(refused, Err(Error::Pepper("it is gone".into())));
        assert_eq!(passwords.verify(None, word("x")).await, Ok(false), "as for any unknown user");
    }
}
