//! How far the read model has come, and who wants to know.

use std::sync::Arc;

use openclaw_model::{Position, RunId, Timestamp};

use crate::Failure;

/// How far the read model has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The rows that readers get show every event up to here; zero while nothing can be served yet.
    pub position: Position,
    /// Time of the event at that position, by the log.
    pub at: Timestamp,
    /// What the worker is doing.
    pub status: Status,
}

/// What the worker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The rows showed the whole log when this was published.
    Fresh,
    /// There are events that the rows do not show yet.
    CatchingUp,
    /// A new generation is being built; an older one may be served meanwhile.
    Rebuilding {
        /// How far the new generation has come.
        built: Position,
    },
    /// It stopped.
    Failed(Failure),
}

impl Status {
    /// The name that users meet.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fresh => "FRESH",
            Self::CatchingUp => "CATCHING_UP",
            Self::Rebuilding { .. } => "REBUILDING",
            Self::Failed(_) => "FAILED",
        }
    }
}

impl Progress {
    /// This progress, with `Fresh` and `CatchingUp` decided against the log's head of this moment.
    #[must_use]
    pub fn against(mut self, head: Position) -> Self {
        if matches!(self.status, Status::Fresh | Status::CatchingUp) {
            self.status = if self.position >= head { Status::Fresh } else { Status::CatchingUp };
        }
        self
    }
}

/// The view did not reach a position in time, or never will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[OC-PRJ-005] the view stands at {} ({}), {wanted} was asked for", progress.position, progress.status.as_str())]
pub struct Stale {
    /// The position that was waited for.
    pub wanted: Position,
    /// How far the view had come when the wait ended.
    pub progress: Progress,
}

/// Rows of these runs were committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The rows show every event up to here.
    pub position: Position,
    /// The runs whose rows or whose tasks' rows changed.
    pub runs: Arc<[RunId]>,
}
