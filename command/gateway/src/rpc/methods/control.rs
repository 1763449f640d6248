//! `run.kill`, `run.pause`, `run.resume`, `run.retry` and `effect.reconcile`: a person takes a run in hand.

use openclaw_model::{RunId, TaskId, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Call, EXAMPLE_POSITION, bounded, change_errors, guarded,
    run::{Accepted, Problem, Status, example_run},
};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// The longest reason or note, in bytes.
const REASON: usize = 1_024;

/// Parameters of a command that has a run and a reason.
macro_rules! about_a_run {
    ($(#[$doc:meta])* $name:ident = $method:literal, $summary:literal, $status:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
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

        impl Call for $name {
            const NAME: &'static str = $method;
            const SUMMARY: &'static str = $summary;
            const ERRORS: &'static [Kind] = change_errors!(REJECTED);
            type Answer = Accepted;

            guarded!();

            fn check(&self) -> Result<(), Error> {
                self.reason.as_deref().map_or(Ok(()), |reason| bounded("reason", reason, REASON))
            }

            fn example() -> (Self, Accepted) {
                let reason = Some("the other side is down".into());
                let call =
                    Self { run_id: example_run(), reason, idempotency_key: None, expected_version: None };
                (call, accepted(Status::$status))
            }
        }
    };
}

about_a_run! {
    /// Stops a run at once and for good: its tasks get no chance to compensate. What it started in the sandbox is
    /// killed. A run that is being cancelled can still be killed.
    Kill = "run.kill", "Stops a run at once, without compensation.", Cancelled
}

about_a_run! {
    /// Holds a run: what is under way ends and is recorded, nothing new is begun. Time limits of the run and of its
    /// tasks stand still meanwhile. Pausing a run that is paused changes nothing.
    Pause = "run.pause", "Begins nothing new in a run until it is resumed.", Suspended
}

/// Lets a run go on that is paused. Errors of tasks that are held for somebody to decide (`metadata.onFault: pause`) go
/// on up as if they had never been held.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resume {
    /// Which run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for Resume {
    const NAME: &'static str = "run.resume";
    const SUMMARY: &'static str = "Lets a paused run go on.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn example() -> (Self, Accepted) {
        let call = Self { run_id: example_run(), idempotency_key: None, expected_version: None };
        (call, accepted(Status::Running))
    }
}

/// Runs failed tasks again: the one that faulted the run, or those that are held. What ran before them stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Which run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// Ordinal of the task; without it all that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>")]
    pub task: Option<TaskId>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for Retry {
    const NAME: &'static str = "run.retry";
    const SUMMARY: &'static str = "Runs failed tasks of a run again.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn example() -> (Self, Accepted) {
        let call = Self {
            run_id: example_run(),
            task: Some(TaskId(3)),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(Status::Running))
    }
}

/// Says what became of an effect whose outcome nobody knows, because the server died while it was under way and it may
/// not be repeated.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reconcile {
    /// Which run.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub run_id: RunId,
    /// Ordinal of the task.
    #[schemars(with = "u32")]
    pub task: TaskId,
    /// What became of its effect.
    pub outcome: Outcome,
    /// How that was found out, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the run's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// What became of an effect: an object with exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EffectOutcome")]
pub enum Outcome {
    /// It happened; this is what the task gets, before its output is transformed.
    Succeeded(Value),
    /// It failed with this error, which the task raises.
    Failed(Problem),
    /// It did not happen, and is tried again. An empty object.
    NotDone(Nothing),
}

/// An empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Call for Reconcile {
    const NAME: &'static str = "effect.reconcile";
    const SUMMARY: &'static str = "Says what became of an effect whose outcome is unknown.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        if let Outcome::Failed(problem) = &self.outcome {
            bounded("outcome.failed.type", &problem.r#type, REASON)?;
        }
        self.note.as_deref().map_or(Ok(()), |note| bounded("note", note, REASON))
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            run_id: example_run(),
            task: TaskId(4),
            outcome: Outcome::Succeeded(json!({ "paymentId": "p-17" })),
            note: Some("it is in the bank's list".into()),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(Status::Running))
    }
}

fn accepted(status: Status) -> Accepted {
    Accepted { run_id: example_run(), status, position: EXAMPLE_POSITION, stream_version: Version(9) }
}
