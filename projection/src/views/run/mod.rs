//! Runs of workflows and their tasks: the rows, and what must be known of a run to change them.

mod fold;

use std::collections::BTreeMap;

use openclaw_model::{
    Position, RunId, TaskId, Timestamp,
    event::run::{TaskKind, WorkflowRef},
};

pub(super) use fold::{apply, begin};

/// Declares a status with its stable names, as the Serverless Workflow specification has them.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the read model.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The status of this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

status! {
    /// How a run stands.
    RunStatus {
        /// Accepted, its input is not validated yet.
        Pending = "pending",
        /// At work.
        Running = "running",
        /// All that is open waits for a time.
        Waiting = "waiting",
        /// The outcome of an effect is unknown and somebody has to decide.
        Suspended = "suspended",
        /// Stopped before its end.
        Cancelled = "cancelled",
        /// Ended with an error.
        Faulted = "faulted",
        /// Ended well.
        Completed = "completed",
    }
}

impl RunStatus {
    /// Whether the run is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Faulted | Self::Completed)
    }
}

status! {
    /// How one execution of a task stands.
    TaskStatus {
        /// At work, or with children at work.
        Running = "running",
        /// It waits for a time: a timer, or the pause before a retry.
        Waiting = "waiting",
        /// The outcome of its effect is unknown.
        Suspended = "suspended",
        /// Stopped before its end.
        Cancelled = "cancelled",
        /// Ended with an error.
        Faulted = "faulted",
        /// Ended well.
        Completed = "completed",
        /// Its condition was false.
        Skipped = "skipped",
    }
}

/// What must be known of a run to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) id: RunId,
    pub(crate) status: RunStatus,
    pub(crate) tasks: u32,
    pub(crate) open: BTreeMap<TaskId, OpenTask>,
}

/// A task that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct OpenTask {
    /// Position of the event that started it.
    pub(crate) key: Position,
    pub(crate) status: TaskStatus,
    pub(crate) effect: bool,
    pub(crate) retries: u32,
    pub(crate) dispatches: u32,
    pub(crate) due: Option<Timestamp>,
}

/// Row of `runs`; what changes later is in the tail.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) workflow: WorkflowRef,
    pub(crate) inline: bool,
    pub(crate) actor: i64,
    pub(crate) parent: Option<RunId>,
    pub(crate) parent_task: Option<TaskId>,
    pub(crate) started_at: Timestamp,
    pub(crate) input: String,
    pub(crate) tail: RunTail,
}

/// The columns of a run that change. What is none here is kept.
#[derive(Clone, Debug)]
pub(crate) struct RunTail {
    pub(crate) status: RunStatus,
    pub(crate) tasks: u32,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
}

/// Row of `tasks`; what changes later is in the tail.
#[derive(Clone, Debug)]
pub(crate) struct TaskRow {
    pub(crate) run: Position,
    pub(crate) task: TaskId,
    pub(crate) parent: Option<TaskId>,
    pub(crate) kind: TaskKind,
    pub(crate) effect: bool,
    pub(crate) iteration: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) name: String,
    pub(crate) reference: String,
    pub(crate) input: Option<String>,
    pub(crate) tail: TaskTail,
}

/// The columns of a task that change. `output` and `error` are kept when they are none here.
#[derive(Clone, Debug)]
pub(crate) struct TaskTail {
    pub(crate) status: TaskStatus,
    pub(crate) retries: u32,
    pub(crate) dispatches: u32,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
}

/// Changed rows of the run tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) runs: BTreeMap<Position, RunRow>,
    pub(crate) run_tails: BTreeMap<Position, RunTail>,
    pub(crate) tasks: BTreeMap<Position, TaskRow>,
    pub(crate) task_tails: BTreeMap<Position, TaskTail>,
    pub(crate) counts: BTreeMap<RunStatus, i64>,
    /// Runs of which anything changed, for those who watch them.
    pub(crate) touched: BTreeMap<Position, RunId>,
}
