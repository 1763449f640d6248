//! `[vault]`: how the vault is unsealed when the server starts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the vault is unsealed when the server starts. Without a source it stays sealed until `openclaw vault unseal`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Vault {
    /// A file whose first line is the passphrase; only its owner may use it. If there is none: the systemd credential
    /// `openclaw-vault`, then the variable `OPENCLAW_VAULT_PASSPHRASE`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
