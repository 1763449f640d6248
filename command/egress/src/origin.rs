//! For whom connections are made.

use std::future::Future;

use openclaw_model::{RunId, TaskId};

/// The run and the task that a connection belongs to; neither for what the server does for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The run.
    pub run: Option<RunId>,
    /// Its task.
    pub task: Option<TaskId>,
}

tokio::task_local! {
    static ORIGIN: Origin;
}

impl Origin {
    /// A task of a run.
    #[must_use]
    pub fn task(run: RunId, task: TaskId) -> Self {
        Self { run: Some(run), task: Some(task) }
    }

    /// What `work` does is recorded as of this origin. It does not reach into tasks that `work` spawns.
    pub fn of<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        ORIGIN.scope(self, work)
    }

    /// The origin of what is running.
    #[must_use]
    pub fn current() -> Self {
        ORIGIN.try_with(|origin| *origin).unwrap_or_default()
    }
}
