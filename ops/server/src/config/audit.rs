//! `[audit]`: how the head of the log is signed, so that others can tell whether it was changed.

use std::path::PathBuf;

use openclaw_gateway::rpc::Span;
use serde::{Deserialize, Serialize};

/// How the head of the log is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// A checkpoint is signed this long after the one before, if anything has happened. Default 1m.
    pub(crate) interval: Span,
    /// And as soon as this many events have happened. Default 10000.
    pub(crate) positions: u64,
    /// A file that checkpoints are written to as well, one line of JSON each. It must not lie in the data directory: best on
    /// another machine, or where the server may only append. Default: none, and a log whose end is cut off is not found
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoints_file: Option<PathBuf>,
    /// A file with the key that signs, made if it is missing. Whoever can read it can sign a false history, so the vault is
    /// the better place: without this setting its key is used, and nothing is signed while it is sealed. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            interval: Span(std::time::Duration::from_secs(60)),
            positions: 10_000,
            checkpoints_file: None,
            key_file: None,
        }
    }
}
