//! `run.fork`: a new run with the history of another one up to a point.

use openclaw_model::{Position, RunId, TaskId, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Call, Document, EXAMPLE_POSITION, bounded, change_errors, guarded,
    run::{WorkflowRef, example_run},
};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Starts a run with the history of another one up to a point. What the other run has done up to there is not done
/// again; from there on the new run goes its own way. The other run is left as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fork {
    /// The other run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// The point: an object with exactly one of these.
    pub at: Point,
    /// Input of the new run; that of the other one if it is not given. Tasks that have begun keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The context (`$context`) from the point on; that of the other run if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// A registered workflow to go on with; that of the other run if neither this nor `definition` is given. It has to
    /// have the tasks at which the other run stands, at the same places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// A document to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Document>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the new run's stream; a new run has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A point in the history of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ForkPoint")]
pub enum Point {
    /// After the event with this version in the run's stream; 1 is its start.
    #[schemars(with = "u64")]
    Version(Version),
    /// As it was at this position of the log.
    #[schemars(with = "u64")]
    Position(Position),
    /// Just before this task began.
    BeforeTask(TaskName),
}

/// A task of a run: its ordinal, or its name or JSON pointer, which means the first time that it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskName {
    /// Its ordinal in the run.
    Ordinal(#[schemars(with = "u32")] TaskId),
    /// Its name, or the JSON pointer to it in the document.
    Text(String),
}

/// A run was forked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forked {
    /// The new run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// The other run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub origin: RunId,
    /// Version of the newest event that both have in common.
    #[schemars(with = "u64")]
    pub at: Version,
    /// Log position of the new run's start.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the new run's stream after its start.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Fork {
    const NAME: &'static str = "run.fork";
    const SUMMARY: &'static str = "Starts a run with the history of another one up to a point.";
    const ERRORS: &'static [Kind] = change_errors!(INVALID_DEFINITION, NOT_FOUND, REJECTED);
    type Answer = Forked;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        if let Point::BeforeTask(TaskName::Text(text)) = &self.at {
            bounded("at.beforeTask", text, 1_024)?;
        }
        match (&self.workflow, &self.definition) {
            (Some(_), Some(_)) => Err(Error::invalid("definition", "is given together with `workflow`")),
            (Some(workflow), None) => workflow.check(),
            (None, _) => Ok(()),
        }
    }

    fn example() -> (Self, Forked) {
        let other = "0199b3a0-7b11-7d55-8a10-2f4f3b7d8a11".parse().expect("the literal is a UUID");
        let call = Self {
            run_id: example_run(),
            at: Point::BeforeTask(TaskName::Text("charge".into())),
            input: None,
            context: Some(json!({ "discount": 10 })),
            workflow: None,
            definition: None,
            idempotency_key: None,
            expected_version: None,
        };
        let forked = Forked {
            run_id: other,
            origin: example_run(),
            at: Version(7),
            position: EXAMPLE_POSITION,
            stream_version: Version(1),
        };
        (call, forked)
    }
}
