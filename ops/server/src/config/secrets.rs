//! `[secrets]`: where secrets of workflows come from that are not in the vault.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where secrets of workflows come from that are not in the vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secrets {
    /// A directory with a file for each secret, called as it is: a text, or a JSON object. Neither the directory nor a
    /// file may be open to others. What is not there is looked for in the environment, as `OPENCLAW_SECRET_NAME`.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<PathBuf>,
}
