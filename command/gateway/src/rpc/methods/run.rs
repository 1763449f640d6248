//! `run.start`, `run.cancel` and `run.signal`.

use std::{collections::BTreeMap, time::Duration};

use openclaw_model::{Position, RunId, Timestamp, Version, event::run::WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, Document, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
    wait::Span,
};

/// Longest time that `run.start` waits for the end of a run.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// The most labels of a run.
const LABELS: usize = 32;
/// Longest time that `run.start` puts the first task off.
const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Starts a run of a registered workflow, or of a document that comes with the call. Exactly one of `workflow` and
/// `definition` is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// A registered workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// A document, which is run without being registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Document>,
    /// The run's input; an empty object if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Answers when the run ends or this time is over, whichever comes first; at most 5 minutes. Without it the
    /// answer comes as soon as the start is durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream; a new run has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
    /// Texts to find the run by, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Among runs that wait for the same thing the highest goes first; 0 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Bounds how many runs of one key are under way; the others wait as `pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// The first task does not start before this time (RFC 3339). At most one of this and `delay` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub start_at: Option<Timestamp>,
    /// The first task does not start before this much time has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}

/// Names a registered workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkflowRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; without it, or as `latest`, the highest one that is not retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// With which runs a run may not all be under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Concurrency {
    /// Common to the runs that are counted together, whatever they execute.
    pub key: String,
    /// How many of them may be under way, at least 1.
    #[schemars(range(min = 1))]
    pub limit: u32,
}

impl WorkflowRef {
    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), Error> {
        bounded("workflow.namespace", &self.namespace, 63)?;
        bounded("workflow.name", &self.name, 63)?;
        self.version.as_deref().map_or(Ok(()), |version| bounded("workflow.version", version, 64))
    }
}

/// A run, as it stands when the call is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// Where it stands.
    pub status: Status,
    /// Its output, if it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, if it is faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Log position of the run's newest event that this answer knows.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the run's stream at that position.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

/// Where a run or task stands, in the words of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// An error in the form of the specification (RFC 7807).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl From<WorkflowError> for Problem {
    fn from(error: WorkflowError) -> Self {
        let WorkflowError { r#type, status, title, detail, instance } = error;
        Self { r#type, status, title, detail, instance }
    }
}

impl Call for Start {
    const NAME: &'static str = "run.start";
    const SUMMARY: &'static str = "Starts a run of a workflow and, if asked to, waits for its end.";
    const ERRORS: &'static [Kind] =
        change_errors!(INVALID_DEFINITION, NOT_FOUND, REJECTED, RESPONSE_TOO_LARGE);
    const NOT_CONTENT: &'static [&'static str] = &["idempotencyKey", "wait"];
    type Answer = Started;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        match (&self.workflow, &self.definition) {
            (None, None) => Err(Error::InvalidParams {
                field: "workflow".into(),
                reason: "is missing, and so is `definition`".into(),
                hint: Some("give exactly one of workflow and definition".into()),
            }),
            (Some(_), Some(_)) => Err(Error::InvalidParams {
                field: "definition".into(),
                reason: "is given together with `workflow`".into(),
                hint: Some("give exactly one of workflow and definition".into()),
            }),
            (Some(workflow), None) => workflow.check(),
            (None, Some(_)) => Ok(()),
        }?;
        self.check_options()?;
        match self.wait {
            Some(Span(wait)) if wait > WAIT_MAX => Err(Error::invalid("wait", "is longer than 5m")),
            _ => Ok(()),
        }
    }

    fn example() -> (Self, Started) {
        (
            Self {
                workflow: Some(WorkflowRef {
                    namespace: "examples".into(),
                    name: "greet".into(),
                    version: Some("1.0.0".into()),
                }),
                definition: None,
                input: Some(json!({ "name": "Ada" })),
                wait: Some(Span(Duration::from_secs(10))),
                labels: BTreeMap::from([("customer".into(), "4711".into())]),
                priority: None,
                concurrency: None,
                start_at: None,
                delay: None,
                idempotency_key: None,
                expected_version: None,
            },
            Started {
                run_id: example_run(),
                status: Status::Completed,
                output: Some(json!({ "text": "Hello, Ada" })),
                error: None,
                position: EXAMPLE_POSITION,
                stream_version: Version(5),
            },
        )
    }
}

impl Start {
    fn check_options(&self) -> Result<(), Error> {
        if self.labels.len() > LABELS {
            return Err(Error::invalid("labels", "has more than 32 entries"));
        }
        for (name, text) in &self.labels {
            bounded("labels", name, 63)?;
            if text.len() > 256 {
                return Err(Error::invalid(format!("labels.{name}"), "is longer than 256 bytes"));
            }
        }
        if let Some(Concurrency { key, limit }) = &self.concurrency {
            bounded("concurrency.key", key, 128)?;
            if *limit == 0 {
                return Err(Error::invalid("concurrency.limit", "is less than 1"));
            }
        }
        match (self.start_at, self.delay) {
            (Some(_), Some(_)) => Err(Error::invalid("delay", "is given together with `startAt`")),
            (_, Some(Span(delay))) if delay > DELAY_MAX => {
                Err(Error::invalid("delay", "is longer than a year"))
            }
            _ => Ok(()),
        }
    }
}

/// Asks a run to stop. It stops where it waits, what it started in the sandbox is killed, and tasks that compensate
/// (`catch` errors of the type `urn:openclaw:error:cancelled`) do so first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cancel {
    /// Which run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A command about a run was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RunAccepted")]
pub struct Accepted {
    /// The run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// Where it stands after the command.
    pub status: Status,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the run's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Cancel {
    const NAME: &'static str = "run.cancel";
    const SUMMARY: &'static str = "Asks a run to stop.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        self.reason.as_deref().map_or(Ok(()), |reason| bounded("reason", reason, 1_024))
    }

    fn example() -> (Self, Accepted) {
        (
            Self {
                run_id: example_run(),
                reason: Some("no longer needed".into()),
                idempotency_key: None,
                expected_version: None,
            },
            Accepted {
                run_id: example_run(),
                status: Status::Cancelled,
                position: EXAMPLE_POSITION,
                stream_version: Version(9),
            },
        )
    }
}

/// Sends a run a signal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signal {
    /// Which run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// The signal's name.
    pub name: String,
    /// What it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for Signal {
    const NAME: &'static str = "run.signal";
    const SUMMARY: &'static str = "Sends a run a signal.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("name", &self.name, 128)
    }

    fn example() -> (Self, Accepted) {
        (
            Self {
                run_id: example_run(),
                name: "approved".into(),
                data: Some(json!({ "by": "Ada" })),
                idempotency_key: None,
                expected_version: None,
            },
            Accepted {
                run_id: example_run(),
                status: Status::Running,
                position: EXAMPLE_POSITION,
                stream_version: Version(7),
            },
        )
    }
}

pub(super) fn example_run() -> RunId {
    "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10".parse().expect("the literal is a UUID")
}
