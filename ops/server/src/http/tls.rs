//! TLS, if a certificate is configured: 1.2 and 1.3, HTTP/1.1 alone.
//!
//! The files are read again on SIGHUP and when they have changed. A pair that cannot be used is reported and the one in
//! force stays; connections that are open keep what they were opened with.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// More than any chain or key has.
const MAX_BYTES: u64 = 1 << 20;

/// Why there is no TLS. `OC-TLS-001` to `OC-TLS-003`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file cannot be read. `OC-TLS-001`.
    #[error("[OC-TLS-001] the file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read the key. `OC-TLS-002`.
    #[error("[OC-TLS-002] the key {path} cannot be trusted: {reason}")]
    Untrusted {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files are no certificate and key that belong together. `OC-TLS-003`.
    #[error("[OC-TLS-003] {certificate} and {key} are no certificate with its key: {reason}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong. Never from the content of the key.
        reason: String,
    },
}

/// SIGHUP, which ends a process that does not listen to it.
#[derive(Debug)]
pub(crate) struct Hangups(Option<Signal>);

impl Hangups {
    /// From now on it is listened to.
    #[must_use]
    pub(crate) fn listen() -> Self {
        let told = signal(SignalKind::hangup());
        if let Err(error) = &told {
            tracing::warn!(%error, "SIGHUP cannot be handled; a new certificate is seen when its file changes");
        }
        Self(told.ok())
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(told) => _ = told.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// Which files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The chain, the server's own certificate first; PEM.
    pub(crate) certificate: PathBuf,
    /// The private key; PEM, readable by its owner alone.
    pub(crate) key: PathBuf,
}

/// Makes plain sockets into encrypted ones. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

/// The certificate in force.
#[derive(Debug)]
struct Current {
    files: Files,
    certified: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn new(files: Files) -> Result<Self, Error> {
        let certified = RwLock::new(Arc::new(load(&files)?));
        let current = Arc::new(Current { files, certified });
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        // The limits of this server are those of HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    /// Shakes hands. The caller limits the time.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(socket).await
    }

    /// Reads the files again whenever the process is told to, or they have changed. Never ends.
    pub(crate) async fn keep_fresh(self, mut told: Hangups) {
        let mut looked = self.look();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                () = told.next() => true,
                _ = tick.tick() => false,
            };
            let now = self.look();
            if asked || now != looked {
                looked = now;
                self.reload();
            }
        }
    }

    /// When the files were changed last, as far as that can be seen.
    fn look(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.current.files.certificate, &self.current.files.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.ino()))
        })
    }

    /// Takes what the files have now, unless it cannot be used.
    pub(super) fn reload(&self) {
        match load(&self.current.files) {
            Ok(fresh) => {
                *self.current.certified.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                tracing::info!(path = %self.current.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(%reason, "the new certificate cannot be used; the one before stays in force");
            }
        }
    }
}

fn load(files: &Files) -> Result<CertifiedKey, Error> {
    let unusable = |reason: String| Error::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        reason,
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&read(&files.certificate, false)?)
            .collect::<Result<_, _>>()
            .map_err(|_| unusable("the certificate is no PEM".into()))?;
    if chain.is_empty() {
        return Err(unusable("there is no certificate in its file".into()));
    }
    let key = read(&files.key, true)?;
    // What the parser says about a key might quote it.
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| unusable("there is no private key in its file".into()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| unusable(error.to_string()))
}

fn read(path: &Path, secret: bool) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
    let io = |source| Error::File { path: path.to_owned(), source };
    // Not waiting for a writer of a pipe. Links are followed: tools that renew certificates leave them.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(io::Error::other("it is not a regular file")));
    }
    if secret && metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        let reason = format!("its mode is {mode:03o}, others may use it; make it 600");
        return Err(Error::Untrusted { path: path.to_owned(), reason });
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}
