//! What happens to policies: which tools may be used how. Stream `policy/NAMESPACE`; `policy/*` counts everywhere.

use alloc::{boxed::Box, collections::BTreeSet, string::String};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{approval::ApprovalRequest, family::event_family};
use crate::Digest;

event_family! {
    /// What happened to a policy.
    PolicyEvent {
        /// It has other rules from here on.
        "policy.changed" @ 1 => Changed(PolicyChanged),
        /// There is none from here on.
        "policy.removed" @ 1 => Removed(PolicyRemoved),
    }
}

/// A policy has other rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyChanged {
    /// Its version, from 1.
    pub version: u64,
    /// BLAKE3 over the canonical bytes of the document.
    pub digest: Digest,
    /// The rules.
    pub document: Value,
}

/// There is no policy from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRemoved {}

/// What a policy does about the use of a tool. The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It happens.
    #[default]
    Allow,
    /// A person decides.
    Ask,
    /// It does not happen.
    Deny,
}

impl Action {
    /// The word in documents, answers and the read model.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// What the policies said about one use of a tool, recorded with the intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What happens.
    pub action: Action,
    /// Name of the tool, for example `http` or `shell`.
    pub tool: String,
    /// Namespace of the policy that decided, `*` for the one that counts everywhere.
    pub policy: String,
    /// Its version.
    pub version: u64,
    /// Name of the rule that decided; none if it is the policy's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Labels of the data that had reached the run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// What people are asked before it happens, for [`Action::Ask`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<ApprovalRequest>>,
}
