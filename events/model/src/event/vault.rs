//! What happens to the vault. Stream `vault/main`. Passphrases and keys are in none of these.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::Digest;

event_family! {
    /// What happened to the vault.
    VaultEvent {
        /// It was made.
        "vault.created" @ 1 => Created(VaultSaved),
        /// Its file was written, by a change of a credential.
        "vault.saved" @ 1 => Saved(VaultSaved),
        /// It has another key; all was encrypted anew.
        "vault.key_rotated" @ 1 => KeyRotated(VaultSaved),
        /// It has another passphrase.
        "vault.passphrase_changed" @ 1 => PassphraseChanged(VaultSaved),
        /// It has another recovery key.
        "vault.recovery_key_changed" @ 1 => RecoveryKeyChanged(VaultSaved),
        /// Credentials of another file were taken in.
        "vault.imported" @ 1 => Imported(VaultSaved),
        /// A copy was given out, encrypted with a passphrase of its own.
        "vault.exported" @ 1 => Exported(VaultExported),
        /// It can be used.
        "vault.unsealed" @ 1 => Unsealed(VaultUnsealed),
        /// It cannot be used until it is unsealed.
        "vault.sealed" @ 1 => Sealed(VaultSealed),
        /// Somebody tried to unseal it, in vain, or its file was refused.
        "vault.refused" @ 1 => Refused(VaultRefused),
    }
}

/// The file of the vault as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultSaved {
    /// Which vault.
    pub vault: String,
    /// Grows with each write of the file, so that an older file is found out.
    pub epoch: u64,
    /// Digest over the names, versions and tags of all that is in it.
    pub manifest: Digest,
}

/// A copy of the vault was given out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultExported {
    /// How many credentials are in it.
    pub credentials: u64,
}

/// The vault can be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultUnsealed {
    /// With what: `passphrase`, `recovery_key`, or the configured source (`file`, `environment`, `systemd`).
    pub with: String,
    /// Epoch of its file.
    pub epoch: u64,
}

/// The vault cannot be used until it is unsealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultSealed {}

/// The vault was not unsealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultRefused {
    /// Code of the error.
    pub code: String,
    /// What is wrong.
    pub reason: String,
}
