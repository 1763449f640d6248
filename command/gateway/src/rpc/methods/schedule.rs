//! `schedule.pause` and `schedule.resume`.

use openclaw_model::{Position, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Starts no runs by the schedule of a workflow until it is resumed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pause {
    /// Namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the schedule's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// Lets the schedule of a workflow start runs again. What becomes of the times that it missed is said in the document
/// (`metadata.schedule.missed`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resume {
    /// Namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the schedule's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A command about a schedule was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScheduleAccepted")]
pub struct Accepted {
    /// Namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the schedule's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Pause {
    const NAME: &'static str = "schedule.pause";
    const SUMMARY: &'static str = "Starts no runs by a schedule until it is resumed.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("namespace", &self.namespace, 63)?;
        bounded("name", &self.name, 63)?;
        self.reason.as_deref().map_or(Ok(()), |reason| bounded("reason", reason, 1_024))
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            namespace: "examples".into(),
            name: "report".into(),
            reason: Some("holidays".into()),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted())
    }
}

impl Call for Resume {
    const NAME: &'static str = "schedule.resume";
    const SUMMARY: &'static str = "Lets a schedule start runs again.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("namespace", &self.namespace, 63)?;
        bounded("name", &self.name, 63)
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            namespace: "examples".into(),
            name: "report".into(),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted())
    }
}

fn accepted() -> Accepted {
    Accepted {
        namespace: "examples".into(),
        name: "report".into(),
        position: EXAMPLE_POSITION,
        stream_version: Version(3),
    }
}
