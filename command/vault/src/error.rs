//! What can go wrong, told apart. No value, passphrase or key is in any of these.

use std::{io, path::PathBuf};

use crate::format::Damage;

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what was written: a bad disk, a cut file. `OC-VLT-001`.
    #[error("OC-VLT-001: the vault's file is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The file is whole, and the passphrase does not open it. `OC-VLT-002`.
    #[error("OC-VLT-002: the passphrase does not open the vault")]
    WrongPassphrase,
    /// The file is whole, and the recovery key does not open it. `OC-VLT-003`.
    #[error("OC-VLT-003: the recovery key does not open the vault")]
    WrongRecoveryKey,
    /// An entry is not what the vault wrote under this name: changed, or moved from another name. `OC-VLT-004`.
    #[error("OC-VLT-004: an entry of the vault was tampered with; nothing of it is used")]
    TamperedEntry,
    /// The entries are genuine, but not the ones that were saved together: one was deleted, or an older one put back; or the
    /// header was changed. `OC-VLT-005`.
    #[error("OC-VLT-005: entries of the vault were removed, put back or its header was changed")]
    TamperedFile,
    /// The file is older than the log says. `OC-VLT-006`.
    #[error(
        "OC-VLT-006: the vault's file is an older one: it was written as number {found}, the log knows {expected}"
    )]
    RolledBack {
        /// Epoch of the file.
        found: u64,
        /// Epoch of the newest file that the log knows of.
        expected: u64,
    },
    /// The file is not the one that the log knows. `OC-VLT-007`.
    #[error("OC-VLT-007: the vault's file is not the one that this log belongs to")]
    Foreign,
    /// There is no vault yet. `OC-VLT-008`.
    #[error("OC-VLT-008: there is no vault yet")]
    NotInitialised,
    /// There is one already. `OC-VLT-009`.
    #[error("OC-VLT-009: there is a vault already")]
    AlreadyInitialised,
    /// The vault is sealed. `OC-VLT-010`.
    #[error("OC-VLT-010: the vault is sealed")]
    Sealed,
    /// There is no such credential. `OC-VLT-011`.
    #[error("OC-VLT-011: there is no credential of this name")]
    Missing,
    /// Another process has the vault open. `OC-VLT-012`.
    #[error("OC-VLT-012: another process has the vault open")]
    InUse,
    /// The directory or the file cannot be trusted. `OC-VLT-013`.
    #[error("OC-VLT-013: {path} cannot be trusted with credentials: {problem}")]
    Untrusted {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The file cannot be read or written; what was asked for did not happen. `OC-VLT-014`.
    #[error("OC-VLT-014: the vault's file cannot be used: {doing}")]
    Io {
        /// What failed.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not known whether the last change is on the disk; nothing is changed any more until the vault is opened again.
    /// `OC-VLT-015`.
    #[error("OC-VLT-015: it is not known whether the last change of the vault is on the disk; open it again")]
    Uncertain {
        /// Why; none when a later change is refused.
        #[source]
        source: Option<io::Error>,
    },
    /// What was written does not read back as it was. `OC-VLT-016`.
    #[error("OC-VLT-016: the vault's new file does not read back as it was written; the old one stays")]
    NotReadBack,
    /// No name for a credential. `OC-VLT-017`.
    #[error(
        "OC-VLT-017: credentials have a namespace (lower-case letters, digits, '-') and a name (letters, digits, '_', '-', \
         '.', at most 128)"
    )]
    BadName,
    /// Too much. `OC-VLT-018`.
    #[error("OC-VLT-018: {0}")]
    TooMuch(&'static str),
    /// The new passphrase is too weak. `OC-VLT-019`.
    #[error("OC-VLT-019: a passphrase has at least {} characters", crate::Passphrase::MIN_CHARS)]
    WeakPassphrase,
    /// The text is no recovery key: a character is wrong or missing. `OC-VLT-020`.
    #[error("OC-VLT-020: this is no recovery key; a character of it is wrong or missing")]
    NoRecoveryKey,
    /// The operating system gives no random bytes. `OC-VLT-021`.
    #[error("OC-VLT-021: the operating system gives no random bytes")]
    NoRandomness,
    /// The log knows a vault, and its file is not there. `OC-VLT-022`.
    #[error("OC-VLT-022: the vault's file is gone; the log knows one that was written {expected} times")]
    Gone {
        /// Epoch of the newest file that the log knows of.
        expected: u64,
    },
    /// The last change is not in the log yet; a second one would make it impossible to tell the file from a foreign one.
    /// `OC-VLT-023`.
    #[error("OC-VLT-023: the last change of the vault is not in the log yet")]
    Unrecorded,
}

/// What is wrong with a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Others may use it.
    #[error("its mode is {0:03o}, so others may use it; make it 600, a directory 700")]
    Mode(u32),
    /// It is somebody else's.
    #[error("it belongs to user {found}, this is user {own}")]
    Owner {
        /// Whose it is.
        found: u32,
        /// Who asks.
        own: u32,
    },
    /// It is a link, a pipe or something else that is no plain file or directory.
    #[error("it is a link or no plain file")]
    Kind,
    /// It is far longer than any vault.
    #[error("it is longer than a vault can be")]
    Size,
}
