//! The typed form of a document.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openclaw_model::{
    Digest,
    event::run::{
        EffectClass, Flow, HttpOutput, ParentClose, ProcessReturn, SandboxRequest, ScriptLanguage, TaskKind,
    },
};
use serde_json::Value;

use super::{
    calls::{ApprovalCall, AuthenticationTemplate, Container, GrpcCall, OpenApiCall},
    events::{Extended, Listen, Schedule},
};
use crate::expression::{Expression, Template};

/// A checked workflow document.
#[derive(Debug)]
pub struct Definition {
    /// Namespace of the document.
    pub namespace: String,
    /// Name of the document.
    pub name: String,
    /// Semantic version of the document.
    pub version: String,
    /// The document as JSON, for `$workflow.definition`.
    pub source: Arc<Value>,
    /// BLAKE3 over the canonical bytes of `source`.
    pub digest: Digest,
    /// Transformation and schema of the workflow's input.
    pub input: Transform,
    /// Transformation and schema of the workflow's output.
    pub output: Transform,
    /// Time limit of a whole run.
    pub timeout: Option<Duration>,
    /// Whether strings are evaluated without `${ }` too.
    pub loose: bool,
    /// When it is started by itself.
    pub schedule: Option<Schedule>,
    /// Names of the secrets that it may use.
    pub secrets: BTreeSet<String>,
    /// Texts of the files that it refers to, by their URI.
    pub resources: BTreeMap<String, String>,
    /// The top-level `do`.
    pub tasks: Tasks,
}

/// A schema and a transformation; both optional.
#[derive(Debug, Default)]
pub struct Transform {
    /// The schema that the data must satisfy.
    pub schema: Option<Schema>,
    /// The new data.
    pub template: Option<Template>,
}

/// A compiled JSON Schema.
#[derive(Debug, Clone)]
pub struct Schema(pub Arc<jsonschema::Validator>);

/// Tasks of one scope, in order of declaration. Never empty.
#[derive(Debug)]
pub struct Tasks(pub Vec<Arc<Task>>);

impl Tasks {
    /// Index of the task called `name`.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|task| task.name == name)
    }
}

/// One task.
#[derive(Debug)]
pub struct Task {
    /// Its name, unique in its scope.
    pub name: String,
    /// JSON pointer to it, for example `/do/0/getPet`.
    pub reference: String,
    /// Its definition as JSON, for `$task.definition`.
    pub source: Arc<Value>,
    /// Whether it runs at all.
    pub condition: Option<Expression>,
    /// Transformation and schema of its input.
    pub input: Transform,
    /// Transformation and schema of its output.
    pub output: Transform,
    /// Transformation and schema of the context it exports.
    pub export: Transform,
    /// Its time limit.
    pub timeout: Option<Duration>,
    /// Where the flow goes after it.
    pub then: Flow,
    /// Whether it waits for somebody to decide when it fails (`metadata.onFault: pause`).
    pub hold: bool,
    /// What it does.
    pub body: Body,
}

/// What a task does.
#[derive(Debug)]
pub enum Body {
    /// Tasks one after the other.
    Do(Tasks),
    /// New data.
    Set(Template),
    /// The first case that holds decides where the flow goes. A case without condition holds when none does.
    Switch(Vec<Case>),
    /// Tasks for each item.
    For(For),
    /// Tasks at the same time.
    Fork {
        /// One task each.
        branches: Tasks,
        /// Whether the first that ends well wins.
        compete: bool,
    },
    /// Tasks whose errors are caught.
    Try {
        /// The tasks.
        tasks: Tasks,
        /// What happens with errors.
        catch: Catch,
    },
    /// An error.
    Raise(ErrorTemplate),
    /// A pause.
    Wait(Duration),
    /// Attributes of the CloudEvent to publish.
    Emit(Template),
    /// Events to wait for.
    Listen(Listen),
    /// A task with tasks of extensions around it.
    Extended(Extended),
    /// Tasks of an extension. Their output is dropped and the input passed on, unless they `exit`: then the extended
    /// task does not run, and their output is its output.
    Advice(Tasks),
    /// `call: http`.
    Http(HttpCall),
    /// `call: openapi`.
    OpenApi(OpenApiCall),
    /// `call: grpc`.
    Grpc(GrpcCall),
    /// `call: approval`.
    Approval(ApprovalCall),
    /// `call` of one of this server's own commands.
    Command(CommandCall),
    /// `run: shell` and `run: script`.
    Process(Process),
    /// `run: container`.
    Container(Container),
    /// `run: workflow`.
    Workflow(SubWorkflow),
}

impl Body {
    /// The kind that events and read model name.
    #[must_use]
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Do(_) | Self::Extended(_) | Self::Advice(_) => TaskKind::Do,
            Self::Set(_) => TaskKind::Set,
            Self::Switch(_) => TaskKind::Switch,
            Self::For(_) => TaskKind::For,
            Self::Fork { .. } => TaskKind::Fork,
            Self::Try { .. } => TaskKind::Try,
            Self::Raise(_) => TaskKind::Raise,
            Self::Wait(_) => TaskKind::Wait,
            Self::Emit(_) => TaskKind::Emit,
            Self::Listen(_) => TaskKind::Listen,
            Self::Http(_) | Self::OpenApi(_) | Self::Grpc(_) | Self::Approval(_) | Self::Command(_) => {
                TaskKind::Call
            }
            Self::Process(_) | Self::Container(_) | Self::Workflow(_) => TaskKind::Run,
        }
    }
}

/// A case of a `switch`.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// When it holds; none for the default case.
    pub when: Option<Expression>,
    /// Where it leads.
    pub then: Flow,
}

/// A `for` task.
#[derive(Debug)]
pub struct For {
    /// Variable of the current item, by default `item`.
    pub each: String,
    /// Variable of the current index, by default `index`.
    pub at: String,
    /// The collection.
    pub collection: Expression,
    /// Whether the next iteration happens.
    pub condition: Option<Expression>,
    /// The tasks of one iteration.
    pub tasks: Tasks,
}

/// The `catch` of a `try` task.
#[derive(Debug)]
pub struct Catch {
    /// Attributes that a caught error has (`type`, `status`, `instance`, `title`, `detail`); empty catches all.
    pub errors: BTreeMap<String, Template>,
    /// Variable that holds the error, by default `error`.
    pub variable: String,
    /// Catches only if it holds.
    pub when: Option<Expression>,
    /// Catches only if it does not hold.
    pub except_when: Option<Expression>,
    /// How the tasks are tried again.
    pub retry: Option<Retry>,
    /// What runs once an error is caught for good; empty if there is nothing.
    pub tasks: Option<Tasks>,
}

/// A retry policy.
#[derive(Debug)]
pub struct Retry {
    /// Retries only if it holds.
    pub when: Option<Expression>,
    /// Retries only if it does not hold.
    pub except_when: Option<Expression>,
    /// Delay before the first retry; zero if none.
    pub delay: Option<Duration>,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Added to each delay, drawn between the two.
    pub jitter: Option<(Duration, Duration)>,
    /// The most attempts, the first included.
    pub max_attempts: Option<u32>,
    /// The time limit of one attempt.
    pub attempt_duration: Option<Duration>,
    /// The time after which no retry is started, from the start of the `try`.
    pub max_duration: Option<Duration>,
}

/// How a retry delay grows from one attempt to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    #[default]
    Constant,
    /// By the delay itself.
    Linear,
    /// It doubles.
    Exponential,
}

/// An error to raise; every attribute may hold expressions.
#[derive(Debug)]
pub struct ErrorTemplate {
    /// URI of the error type.
    pub kind: Template,
    /// Status code.
    pub status: Template,
    /// Short summary.
    pub title: Option<Template>,
    /// This occurrence.
    pub detail: Option<Template>,
    /// JSON pointer to the component; the task's reference if none.
    pub instance: Option<Template>,
}

/// A length of time, fixed or computed.
#[derive(Debug)]
pub enum Duration {
    /// Milliseconds.
    Millis(u64),
    /// An expression that gives an ISO 8601 text or an object of `days`, `hours`, `minutes`, `seconds`,
    /// `milliseconds`.
    Computed(Template),
}

/// `call: http`.
#[derive(Debug)]
pub struct HttpCall {
    /// Method.
    pub method: Template,
    /// URI template or expression.
    pub endpoint: Template,
    /// Headers, an object.
    pub headers: Option<Template>,
    /// Query parameters, an object.
    pub query: Option<Template>,
    /// Body.
    pub body: Option<Template>,
    /// What it outputs.
    pub output: HttpOutput,
    /// Whether 300 to 399 are no errors.
    pub redirect: bool,
    /// How it proves who it is.
    pub authentication: Option<AuthenticationTemplate>,
    /// How to ask what became of it (`metadata.inquiry`), for the class `queryable`.
    pub inquiry: Option<Box<HttpCall>>,
    /// Declared by `metadata.effect`, else by the method.
    pub class: Option<EffectClass>,
}

/// `call` of one of this server's own commands (`session.create`, `session.message`, ...).
#[derive(Debug)]
pub struct CommandCall {
    /// The JSON-RPC method.
    pub method: String,
    /// Its parameters.
    pub params: Template,
}

/// `run: shell` and `run: script`.
#[derive(Debug)]
pub struct Process {
    /// What runs.
    pub program: ProgramTemplate,
    /// Standard input.
    pub stdin: Option<Template>,
    /// Arguments, an array.
    pub arguments: Option<Template>,
    /// Environment, an object.
    pub environment: Option<Template>,
    /// What it outputs.
    pub returns: ProcessReturn,
    /// Whether the task waits for the end of the process.
    pub wait: bool,
    /// Declared by `metadata.effect`, else idempotent: the sandbox confines it to the run's workspace.
    pub class: Option<EffectClass>,
    /// What it asks of the sandbox.
    pub sandbox: Option<SandboxRequest>,
}

/// What a process runs.
#[derive(Debug)]
pub enum ProgramTemplate {
    /// A command line.
    Shell(Template),
    /// A script.
    Script(ScriptLanguage, Template),
}

/// `run: workflow`.
#[derive(Debug)]
pub struct SubWorkflow {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Version, or `latest`.
    pub version: String,
    /// Input; the task's input if none.
    pub input: Option<Template>,
    /// Whether the task waits for the child's end.
    pub wait: bool,
    /// What becomes of the child when nobody waits for it any more: `metadata.parentClose`, else cancelled if the task
    /// waits for it and abandoned if not.
    pub close: ParentClose,
}
