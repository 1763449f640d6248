//! The only door into the log: one task decides commands one after the other and appends what they led to.
//!
//! Invariant: a caller is answered only when everything its answer rests on is durable, rejections and repeated
//! answers included.

mod command;
mod room;
mod states;
mod task;

use std::sync::Arc;

use openclaw_core::Facts;
use openclaw_log::{EventLog, Health, ReadError};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Event, Position, StreamId, StreamKind, Timestamp, Version,
    envelope::Causality,
};
use openclaw_ports::{Clock, Ids};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use command::{Command, Rejection};
pub use room::{Bounds, Census, Room};

use crate::metrics;

/// How many commands wait for the sequencer at most; more are refused as [`Refused::Busy`].
pub const QUEUE: usize = 4096;

/// Which version of the stream a command is meant for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any.
    #[default]
    Any,
    /// The stream must not exist.
    NoStream,
    /// Exactly this one.
    Exact(Version),
}

/// A command on its way to its stream.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose state decides.
    pub stream: StreamId,
    /// What is asked.
    pub command: Command,
    /// Identifies the command; the same for a repetition.
    pub id: CommandId,
    /// Fingerprint of its content.
    pub digest: CommandDigest,
    /// Whether the id comes from an idempotency key, so that a repetition is possible.
    pub keyed: bool,
    /// Which version it is meant for.
    pub expected: Expected,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub causality: Causality,
}

/// What a command led to.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The stream it went to; of a repeated command, that of the first one.
    pub stream: StreamId,
    /// Position of its last event; of the stream's last event if it led to none.
    pub position: Position,
    /// Version of the stream after it.
    pub stream_version: Version,
    /// Its events; empty if there was nothing left to do.
    pub events: Arc<[Event]>,
    /// Whether this is the first answer to an earlier command with the same key.
    pub repeated: bool,
}

/// Why a command was not carried out. Nothing of it is in the log, except as said at `Storage`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The state of the stream does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The stream is at another version. `OC-CMD-001`.
    #[error("the stream is at version {actual}, the command expected {expected}")]
    Conflict {
        /// What the caller expected, in words.
        expected: String,
        /// Where the stream is.
        actual: Version,
    },
    /// The idempotency key was used for a command with other content. `OC-CMD-002`.
    #[error("the idempotency key was used for another command")]
    KeyReused,
    /// Too many commands wait. `OC-RPC-007`.
    #[error("too many commands are waiting; try again")]
    Busy,
    /// The server is stopping. `OC-CMD-004`.
    #[error("the server is stopping")]
    Stopping,
    /// The log takes no appends. `OC-LOG-002`.
    #[error("the log is read-only: {0}")]
    ReadOnly(Arc<str>),
    /// The append failed; whether it is on disk is decided at the next start. `OC-LOG-003`.
    #[error("storage error: {0}")]
    Storage(Arc<str>),
    /// No command with this key has been accepted. Only [`Sequencer::recall`] meets it.
    #[error("no command with this key is known")]
    Unheard,
    /// The stream could not be read. `OC-LOG-001` or `OC-LOG-004`.
    #[error("the stream cannot be read: {0}")]
    Unreadable(String),
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// The durable events of one command, told to whoever watches commits.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Their stream.
    pub stream: StreamId,
    /// Position of the last one.
    pub position: Position,
    /// Version of the last one.
    pub version: Version,
    /// When they happened.
    pub at: Timestamp,
    /// The events; never empty.
    pub events: Arc<[Event]>,
}

/// The answer to `command` for a stream that does not exist, without asking the log or writing to it.
pub(crate) fn absent(kind: StreamKind, expected: Expected, command: &Command) -> Refused {
    if let Err(conflict) = task::check(expected, Version::NONE) {
        return conflict;
    }
    match states::Cached::new(kind).decide(command, &Facts { now: Timestamp::default() }) {
        Err(rejection) => rejection.into(),
        // A command that something can begin with; whoever makes things is refused before.
        Ok(_) => Refused::Unheard,
    }
}

/// Receives every commit from the moment it was made, in log order. Unbounded, because a watcher must miss nothing:
/// watchers only look at a commit and hand it on.
pub type Commits = mpsc::UnboundedReceiver<Commit>;

struct Envelope {
    work: Work,
    reply: oneshot::Sender<Result<Accepted, Refused>>,
}

/// What the task is asked for.
enum Work {
    /// To decide a command.
    Decide(Box<Submission>),
    /// For the first answer to a keyed command.
    Recall { id: CommandId, digest: CommandDigest },
}

/// Handle to the sequencer. Cheap to clone.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Envelope>,
    health: Arc<dyn Fn() -> Health + Send + Sync>,
    closing: CancellationToken,
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer").finish_non_exhaustive()
    }
}

impl Sequencer {
    /// Makes the sequencer of `log` and its task, which the caller runs. `watchers` is how many receivers of
    /// commits there are to be.
    pub fn new<L: EventLog>(
        log: Arc<L>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        watchers: usize,
    ) -> (Self, Vec<Commits>, impl Future<Output = ()> + Send + 'static) {
        Self::bounded(log, clock, ids, watchers, Room::default())
    }

    /// As [`Self::new`], with bounds on what there may be of each namespace. `room` has to know how much there is at the
    /// head of the log.
    pub fn bounded<L: EventLog>(
        log: Arc<L>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        watchers: usize,
        room: Room,
    ) -> (Self, Vec<Commits>, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (senders, receivers) = (0..watchers).map(|_| mpsc::unbounded_channel()).unzip();
        let health = log.clone();
        let closing = CancellationToken::new();
        let task = task::Task::new(log, clock, ids, senders, room).run(waiting, closing.clone());
        (Self { queue, health: Arc::new(move || health.health()), closing }, receivers, task)
    }

    /// Takes no more commands. The task carries out what waits and ends when all of it is durable and answered.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Whether the log takes appends.
    #[must_use]
    pub fn health(&self) -> Health {
        (self.health)()
    }

    /// How many commands are waiting.
    #[must_use]
    pub fn depth(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

    /// Submits a command of a caller; refused at once when too many wait.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, Refused> {
        self.ask(Work::Decide(Box::new(submission))).await
    }

    /// The first answer to a keyed command, or none if no such command has been accepted.
    ///
    /// # Errors
    /// [`Refused::KeyReused`] when that command had other content, and what reading the log may give.
    pub async fn recall(&self, id: CommandId, digest: CommandDigest) -> Result<Option<Accepted>, Refused> {
        match self.ask(Work::Recall { id, digest }).await {
            Ok(accepted) => Ok(Some(accepted)),
            Err(Refused::Unheard) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    async fn ask(&self, work: Work) -> Result<Accepted, Refused> {
        let (reply, answer) = oneshot::channel();
        metrics::queue_depth(self.depth());
        self.queue.try_send(Envelope { work, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Busy,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopping,
        })?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    /// Submits a command of the runtime, which waits its turn instead of being refused.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn submit_patiently(&self, submission: Submission) -> Result<Accepted, Refused> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Envelope { work: Work::Decide(Box::new(submission)), reply })
            .await
            .map_err(|_| Refused::Stopping)?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }
}

#[cfg(test)]
mod tests;
