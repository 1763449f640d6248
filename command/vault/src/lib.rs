//! Keeps credentials in one encrypted file.
//!
//! A passphrase becomes a key (Argon2id), that key unwraps the vault's data key, and each credential is encrypted with a
//! key of its own that is derived from the data key (HKDF) and bound to its name and version (AES-256-GCM). [`format`]
//! describes the file byte by byte. Everything here blocks: callers on an async runtime use a blocking thread.
//!
//! Invariant: a call that changes something returns only after the new file is on the disk and has been read back and
//! decrypted; after any failure the old file or the new one opens, never a mixture.
//!
//! Invariant: values, passphrases and keys are in no error, no `Debug` output and no memory that is not overwritten when it
//! is given back.

mod crypto;
mod error;
pub mod files;
pub mod format;
mod keys;
mod name;
mod vault;

pub use error::{Error, Problem};
pub use files::{Disk, Files};
pub use keys::{Cost, Passphrase, RecoveryKey};
pub use name::Name;
pub use vault::{Conflict, Entry, Fingerprint, Import, Mark, Standing, Vault, With};
