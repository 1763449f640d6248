//! The append-only log: the trait, the frames it is made of, an implementation in memory, and the conformance
//! suite that every implementation passes.
//!
//! Invariant: an append is durable when it returns, or it did not happen. Readers never see an event that is not
//! durable. Positions are contiguous from 1, versions of a stream likewise.

pub mod conformance;
pub mod frame;
pub mod live;
pub mod memory;
pub mod record;

use std::{future::Future, pin::Pin, sync::Arc};

use futures_util::Stream;
use openclaw_model::{CommandId, Digest, Position, Recorded, StreamId, Timestamp, Version};

pub use frame::{Frame, pack};
pub use memory::MemoryLog;

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest durable event; [`Position::START`] for an empty log.
    pub position: Position,
    /// Hash of the newest frame; all zero for an empty log.
    pub hash: Digest,
    /// Time of the newest event, so that time never goes backwards within a log.
    pub at: Timestamp,
}

impl Head {
    /// The head of an empty log.
    pub const GENESIS: Self =
        Self { position: Position::START, hash: Digest([0; 32]), at: Timestamp::from_micros(0) };
}

/// The end of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// Version of its newest event.
    pub version: Version,
    /// Global position of that event.
    pub position: Position,
}

/// Whether the log takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Writable,
    /// It does not, until the process is started again; reads go on. The text says why.
    ReadOnly(Arc<str>),
}

/// Why an append was refused. Nothing of it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended since; a single writer never sees this.
    #[error("the log ends at {}, the append expected {}", actual.position, expected.position)]
    WrongHead {
        /// What the writer expected.
        expected: Head,
        /// Where the log really ends.
        actual: Head,
    },
    /// An earlier storage error made the log read-only. `OC-LOG-002`.
    #[error("the log is read-only since a storage error: {0}")]
    ReadOnly(Arc<str>),
    /// This append met a storage error; the log is read-only from now on and whether this append is on disk is
    /// decided at the next start. `OC-LOG-003`.
    #[error("storage error, the log is read-only from now on: {0}")]
    Storage(Arc<str>),
}

/// Why the log could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The stored bytes are not what was written. `OC-LOG-001`.
    #[error("the log is damaged at position {position}: {reason}")]
    Damaged {
        /// The first position that cannot be trusted.
        position: Position,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// The storage could not be read.
    #[error("the log could not be read: {0}")]
    Storage(Arc<str>),
}

/// Events in log order, as many as lay together. Never empty.
pub type Batch = Arc<[Recorded]>;

/// A stream of batches in log order. It ends after its first error.
pub type Batches = Pin<Box<dyn Stream<Item = Result<Batch, ReadError>> + Send>>;

/// Stored frames in log order, byte for byte. It ends after its first error.
pub type StoredFrames = Pin<Box<dyn Stream<Item = Result<Arc<[u8]>, ReadError>> + Send>>;

/// A log that shows the bytes it keeps, so that somebody else can verify them ([`frame::Frame::parse`]).
pub trait Frames: EventLog {
    /// The frames from the one that holds `from` on, to the head at the time of the call. They are not verified: that
    /// is for whoever reads them to do. Cost: as much as [`EventLog::read`], a little more where frames have to be put
    /// together again.
    fn frames(&self, from: Position) -> StoredFrames;

    /// The payload of the event at `position` that is stored apart.
    ///
    /// # Errors
    /// See [`ReadError`]; what is not there, or is not what was written, is damage.
    fn blob(&self, position: Position, blob: record::BlobRef) -> Result<Arc<[u8]>, ReadError>;
}

/// An append-only log with one writer and many readers.
///
/// Cost: `head`, `stream_head` and `find_command` are in memory for recent events, otherwise a few page reads.
/// They may block for that long; callers on an async thread accept it.
pub trait EventLog: Send + Sync + 'static {
    /// Appends `frames`, which must follow `expected`, with one fsync for all. Durable when it returns.
    ///
    /// An append takes its place when this is called, not when the future is first polled, and dropping the future
    /// does not take it back. So a writer may have several in flight, each expecting the head that the one before
    /// will make; if one fails, those behind it are refused.
    ///
    /// # Errors
    /// See [`AppendError`].
    fn append(
        &self,
        frames: Vec<Frame>,
        expected: Head,
    ) -> impl Future<Output = Result<Head, AppendError>> + Send;

    /// History from `from` (inclusive) to the head at the time of the call.
    fn read(&self, from: Position) -> Batches;

    /// History from `from` (inclusive), then what is appended, for ever and without a seam.
    fn tail(&self, from: Position) -> Batches;

    /// Events of one stream from version `from` (inclusive) to its head at the time of the call.
    fn read_stream(&self, stream: &StreamId, from: Version) -> Batches;

    /// The durable end of the log.
    fn head(&self) -> Head;

    /// The end of one stream, or none if it has no event.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError>;

    /// Position of the first event that `command` appended, if it is within the window that the implementation
    /// keeps (its documentation says how far back that is).
    ///
    /// # Errors
    /// See [`ReadError`].
    fn find_command(&self, command: CommandId) -> Result<Option<Position>, ReadError>;

    /// Whether the log takes appends.
    fn health(&self) -> Health;
}
