//! What happens to a workflow definition. All versions of one `namespace/name` share a stream.

use alloc::{collections::BTreeMap, string::String};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;
use crate::Digest;

event_family! {
    /// What happened to a workflow's versions.
    WorkflowEvent {
        /// A version was registered; it is immutable from now on.
        "workflow.registered" @ 1 => Registered(WorkflowRegistered),
        /// A version may no longer be started. Runs that use it go on.
        "workflow.retired" @ 1 => Retired(WorkflowRetired),
    }
}

/// A version was registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRegistered {
    /// Namespace of the document.
    pub namespace: String,
    /// Name of the document.
    pub name: String,
    /// Semantic version of the document.
    pub version: String,
    /// BLAKE3 over the canonical bytes of the definition.
    pub digest: Digest,
    /// The document.
    pub definition: Value,
    /// Texts of the files that it refers to, by their URI, as they were when it was registered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
}

/// A version was retired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRetired {
    /// Which version.
    pub version: String,
}
