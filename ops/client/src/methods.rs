//! The methods with their parameters and answers, as the wire has them.
//!
//! These types are the client's own: it knows the wire, not the server. Answers may gain fields, which are ignored.

use std::collections::BTreeMap;

use openclaw_model::{Position, RunId, SessionId, Version as StreamVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Client, Error};

/// Parameters of `workflow.register`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterWorkflow {
    /// The document: an object, or a string with its YAML or JSON.
    pub definition: Value,
}

/// Answer of `workflow.register`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Namespace in the document.
    pub namespace: String,
    /// Name in the document.
    pub name: String,
    /// Version in the document.
    pub version: String,
    /// Hexadecimal BLAKE3 over the document's canonical bytes.
    pub digest: String,
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Parameters of `workflow.validate`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateWorkflow {
    /// The document: an object, or a string with its YAML or JSON.
    pub definition: Value,
}

/// Answer of `workflow.validate`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Whether there are no problems; there may be warnings.
    pub valid: bool,
    /// What has to be corrected, in the order of the text.
    pub problems: Vec<Finding>,
    /// What deserves a look.
    #[serde(default)]
    pub warnings: Vec<Finding>,
}

/// One thing that is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its code, `OC-WF-...`.
    pub code: String,
    /// JSON pointer to the place in the document.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Line in the text, from 1; none if the document was no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the text, in characters from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// Parameters of `workflow.retire`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetireWorkflow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which version.
    pub version: String,
}

/// Answer of `workflow.retire`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Parameters of `run.start`: exactly one of `workflow` and `definition`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartRun {
    /// A registered workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// A document: an object, or a string with its YAML or JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// The run's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Answer at the run's end or after this time, for example `10s`; at most `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// Texts to find the run by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Among runs that wait for the same thing the highest goes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Bounds how many runs of one key are under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// The first task does not start before this time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
    /// The first task does not start before this much time has passed, for example `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
}

/// With which runs a run may not all be under way.
#[derive(Clone, Debug, Serialize)]
pub struct Concurrency {
    /// Common to the runs that are counted together.
    pub key: String,
    /// How many of them may be under way.
    pub limit: u32,
}

/// Names a registered workflow.
#[derive(Clone, Debug, Serialize)]
pub struct WorkflowRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; none for the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl WorkflowRef {
    /// The latest version of a workflow.
    #[must_use]
    pub fn latest(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), version: None }
    }
}

/// A run, as it stood when the server answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Which.
    pub run_id: RunId,
    /// Where it stood.
    pub status: Status,
    /// Its output, if it was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, if it was faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Log position of the newest event of the run that the answer knows.
    pub position: Position,
    /// Version of the stream at that position.
    pub stream_version: StreamVersion,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// For a timer, an event or a retry.
    Waiting,
    /// Stopped until somebody decides.
    Suspended,
    /// Stopped for good on request.
    Cancelled,
    /// Ended with an error.
    Faulted,
    /// Ended well.
    Completed,
}

impl Status {
    /// Whether it never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Faulted | Self::Completed)
    }
}

/// A run's error, in the specification's form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
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
    /// JSON pointer to the task that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// Parameters of `run.cancel`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRun {
    /// Which run.
    pub run_id: RunId,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Parameters of `run.signal`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalRun {
    /// Which run.
    pub run_id: RunId,
    /// The signal's name.
    pub name: String,
    /// What it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Answer of the commands about a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunAccepted {
    /// Which run.
    pub run_id: RunId,
    /// Where it stands after the command.
    pub status: Status,
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Parameters of `session.create`; what is missing has the server's defaults.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The agent that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Where the peer talks to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The account on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who talks to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
}

/// Parameters of `session.message`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// Which session.
    pub session_id: SessionId,
    /// Its text.
    pub content: String,
    /// `user` or `assistant`; none for `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What comes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Describes an attachment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// For example `image`.
    pub kind: String,
    /// Media type, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Size in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Answer of `session.message`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAdded {
    /// Unique within the session.
    pub message_id: String,
    /// Which session.
    pub session_id: SessionId,
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Parameters of `session.set_state`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetState {
    /// Which session.
    pub session_id: SessionId,
    /// Which key.
    pub key: String,
    /// Its new value; null removes it.
    pub value: Value,
}

/// Parameters of `session.end`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndSession {
    /// Which session.
    pub session_id: SessionId,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer of the commands about a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Which session.
    pub session_id: SessionId,
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Answer of `system.health`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, `degraded`, `read_only` or `stopping`.
    pub status: String,
    /// What is wrong.
    pub reasons: Vec<String>,
    /// Position of the newest durable event.
    pub position: Position,
    /// Position that the read model shows.
    pub projected: Position,
}

/// Answer of `system.version`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Name of the server.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of the workflow language that it runs.
    pub dsl: String,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($params:ty) -> $answer:ty = $method:literal;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See [`Client::call`].
                pub async fn $name(&self, params: &$params, key: Option<&str>) -> Result<$answer, Error> {
                    self.call($method, params, key).await
                }
            )*
        }
    };
}

pub(crate) use commands;

commands! {
    /// Registers a version of a workflow.
    register_workflow(RegisterWorkflow) -> Registered = "workflow.register";
    /// Says everything that is wrong with a workflow, without registering it.
    validate_workflow(ValidateWorkflow) -> Validated = "workflow.validate";
    /// Retires a version of a workflow.
    retire_workflow(RetireWorkflow) -> Retired = "workflow.retire";
    /// Starts a run.
    start_run(StartRun) -> Run = "run.start";
    /// Asks a run to stop.
    cancel_run(CancelRun) -> RunAccepted = "run.cancel";
    /// Sends a run a signal.
    signal_run(SignalRun) -> RunAccepted = "run.signal";
    /// Opens a session.
    create_session(CreateSession) -> Accepted = "session.create";
    /// Adds a message to a session.
    send_message(SendMessage) -> MessageAdded = "session.message";
    /// Sets a key of a session's state.
    set_state(SetState) -> Accepted = "session.set_state";
    /// Closes a session.
    end_session(EndSession) -> Accepted = "session.end";
}

impl Client {
    /// How the server is.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub async fn health(&self) -> Result<Health, Error> {
        self.call("system.health", &[(); 0], None).await
    }

    /// Which server it is.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub async fn version(&self) -> Result<Version, Error> {
        self.call("system.version", &[(); 0], None).await
    }
}
