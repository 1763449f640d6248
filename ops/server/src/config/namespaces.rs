//! `[namespaces.NAME]`: how much there may be of a namespace.

use std::collections::BTreeMap;

use openclaw_gateway::sequencer;
use openclaw_model::access::is_namespace;
use serde::{Deserialize, Serialize};

/// How much there may be of each namespace, by its name. One that is not named has no limits of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Namespaces(BTreeMap<String, Limits>);

/// How much there may be of one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Runs that have not ended; one more is refused with OC-NSP-001. Default: as many as one likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_open_runs: Option<u64>,
    /// Registered workflows, however many versions each has. Default: as many as one likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_workflows: Option<u64>,
}

impl Namespaces {
    /// As the sequencer wants them.
    #[must_use]
    pub(crate) fn bounds(&self) -> BTreeMap<String, sequencer::Bounds> {
        let bounds = |limits: &Limits| sequencer::Bounds {
            open_runs: limits.max_open_runs,
            workflows: limits.max_workflows,
        };
        self.0.iter().map(|(name, limits)| (name.clone(), bounds(limits))).collect()
    }

    /// A name that no namespace can have.
    pub(crate) fn misnamed(&self) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| !is_namespace(name))
    }
}
