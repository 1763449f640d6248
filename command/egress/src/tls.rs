//! How TLS is spoken to servers.

use std::sync::OnceLock;

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;

/// The configuration, without protocols to choose from. Made once: reading the machine's certificates costs memory and
/// milliseconds. The process's rustls provider has to be installed.
///
/// # Errors
/// If the machine's certificates cannot be read.
pub(crate) fn config() -> Result<ClientConfig, String> {
    static CONFIG: OnceLock<Result<ClientConfig, String>> = OnceLock::new();
    CONFIG.get_or_init(|| ClientConfig::with_platform_verifier().map_err(|error| error.to_string())).clone()
}
