//! Whom the client trusts, for calls and for subscriptions alike.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Error;

/// The authorities whose certificates are trusted.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// Those of the operating system.
    System,
    /// These and no others.
    Only(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// Trusts the certificates in `pem` alone.
    pub(crate) fn only(pem: &[u8]) -> Result<Self, Error> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::Config("the file of the authority is no PEM".to_owned()))?;
        if roots.is_empty() {
            return Err(Error::Config("there is no certificate in the file of the authority".to_owned()));
        }
        Ok(Self::Only(roots))
    }

    /// As reqwest wants it.
    pub(crate) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
        let Self::Only(roots) = self else { return Ok(builder) };
        let roots =
            roots.iter().map(|root| reqwest::Certificate::from_der(root)).collect::<Result<Vec<_>, _>>();
        let roots = roots.map_err(|error| Error::Config(format!("no certificate: {error}")))?;
        Ok(builder.tls_certs_only(roots))
    }

    /// Shakes hands over `socket` with the server that goes by `host`.
    pub(crate) async fn connect(&self, host: &str, socket: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        let config = match self {
            Self::System => ClientConfig::with_platform_verifier()
                .map_err(|error| Error::Config(format!("the system's authorities: {error}")))?,
            Self::Only(certificates) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates {
                    roots
                        .add(certificate.clone())
                        .map_err(|error| Error::Config(format!("no authority: {error}")))?;
                }
                ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
            }
        };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Error::Config(format!("{host} is no name that a certificate can have")))?;
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .map_err(|error| Error::Transport { url: host.to_owned(), source: error.into() })
    }
}
