//! What happens to credentials. Stream `credential/NAMESPACE/NAME`. Values are in none of these.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::{RunId, TaskId};

event_family! {
    /// What happened to a credential.
    CredentialEvent {
        /// It was put into the vault.
        "credential.set" @ 1 => Set(CredentialSet),
        /// It has another value.
        "credential.rotated" @ 1 => Rotated(CredentialRotated),
        /// It is gone.
        "credential.deleted" @ 1 => Deleted(CredentialDeleted),
        /// It is about to be used; recorded before the value is handed out.
        "credential.used" @ 1 => Used(CredentialUsed),
    }
}

/// A credential was put into the vault, and read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialSet {
    /// Version of its value, from 1.
    pub version: u64,
    /// Tells values apart without saying anything of them: keyed with a key of the vault.
    pub fingerprint: String,
}

/// A credential has another value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialRotated {
    /// Version of its value.
    pub version: u64,
    /// As in [`CredentialSet::fingerprint`].
    pub fingerprint: String,
}

/// A credential is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialDeleted {}

/// A credential is about to be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialUsed {
    /// Version of its value; none for a secret that is not in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What for, for example `call: http POST https://api.example.com/pay`; no query, no fragment.
    pub purpose: String,
    /// By which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// By which task of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Key of the effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
}
