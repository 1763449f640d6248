//! Where the key comes from that signs checkpoints of the log.

use std::fmt;

use zeroize::Zeroizing;

/// Seed of an Ed25519 key. It cannot be printed, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Seed(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Why there is no key. Nothing is signed then, which is said wherever it matters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The vault is sealed.
    #[error("the vault is sealed")]
    Sealed,
    /// There is neither a vault nor a key file.
    #[error("there is neither a vault nor `audit.key_file`")]
    NotConfigured,
    /// It is there and cannot be used.
    #[error("the key cannot be used: {0}")]
    Unusable(String),
}

/// Keeps the key that signs checkpoints. It is made when it is asked for first.
pub trait SigningKeys: Send + Sync + 'static {
    /// The seed of the key. Asked for whenever something is to be signed, so that the key is in memory for no longer than
    /// that, and a sealed vault is noticed. Blocks for as long as a small file is read.
    ///
    /// # Errors
    /// See [`NoKey`].
    fn audit_seed(&self) -> Result<Seed, NoKey>;
}
