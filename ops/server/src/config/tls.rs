//! `[server.tls]`: the certificate, if the server speaks TLS itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::http::tls::Files;

/// The certificate and its key. Both files are read again on SIGHUP and when they have changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate with the chain that leads to its root, the server's own first; PEM.
    pub(crate) certificate: PathBuf,
    /// The private key; PEM, mode 0600.
    pub(crate) key: PathBuf,
}

impl Tls {
    /// As the listener wants them.
    #[must_use]
    pub(crate) fn files(&self) -> Files {
        Files { certificate: self.certificate.clone(), key: self.key.clone() }
    }
}
