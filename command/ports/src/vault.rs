//! The vault as the gateway sees it: what is asked of it, and what came of it. What happened is recorded by whoever asks.

use std::{future::Future, pin::Pin};

use openclaw_model::{Timestamp, event::vault::VaultSaved};

use crate::secrets::Revealed;

/// An answer on its way.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send + 'a>>;

/// Why the vault did not do it. Holds no value, passphrase or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Code of the error page, `OC-VLT-...`.
    pub code: String,
    /// What is wrong, without the code.
    pub reason: String,
    /// Whether somebody did not know the passphrase or the recovery key.
    pub guessed: bool,
}

/// What opens the vault.
#[derive(Clone, Debug)]
pub enum With {
    /// The passphrase.
    Passphrase(Revealed),
    /// The recovery key, as it is written down.
    RecoveryKey(Revealed),
}

/// What changes the vault's file.
#[derive(Clone, Debug)]
pub enum Change {
    /// Make it.
    Init {
        /// Its passphrase.
        passphrase: Revealed,
    },
    /// Store a value.
    Put {
        /// In this namespace.
        namespace: String,
        /// Under this name.
        name: String,
        /// The value.
        value: Revealed,
        /// Whether there has to be one already.
        existing: bool,
    },
    /// Take a credential away.
    Delete {
        /// In this namespace.
        namespace: String,
        /// Of this name.
        name: String,
    },
    /// Encrypt everything anew.
    RotateKey {
        /// Proves that it may be done.
        passphrase: Revealed,
    },
    /// Set another passphrase.
    ChangePassphrase {
        /// Proves that it may be done.
        with: With,
        /// The new one.
        new: Revealed,
    },
    /// Make another recovery key.
    NewRecoveryKey {
        /// Proves that it may be done.
        with: With,
    },
    /// Take in credentials of an export.
    Import {
        /// The export.
        file: Vec<u8>,
        /// Its passphrase.
        passphrase: Revealed,
        /// Whether values of the same name are replaced.
        replace: bool,
    },
}

/// What a change led to. It is on the disk.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The file as it is now; none if nothing had to be written.
    pub saved: Option<VaultSaved>,
    /// Credentials with another value.
    pub entries: Vec<Entry>,
    /// Credentials that stayed as they were, as `NAMESPACE/NAME`, of an import.
    pub kept: Vec<String>,
    /// A new recovery key, as it is to be written down.
    pub recovery_key: Option<Revealed>,
}

/// All of a credential but its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
    /// Version of its value.
    pub version: u64,
    /// Tells values apart.
    pub fingerprint: String,
    /// When it was put in.
    pub created: Timestamp,
    /// When it got this value.
    pub changed: Timestamp,
}

/// How the vault is.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Whether there is one, and whether it can be used.
    pub state: State,
    /// Its file; none if there is none that can be used.
    pub saved: Option<VaultSaved>,
    /// Whether the log does not know this file yet.
    pub ahead: bool,
    /// How many credentials there are.
    pub credentials: u64,
    /// How many keys it had.
    pub key_generation: u64,
}

/// Whether the vault can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Absent,
    /// It has to be unsealed first.
    Sealed,
    /// It can be used.
    Unsealed,
    /// Its file is refused.
    Refused(Refused),
}

/// Keeps credentials.
pub trait Vault: Send + Sync + 'static {
    /// How it is. Costs no key derivation, and may wait for one.
    fn status(&self) -> Asking<'_, Status>;

    /// Makes it usable. Costs a key derivation, and so does every change that has to be proven.
    fn unseal(&self, with: With) -> Asking<'_, ()>;

    /// Forgets its key.
    fn seal(&self) -> Asking<'_, ()>;

    /// Changes it. What it led to is on the disk; [`Vault::recorded`] has to be called before the next change.
    fn change(&self, change: Change) -> Asking<'_, Changed>;

    /// Says that the log knows the file as it is.
    fn recorded(&self) -> Asking<'_, ()>;

    /// All credentials.
    fn list(&self) -> Asking<'_, Vec<Entry>>;

    /// A copy of all credentials, encrypted with a passphrase of its own, and how many there are.
    fn export(&self, passphrase: Revealed) -> Asking<'_, (Vec<u8>, u64)>;
}
