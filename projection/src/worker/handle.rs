//! The side of the worker that readers hold.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use openclaw_log::{EventLog, ReadError};
use openclaw_model::{Position, Recorded, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{Changed, Failure, Progress, Reader, Stale, Status, generation::Generation};

/// Changes that a slow watcher may fall behind before it is told that it lagged.
const CHANGES: usize = 256;
/// How long a reader waits for the first generation of a young read model.
const FIRST_GENERATION: Duration = Duration::from_secs(2);

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// There is no complete generation yet, and older ones have other tables. `OC-PRJ-007`.
    #[error("[OC-PRJ-007] the read model is being built")]
    Building(Progress),
    /// There is none, and building one failed.
    #[error("there is no read model: {0}")]
    Failed(Failure),
    /// The file cannot be read, or all readers are busy. `OC-PRJ-008`.
    #[error("[OC-PRJ-008] the read model cannot be read")]
    Storage(#[source] sqlx::Error),
}

/// Why a rebuild did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// It failed; what served before still does.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The projector is not running any more.
    #[error("the projector was stopped")]
    Stopped,
}

type Request = oneshot::Sender<Result<Position, Failure>>;

/// What readers hold: connections to the serving generation and news of how far it is. Clones are one.
#[derive(Clone, Debug)]
pub struct Views {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    progress: watch::Sender<Progress>,
    generation: watch::Sender<Option<Arc<Generation>>>,
    changes: broadcast::Sender<Changed>,
    requests: mpsc::Sender<Request>,
}

impl Views {
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, received) = mpsc::channel(4);
        let nothing = Progress {
            position: Position::START,
            at: Timestamp::default(),
            status: Status::Rebuilding { built: Position::START },
        };
        let shared = Shared {
            progress: watch::Sender::new(nothing),
            generation: watch::Sender::new(None),
            changes: broadcast::Sender::new(CHANGES),
            requests,
        };
        (Self { shared: Arc::new(shared) }, received)
    }

    pub(super) fn publish(&self, progress: Progress) {
        self.shared.progress.send_if_modified(|shown| {
            let modified = *shown != progress;
            *shown = progress;
            modified
        });
    }

    pub(super) fn offer(&self, generation: Generation) {
        self.shared.generation.send_replace(Some(Arc::new(generation)));
    }

    pub(super) fn changed(&self, changed: Changed) {
        // Nobody may be watching.
        let _ = self.shared.changes.send(changed);
    }

    /// How far the read model has come. [`Progress::against`] decides its freshness for this moment's head.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress.borrow().clone()
    }

    /// News of the progress. A slow watcher sees the newest only.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// News of changed runs, each sent after its rows were committed. A watcher that falls behind 256 of them is
    /// told so and has to look for itself.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.shared.changes.subscribe()
    }

    /// Waits until the rows show every event up to `wanted`, at most `limit`.
    ///
    /// # Errors
    /// [`Stale`] when time is over, or at once when the worker has stopped before that position.
    pub async fn reach(&self, wanted: Position, limit: Duration) -> Result<Progress, Stale> {
        let mut news = self.watch();
        let done =
            |progress: &Progress| progress.position >= wanted || matches!(progress.status, Status::Failed(_));
        // The sender lives as long as `self`, so the only other way out is the time limit.
        let _ = tokio::time::timeout(limit, news.wait_for(done)).await;
        let progress = self.progress();
        if progress.position >= wanted { Ok(progress) } else { Err(Stale { wanted, progress }) }
    }

    /// A connection to the serving generation, for one question.
    ///
    /// # Errors
    /// See [`Unavailable`]. A read model that is being built for the first time is waited for up to 2 s.
    pub async fn reader(&self) -> Result<Reader, Unavailable> {
        let mut offered = self.shared.generation.subscribe();
        let mut failed = self.watch();
        let first = async {
            tokio::select! {
                // Neither sender goes away before `self` does.
                _ = offered.wait_for(Option::is_some) => {}
                _ = failed.wait_for(|progress| matches!(progress.status, Status::Failed(_))) => {}
            }
        };
        let _ = tokio::time::timeout(FIRST_GENERATION, first).await;
        let mut again = true;
        loop {
            let progress = self.progress();
            let Some(generation) = self.generation() else {
                return Err(match progress.status {
                    Status::Failed(failure) => Unavailable::Failed(failure),
                    _ => Unavailable::Building(progress),
                });
            };
            match generation.reader(progress.position).await {
                Ok(reader) => return Ok(reader),
                // Its file may have been replaced in this very moment; then the new one is tried, once.
                Err(_) if again && self.generation().is_some_and(|now| now.name != generation.name) => {
                    again = false
                }
                Err(error) => return Err(Unavailable::Storage(error)),
            }
        }
    }

    fn generation(&self) -> Option<Arc<Generation>> {
        self.shared.generation.borrow().clone()
    }

    /// Builds a new generation from the log beside the serving one and switches to it. Returns the position from
    /// which it serves. Requests during a build wait for that build.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn rebuild(&self) -> Result<Position, RebuildError> {
        let (sender, receiver) = oneshot::channel();
        self.shared.requests.send(sender).await.map_err(|_| RebuildError::Stopped)?;
        Ok(receiver.await.map_err(|_| RebuildError::Stopped)??)
    }
}

/// The event at `position`, none when the log does not reach it.
pub(super) async fn event_at(log: &impl EventLog, position: Position) -> Result<Option<Recorded>, ReadError> {
    match log.read(position).next().await {
        Some(Ok(batch)) => Ok(batch.iter().find(|recorded| recorded.position == position).cloned()),
        Some(Err(error)) => Err(error),
        None => Ok(None),
    }
}
