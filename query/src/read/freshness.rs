//! How current the answers are, and what the server is.

use async_graphql::{Enum, SimpleObject};
use openclaw_log::Health;
use openclaw_projection::{Progress, Status};

use crate::{
    Deps,
    scalar::{DateTime, Long, Position},
};

/// What the read model is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum FreshnessStatus {
    /// It shows the whole log.
    Fresh,
    /// There are events that it does not show yet.
    CatchingUp,
    /// A new one is being built; an older one may be served meanwhile.
    Rebuilding,
    /// It stopped. What it shows stays right, up to its position.
    Failed,
}

impl FreshnessStatus {
    fn of(status: &Status) -> Self {
        match status {
            Status::Fresh => Self::Fresh,
            Status::CatchingUp => Self::CatchingUp,
            Status::Rebuilding { .. } => Self::Rebuilding,
            Status::Failed(_) => Self::Failed,
        }
    }
}

/// How current an answer is.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Freshness {
    /// What the read model is doing.
    pub(crate) status: FreshnessStatus,
    /// It shows every event up to here.
    pub(crate) position: Position,
    /// The end of the log.
    pub(crate) head: Position,
}

/// The worker that keeps the read model.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Projection {
    /// What it is doing.
    pub(crate) status: FreshnessStatus,
    /// The rows show every event up to here.
    pub(crate) position: Position,
    /// The end of the log.
    pub(crate) head: Position,
    /// Events between the two.
    pub(crate) lag: Long,
    /// Time of the event at `position`; null before the first.
    pub(crate) at: Option<DateTime>,
    /// During a rebuild: how far the new read model has come.
    pub(crate) built: Option<Position>,
    /// Why it stopped, if it did.
    pub(crate) failure: Option<ProjectionFailure>,
}

/// Why the projector stopped.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ProjectionFailure {
    /// Code of the error page.
    pub(crate) code: String,
    /// The event it is about, or the last one before it.
    pub(crate) position: Position,
    /// What happened.
    pub(crate) message: String,
}

/// The server.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Server {
    /// Version of the program.
    pub(crate) version: String,
    /// Position of the newest event.
    pub(crate) head: Position,
    /// Hash of the newest frame of the log, hexadecimal.
    pub(crate) head_hash: String,
    /// Time of the newest event; null for an empty log.
    pub(crate) head_at: Option<DateTime>,
    /// Whether commands are taken.
    pub(crate) writable: bool,
    /// Why not, if they are not.
    pub(crate) read_only_reason: Option<String>,
}

pub(crate) fn freshness(deps: &Deps) -> Freshness {
    let head = deps.history.head().position;
    let progress = deps.views.progress().against(head);
    Freshness {
        status: FreshnessStatus::of(&progress.status),
        position: progress.position.into(),
        head: head.into(),
    }
}

pub(crate) fn projection(deps: &Deps, progress: Progress) -> Projection {
    let head = deps.history.head().position;
    let progress = progress.against(head);
    let (built, failure) = match &progress.status {
        Status::Rebuilding { built } => (Some((*built).into()), None),
        Status::Failed(failure) => {
            let position = failure.position().into();
            (
                None,
                Some(ProjectionFailure {
                    code: failure.code().into(),
                    position,
                    message: failure.to_string(),
                }),
            )
        }
        _ => (None, None),
    };
    Projection {
        status: FreshnessStatus::of(&progress.status),
        position: progress.position.into(),
        head: head.into(),
        lag: Long(head.0.saturating_sub(progress.position.0)),
        at: (progress.position.0 > 0).then_some(DateTime(progress.at)),
        built,
        failure,
    }
}

pub(crate) fn server(deps: &Deps) -> Server {
    let head = deps.history.head();
    let read_only_reason = match deps.history.health() {
        Health::Writable => None,
        Health::ReadOnly(reason) => Some(reason.to_string()),
    };
    Server {
        version: deps.version.to_owned(),
        head: head.position.into(),
        head_hash: head.hash.to_string(),
        head_at: (head.position.0 > 0).then_some(DateTime(head.at)),
        writable: read_only_reason.is_none(),
        read_only_reason,
    }
}
