//! What happens to the tasks of a run.

use alloc::{boxed::Box, collections::BTreeSet, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Intent, Interest};
use crate::{TaskId, Timestamp, event::policy::Verdict};

/// The kinds of task of the DSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Tasks one after the other.
    Do,
    /// Sets data.
    Set,
    /// Chooses the next task.
    Switch,
    /// Repeats tasks for each item.
    For,
    /// Tasks at the same time.
    Fork,
    /// Catches errors.
    Try,
    /// Raises an error.
    Raise,
    /// Waits for a time.
    Wait,
    /// Calls a function.
    Call,
    /// Runs a process or another workflow.
    Run,
    /// Publishes an event.
    Emit,
    /// Waits for events.
    Listen,
}

impl TaskKind {
    /// The name in the document and in the read model.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Set => "set",
            Self::Switch => "switch",
            Self::For => "for",
            Self::Fork => "fork",
            Self::Try => "try",
            Self::Raise => "raise",
            Self::Wait => "wait",
            Self::Call => "call",
            Self::Run => "run",
            Self::Emit => "emit",
            Self::Listen => "listen",
        }
    }
}

/// A task began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStarted {
    /// Its ordinal in the run.
    pub task: TaskId,
    /// The task it belongs to; none for a task of the top level.
    pub parent: Option<TaskId>,
    /// Its name in the document.
    pub name: String,
    /// JSON pointer to it in the document, for example `/do/0/getPet`.
    pub reference: String,
    /// What it does.
    pub kind: TaskKind,
    /// Which iteration of an enclosing `for` it belongs to, from 0, when its parent is that `for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// Which attempt of an enclosing `try` it belongs to, from 1.
    pub attempt: u32,
    /// Transformed input.
    pub input: Value,
    /// Raw input, when the transformation changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_input: Option<Value>,
    /// When the task times out, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What it does from here on.
    pub work: Work,
}

/// What a started task does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is made for each task, and moved once")]
pub enum Work {
    /// It computes, or it runs child tasks.
    Steps,
    /// It runs child tasks for each of these items.
    Loop {
        /// The evaluated collection.
        items: Vec<Value>,
    },
    /// It runs its branches at the same time.
    Branches {
        /// How many there are.
        count: u32,
        /// Whether the first that ends well wins.
        compete: bool,
    },
    /// It waits.
    Timer {
        /// Until when.
        due: Timestamp,
    },
    /// It waits for events.
    Listen {
        /// What an event has to look like to be of any interest: one of these. Empty if every event is.
        interests: Vec<Interest>,
    },
    /// It acts on the world.
    Effect(Intent),
}

/// A task's `if` was false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSkipped {
    /// Its ordinal in the run.
    pub task: TaskId,
    /// The task it belongs to.
    pub parent: Option<TaskId>,
    /// Its name in the document.
    pub name: String,
    /// JSON pointer to it in the document.
    pub reference: String,
    /// What it would have done.
    pub kind: TaskKind,
    /// Which iteration of an enclosing `for` it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// Which attempt of an enclosing `try` it belongs to.
    pub attempt: u32,
    /// Its raw input, which is its output.
    pub output: Value,
}

/// Where the flow goes after a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// To the next task of the scope.
    #[default]
    Continue,
    /// Out of the scope.
    Exit,
    /// To the end of the run.
    End,
    /// To the task of this name in the same scope.
    Goto(String),
}

impl Flow {
    /// Whether it is [`Flow::Continue`], which is not written to the log.
    #[must_use]
    pub fn is_continue(&self) -> bool {
        *self == Self::Continue
    }
}

/// A task ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskCompleted {
    /// Which.
    pub task: TaskId,
    /// Transformed output.
    pub output: Value,
    /// Raw output, when the transformation changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_output: Option<Value>,
    /// The new context, when the task exported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// Where the flow goes from here.
    #[serde(default, skip_serializing_if = "Flow::is_continue")]
    pub then: Flow,
}

/// An error in the form of the specification (RFC 7807).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowError {
    /// URI of the error type.
    pub r#type: String,
    /// Status code.
    pub status: u16,
    /// Short summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// This occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// JSON pointer to the component that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// A task ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFaulted {
    /// Which.
    pub task: TaskId,
    /// The error.
    pub error: WorkflowError,
    /// What its effect gave, when it is what came after the effect that failed: a retry does not repeat the effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_output: Option<Value>,
}

/// A task was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskCancelled {
    /// Which.
    pub task: TaskId,
    /// Why.
    pub reason: CancelReason,
}

/// Why a task was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The run was cancelled.
    RunCancelled,
    /// Another branch of a competing `fork` won.
    LostRace,
    /// A task beside or below it failed.
    Faulted,
    /// A time limit above it ran out.
    TimedOut,
    /// The workflow was ended by a flow directive elsewhere.
    Ended,
}

/// A `try` will run its tasks again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRetried {
    /// The `try` task.
    pub task: TaskId,
    /// The attempt that will start, from 2.
    pub attempt: u32,
    /// When it starts.
    pub due: Timestamp,
    /// Why.
    pub error: WorkflowError,
}

/// A `try` goes on with its `catch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorCaught {
    /// The `try` task.
    pub task: TaskId,
    /// What was caught.
    pub error: WorkflowError,
}

/// An effect is tried again after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectRedispatched {
    /// Which task's.
    pub task: TaskId,
    /// How often it has been dispatched with this one, from 2.
    pub dispatch: u32,
}

/// People allowed an effect that a policy had asked them about; it is performed from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectPermitted {
    /// Which task's.
    pub task: TaskId,
}

/// The policies have changed while people were asked about an effect, and say something else about it by now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectJudged {
    /// Which task's.
    pub task: TaskId,
    /// What they say, instead of what was recorded with the intent.
    pub verdict: Box<Verdict>,
}

/// What a child run gave back is made of data with these labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataLabelled {
    /// The task that waited for the child.
    pub task: TaskId,
    /// The labels of the child at its end.
    pub labels: BTreeSet<String>,
}

/// The outcome of an effect is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectUnknown {
    /// Which task's.
    pub task: TaskId,
}

/// Somebody said what became of an effect whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectReconciled {
    /// Which task's.
    pub task: TaskId,
    /// What became of it.
    pub resolution: Resolution,
    /// How that was found out, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of an effect, as somebody found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Resolution {
    /// It happened and gave this.
    Succeeded {
        /// Raw output.
        output: Value,
    },
    /// It failed.
    Failed {
        /// With this.
        error: WorkflowError,
    },
    /// It did not happen, and is to be tried again.
    NotDone,
}

/// A task failed and waits for somebody to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskHeld {
    /// Which.
    pub task: TaskId,
    /// The error.
    pub error: WorkflowError,
    /// See [`TaskFaulted::raw_output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_output: Option<Value>,
}
