//! Keeping a record of connections.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin};

use crate::{Origin, Refused, Target};

/// A record on its way; the error says why it could not be made.
pub type Recording<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A connection that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// For whom.
    pub origin: Origin,
    /// Tells the connections of one process of the server apart.
    pub number: u64,
    /// Where it was wanted to.
    pub target: Target,
    /// Where it goes.
    pub address: SocketAddr,
    /// What allowed it.
    pub rule: String,
    /// Name of the credential that is put in.
    pub credential: Option<String>,
}

/// A connection that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// For whom it was.
    pub origin: Origin,
    /// Which.
    pub number: u64,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
}

/// Keeps a record of connections.
pub trait Recorder: Send + Sync + 'static {
    /// A connection is made when this has worked, and not if it has not.
    fn opened<'a>(&'a self, connection: &'a Connection) -> Recording<'a>;

    /// A connection was refused.
    fn denied<'a>(&'a self, origin: Origin, refused: &'a Refused) -> Recording<'a>;

    /// A connection has ended.
    fn closed<'a>(&'a self, ended: &'a Ended) -> Recording<'a>;
}

/// Keeps none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn opened<'a>(&'a self, _: &'a Connection) -> Recording<'a> {
        Box::pin(async { Ok(()) })
    }

    fn denied<'a>(&'a self, _: Origin, _: &'a Refused) -> Recording<'a> {
        Box::pin(async { Ok(()) })
    }

    fn closed<'a>(&'a self, _: &'a Ended) -> Recording<'a> {
        Box::pin(async { Ok(()) })
    }
}

impl fmt::Debug for dyn Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}
