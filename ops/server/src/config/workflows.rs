//! `[workflows]`: what documents of workflows may refer to.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};

/// What documents of workflows may refer to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Workflows {
    /// The directory of the files that documents refer to with `file:`: `file:///greet.proto` is `greet.proto` in it.
    /// Nothing outside it is read. Default: none, and such references are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<PathBuf>,
    /// Namespaces of which the workflows may be started by runs of every other namespace, with `run: workflow`. Default:
    /// none; a run starts workflows of its own namespace.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) share: BTreeSet<String>,
}
