//! `[projection]`: where the read model lies.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the read model lies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Projection {
    /// Directory of the SQLite files. They can be rebuilt from the log, so a fast disk is better than a safe one.
    /// Default `views` in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<PathBuf>,
}
