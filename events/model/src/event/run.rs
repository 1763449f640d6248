//! What happens in a run of a workflow.
//!
//! The events say everything that folding a run needs: results of expressions, evaluated requests, due times. A
//! replay never evaluates anything, so a newer engine cannot change the past (DESIGN section 6).

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;
use crate::{Digest, RunId, TaskId, Timestamp};

event_family! {
    /// What happened in a run.
    RunEvent {
        /// The run was accepted. Status `pending`.
        "run.started" @ 1 => Started(RunStarted),
        /// The input was validated and transformed, the first task may start. Status `running`.
        "run.running" @ 1 => Running(RunRunning),
        /// A task began. For a task with an effect this is the intent, committed before anything is tried.
        "run.task_started" @ 1 => TaskStarted(TaskStarted),
        /// A task's `if` was false; its raw input is its output.
        "run.task_skipped" @ 1 => TaskSkipped(TaskSkipped),
        /// A task ended well.
        "run.task_completed" @ 1 => TaskCompleted(TaskCompleted),
        /// A task ended with an error, which goes up to the nearest `try` that catches it.
        "run.task_faulted" @ 1 => TaskFaulted(TaskFaulted),
        /// A task was stopped: by a cancelled run, a lost race, a faulted sibling or a timeout above it.
        "run.task_cancelled" @ 1 => TaskCancelled(TaskCancelled),
        /// A `try` caught an error and will run its tasks again at a due time.
        "run.task_retried" @ 1 => TaskRetried(TaskRetried),
        /// A `try` caught an error for good and goes on with its `catch`.
        "run.error_caught" @ 1 => ErrorCaught(ErrorCaught),
        /// After a restart, an effect whose outcome is unknown but which may be repeated is tried again.
        "run.effect_redispatched" @ 1 => EffectRedispatched(EffectRedispatched),
        /// After a restart, the outcome of an effect that may not be repeated is unknown. Status `suspended`.
        "run.effect_unknown" @ 1 => EffectUnknown(EffectUnknown),
        /// A task published an event.
        "run.event_emitted" @ 1 => EventEmitted(EventEmitted),
        /// Somebody sent the run a signal.
        "run.signalled" @ 1 => Signalled(RunSignalled),
        /// Somebody asked the run to stop.
        "run.cancel_requested" @ 1 => CancelRequested(RunCancelRequested),
        /// The run ended well. Status `completed`.
        "run.completed" @ 1 => Completed(RunCompleted),
        /// The run ended with an error. Status `faulted`.
        "run.faulted" @ 1 => Faulted(RunFaulted),
        /// The run was stopped. Status `cancelled`.
        "run.cancelled" @ 1 => Cancelled(RunCancelled),
    }
}

/// Which definition a run executes; it is pinned to the digest for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRef {
    /// Namespace of the document.
    pub namespace: String,
    /// Name of the document.
    pub name: String,
    /// Semantic version of the document.
    pub version: String,
    /// BLAKE3 over the canonical bytes of the definition.
    pub digest: Digest,
}

/// The task that started a child run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentTask {
    /// Its run.
    pub run: RunId,
    /// The task within it.
    pub task: TaskId,
}

/// The run was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The definition it executes.
    pub workflow: WorkflowRef,
    /// The document itself, when it was given inline instead of being registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// Raw input.
    pub input: Value,
    /// Who waits for it, for a child run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentTask>,
}

/// The first task may start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRunning {
    /// Transformed input.
    pub input: Value,
    /// When the whole run times out, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

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
    /// It acts on the world.
    Effect(Intent),
}

/// How often an effect may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// It changes nothing.
    Pure,
    /// Doing it again leaves the world as doing it once does.
    Idempotent,
    /// The receiver honours the idempotency key.
    Keyed,
    /// It may not be repeated when its outcome is unknown.
    Irreversible,
}

impl EffectClass {
    /// Whether it may be tried again when its outcome is unknown.
    #[must_use]
    pub const fn may_repeat(self) -> bool {
        !matches!(self, Self::Irreversible)
    }
}

/// What a task is about to do to the world, with every expression already evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Idempotency key: the same for every retry and after every restart. Hexadecimal.
    pub key: String,
    /// How often it may happen.
    pub class: EffectClass,
    /// What it does.
    pub request: Request,
}

/// The kinds of effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// `call: http`.
    Http(HttpRequest),
    /// `run: shell` and `run: script`.
    Process(ProcessRequest),
    /// `run: workflow`.
    Run(RunRequest),
    /// `call` of one of this server's own commands.
    Command(CommandRequest),
}

/// `call: http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Absolute, with the template expanded and without the query of `query`.
    pub url: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters that are added to the URL.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Body; JSON unless it is a string and a content type is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// What the task outputs.
    pub output: HttpOutput,
    /// Whether status codes 300 to 399 are no errors.
    pub redirect: bool,
}

/// What `call: http` outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpOutput {
    /// The body in base 64.
    Raw,
    /// The body, as JSON where it is JSON.
    #[default]
    Content,
    /// Request, status, headers and content.
    Response,
}

/// `run: shell` and `run: script`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRequest {
    /// What runs.
    pub program: Program,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The whole environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What the task outputs.
    pub returns: ProcessReturn,
    /// Whether the task waits for the end of the process.
    pub wait: bool,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Program {
    /// A command line for the shell.
    Shell {
        /// The command line.
        command: String,
    },
    /// A script.
    Script {
        /// Its language.
        language: ScriptLanguage,
        /// Its text.
        code: String,
    },
}

/// The script languages of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptLanguage {
    /// Run by Node.js.
    Javascript,
    /// Run by CPython.
    Python,
}

/// What `run: shell` and `run: script` output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessReturn {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// The exit code.
    Code,
    /// All three.
    All,
    /// Nothing.
    None,
}

/// `run: workflow`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The child's id, chosen with the intent, so that starting it twice starts it once.
    pub run: RunId,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Name of the workflow.
    pub name: String,
    /// Its version, or `latest`.
    pub version: String,
    /// The child's input.
    pub input: Value,
    /// Whether the task waits for the child's end.
    pub wait: bool,
}

/// A command of this server, as over JSON-RPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// For example `session.message`.
    pub method: String,
    /// Its parameters.
    pub params: Value,
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

/// The outcome of an effect is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectUnknown {
    /// Which task's.
    pub task: TaskId,
}

/// A task published an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEmitted {
    /// Which task.
    pub task: TaskId,
    /// The CloudEvent, in its JSON form.
    pub event: Value,
}

/// Somebody sent the run a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSignalled {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub data: Value,
}

/// Somebody asked the run to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCancelRequested {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The run ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCompleted {
    /// Its transformed output.
    pub output: Value,
}

/// The run ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFaulted {
    /// The error that nothing caught.
    pub error: WorkflowError,
}

/// The run was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCancelled {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
