//! The way of a tool to the network: an HTTP proxy on a unix socket, one for each job, that lives as long as the job.
//!
//! It takes `CONNECT HOST:PORT`, whose bytes it passes on unseen, and requests with an absolute `http:` URL, into which it
//! can put a credential. Everything else is refused. Each request is judged on its own: by the job's allowlist as the
//! host is written, so that a name that is not allowed is not even looked up, and then by the [`Gate`] as the address
//! that it leads to.
//!
//! Invariant: a connection is on record before it is made. What a tool sends is read by one parser and written anew, so
//! the server behind cannot read another request out of it than the one that was judged.

mod forward;
mod grant;
mod open;
mod session;
mod wire;

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openclaw_ports::Secrets;
use rustix::fs::{Mode, OFlags};
use rustls::ClientConfig;
use tokio::{net::UnixListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{session::Session, wire::Budget};
use crate::{Gate, tls};

pub use grant::{Grant, Injection, Permit};

/// Bounds on what one job may do through its proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the tool at a time; more wait. Default 64.
    pub connections: usize,
    /// Bytes of a request's head; at least 8192. Default 16 KiB.
    pub header_bytes: usize,
    /// Longest time for a request's head. Default 10 s.
    pub header_time: Duration,
    /// Longest time for a lookup, and for a connection to be made. Default 10 s.
    pub connect: Duration,
    /// A connection on which nothing moves for this long is closed, at the latest after twice the time. Default 2 min.
    pub idle: Duration,
    /// Bytes in both directions of all connections together. Default 1 GiB.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            bytes: 1 << 30,
        }
    }
}

/// Makes proxies for jobs.
pub struct Proxies {
    gate: Gate,
    secrets: Arc<dyn Secrets>,
    limits: Limits,
    directory: PathBuf,
    /// Through which sockets are made, whose own paths have to be short.
    opened: OwnedFd,
    sockets: AtomicU64,
    connections: Arc<AtomicU64>,
    tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The proxy of one job. Its connections are cut when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Proxies {
    /// Keeps its sockets in `directory`, which nobody else may enter and which is emptied. Connections are numbered from
    /// `first` on. `secrets` are where credentials come from.
    ///
    /// # Errors
    /// If the directory cannot be made, or emptied.
    pub fn new(
        directory: &Path,
        gate: Gate,
        secrets: Arc<dyn Secrets>,
        limits: Limits,
        first: u64,
    ) -> io::Result<Self> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let opened =
            rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            gate,
            secrets,
            limits,
            directory: directory.to_owned(),
            opened,
            sockets: AtomicU64::new(0),
            connections: Arc::new(AtomicU64::new(first)),
            tls: None,
        })
    }

    /// Speaks TLS with this configuration instead of the machine's.
    #[must_use]
    pub fn with_tls(mut self, config: ClientConfig) -> Self {
        self.tls = Some(Arc::new(config));
        self
    }

    /// Starts the proxy of a job. It listens when this returns.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn start(&self, grant: Grant) -> io::Result<Proxy> {
        let name = format!("{}.sock", self.sockets.fetch_add(1, Ordering::Relaxed));
        let socket = self.directory.join(&name);
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", self.opened.as_raw_fd()))?;
        // The tool is another user than the server. It is let in by being given the socket; nobody else gets past the
        // directory.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
        let (stopping, tasks) = (CancellationToken::new(), TaskTracker::new());
        let session = Arc::new(Session {
            gate: self.gate.clone(),
            grant,
            secrets: self.secrets.clone(),
            limits: self.limits,
            budget: Arc::new(Budget::new(self.limits.bytes)),
            connections: self.connections.clone(),
            tls: self.tls.clone(),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        });
        tasks.spawn(accept(session, listener));
        Ok(Proxy { socket, stopping, tasks })
    }
}

/// Takes connections until the end. More than there may be wait in the socket's queue.
async fn accept(session: Arc<Session>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(session.limits.connections.max(1)));
    let serving = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    session.tasks.spawn(session::serve(session.clone(), stream, place));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of a tool could not be taken");
                    // What is missing, for example descriptors, comes back when others end.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = session.stopping.cancelled() => {}
    }
}

impl Proxy {
    /// The socket that the tool is given.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Cuts all connections, and returns when their ends are on record.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.tasks.close();
        // It is in a directory that is emptied at the next start.
        let _ = fs::remove_file(&self.socket);
    }
}

impl Session {
    fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        match &self.tls {
            Some(config) => Ok(config.clone()),
            None => tls::config().map(Arc::new),
        }
    }
}
