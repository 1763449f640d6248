//! What an auditor wants to know that happened to nothing in particular. Stream `audit/main`.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::{Digest, Position, Timestamp};

event_family! {
    /// What happened to the server as a whole.
    AuditEvent {
        /// The head of the chain was signed.
        "audit.checkpoint" @ 1 => Checkpoint(AuditCheckpoint),
        /// Somebody was refused what they asked for.
        "audit.denied" @ 1 => Denied(AuditDenied),
        /// Somebody did not prove who they are.
        "audit.login_failed" @ 1 => LoginFailed(AuditLoginFailed),
        /// Somebody took a copy of history.
        "audit.exported" @ 1 => Exported(AuditExported),
        /// A tool was not run, because the sandbox it asks for cannot be had or is not allowed.
        "audit.sandbox_refused" @ 1 => SandboxRefused(AuditSandboxRefused),
    }
}

/// The head of the chain was signed. What is signed, byte for byte, is in `openclaw_audit::checkpoint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditCheckpoint {
    /// Which log: the hash of its first frame.
    pub log: Digest,
    /// The newest position that it covers.
    pub position: Position,
    /// Hash of the chain there.
    pub hash: Digest,
    /// The position that the checkpoint before covers; zero for the first.
    pub after: Position,
    /// Root of the tree over the records between the two, so that each can be shown without the others.
    pub records: Digest,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// Public key (Ed25519), base 64.
    pub key: String,
    /// Signature, base 64.
    pub signature: String,
}

/// Somebody was refused what they asked for. Repetitions within a minute are one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditDenied {
    /// Who.
    pub caller: String,
    /// The method, field or path.
    pub what: String,
    /// The scope that is missing.
    pub needs: String,
    /// How often, since the last such event.
    pub count: u64,
}

/// Somebody did not prove who they are. Repetitions within a minute are one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLoginFailed {
    /// The user that was named; none for a token that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How often, since the last such event.
    pub count: u64,
}

/// Somebody took a copy of history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditExported {
    /// What, for example `run/0192f0c1-...`.
    pub what: String,
    /// The newest position in it.
    pub through: Position,
}

/// A tool was not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditSandboxRefused {
    /// Code of the error.
    pub code: String,
    /// Why.
    pub reason: String,
    /// The task, `RUN/TASK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}
