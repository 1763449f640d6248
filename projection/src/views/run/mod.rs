//! Runs of workflows and their tasks: the rows, and what must be known of a run to change them.

mod control;
mod fold;
mod status;
mod task;

use std::{collections::BTreeMap, sync::Arc};

use openclaw_model::{
    Position, RunId, TaskId, Timestamp, Version,
    event::run::{Concurrency, EffectClass, ForkOrigin, ParentTask, TaskKind, Trigger, WorkflowRef},
};
use serde::{Deserialize, Serialize};

pub(super) use fold::{apply, begin};
pub(crate) use status::status;
pub use status::{EffectState, RunStatus, TaskStatus};

/// What must be known of a run to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) id: RunId,
    pub(crate) status: RunStatus,
    pub(crate) tasks: u32,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Where the copied history of a fork ends.
    pub(crate) fork_at: Option<Version>,
    pub(crate) control: Control,
    pub(crate) open: BTreeMap<TaskId, OpenTask>,
}

impl State {
    /// Whether the event of this version was copied from the run that this one was forked from.
    pub(crate) fn copies(&self, version: Version) -> bool {
        self.fork_at.is_some_and(|at| version <= at)
    }
}

/// What people did to a run, and what a retry needs. It changes seldom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    pub(crate) paused: Option<Paused>,
    pub(crate) cancel: Option<CancelRequest>,
    /// How often it was retried.
    pub(crate) retries: u32,
    /// Position of the event with which the copied history of a fork ended.
    pub(crate) forked: Option<Position>,
    /// How it was before the error that is going up, or that it ended with.
    pub(crate) before: Option<Arc<Before>>,
}

/// A pause that lasts.
#[derive(Clone, Debug)]
pub(crate) struct Paused {
    /// Of the event that paused it.
    pub(crate) position: Position,
    pub(crate) since: Timestamp,
    pub(crate) reason: Option<String>,
}

/// A request to stop.
#[derive(Clone, Debug)]
pub(crate) struct CancelRequest {
    pub(crate) at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) kill: bool,
}

/// The open tasks before an error began to go up; a retry puts them back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) at: Timestamp,
    pub(crate) tasks: BTreeMap<TaskId, OpenTask>,
}

/// What a retry of a task does not do again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keeps {
    /// It is started anew.
    Nothing,
    /// It goes on where it stands.
    Place,
    /// It goes on behind what it was to do, whose outcome is there.
    Outcome,
}

impl Keeps {
    /// In the read model.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Place => 1,
            Self::Outcome => 2,
        }
    }

    /// From the read model.
    pub(crate) const fn of(number: i64) -> Self {
        match number {
            0 => Self::Nothing,
            1 => Self::Place,
            _ => Self::Outcome,
        }
    }
}

/// A task that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenTask {
    /// Position of the event that started it.
    pub(crate) key: Position,
    pub(crate) parent: Option<TaskId>,
    pub(crate) kind: TaskKind,
    pub(crate) path: Box<str>,
    pub(crate) status: TaskStatus,
    pub(crate) effect: Option<EffectState>,
    /// Whether its effect is a decision of people.
    pub(crate) asks: bool,
    pub(crate) keeps: Keeps,
    pub(crate) retries: u32,
    pub(crate) dispatches: u32,
    /// Events that a `listen` has taken in.
    pub(crate) consumed: u32,
    pub(crate) started_at: Timestamp,
    /// When it began to wait as it does; none if that was when it started.
    pub(crate) since: Option<Timestamp>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) deadline: Option<Timestamp>,
}

/// Row of `runs`; what changes later is in the tail and in [`Control`].
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) workflow: WorkflowRef,
    pub(crate) inline: bool,
    pub(crate) actor: i64,
    pub(crate) parent: Option<ParentTask>,
    pub(crate) started_at: Timestamp,
    pub(crate) input: String,
    pub(crate) tail: RunTail,
}

/// Columns of `runs` that most runs leave empty. They never change.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) priority: i32,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) fork: Option<ForkOrigin>,
}

/// The columns of a run that change. `output` and `error` are kept when they are none here, and emptied by
/// [`CLEAR`].
#[derive(Clone, Debug)]
pub(crate) struct RunTail {
    pub(crate) status: RunStatus,
    pub(crate) tasks: u32,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
}

/// A text that empties its column; no JSON is empty.
pub(crate) const CLEAR: &str = "";

/// Row of `tasks`; what changes later is in the tail.
#[derive(Clone, Debug)]
pub(crate) struct TaskRow {
    pub(crate) run: Position,
    pub(crate) task: TaskId,
    pub(crate) parent: Option<TaskId>,
    pub(crate) kind: TaskKind,
    pub(crate) iteration: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) name: String,
    pub(crate) reference: String,
    pub(crate) path: Box<str>,
    pub(crate) effect: Option<Effect>,
    /// JSON: what it waits for, if that is something else than a time.
    pub(crate) detail: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) tail: TaskTail,
}

/// What never changes of an effect.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) key: String,
    pub(crate) class: EffectClass,
    pub(crate) kind: &'static str,
}

/// The columns of a task that change. `output` and `error` are as in [`RunTail`].
#[derive(Clone, Debug)]
pub(crate) struct TaskTail {
    pub(crate) status: TaskStatus,
    pub(crate) effect: Option<EffectState>,
    pub(crate) keeps: Keeps,
    pub(crate) retries: u32,
    pub(crate) dispatches: u32,
    pub(crate) consumed: u32,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
}

/// Row of `attempts`: a failed attempt of a `try`.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRow {
    /// The `try` task.
    pub(crate) task: Position,
    pub(crate) attempt: u32,
    pub(crate) failed_at: Timestamp,
    /// When the next one starts; none if there is none.
    pub(crate) next: Option<Timestamp>,
    pub(crate) error: String,
}

/// Changed rows of the run tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) runs: BTreeMap<Position, RunRow>,
    pub(crate) origins: BTreeMap<Position, Origin>,
    pub(crate) run_tails: BTreeMap<Position, RunTail>,
    pub(crate) controls: BTreeMap<Position, Control>,
    pub(crate) tasks: BTreeMap<Position, TaskRow>,
    pub(crate) task_tails: BTreeMap<Position, TaskTail>,
    /// By position of the event that tells of it.
    pub(crate) attempts: BTreeMap<Position, AttemptRow>,
    /// By status and namespace.
    pub(crate) counts: BTreeMap<(RunStatus, i64), i64>,
    /// Runs of which anything changed, for those who watch them.
    pub(crate) touched: BTreeMap<Position, RunId>,
}
