//! `system.health` and `system.version`. They change nothing and take no parameters.

use openclaw_model::{Position, access::Need};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, EXAMPLE_POSITION};
use crate::rpc::error::Kind;

/// Asks how the server is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {}

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// The verdict.
    pub status: HealthStatus,
    /// What is wrong, each as `CODE: sentence`. Empty when all is well.
    pub reasons: Vec<String>,
    /// Position of the newest durable event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Position that the read model shows.
    #[schemars(with = "u64")]
    pub projected: Position,
}

/// The verdict on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Commands and queries are served.
    Ok,
    /// Both are served, but something needs attention.
    Degraded,
    /// Queries are served, commands are refused.
    ReadOnly,
    /// It finishes what it has begun and takes nothing new.
    Stopping,
}

impl Call for Health {
    const NAME: &'static str = "system.health";
    const NEED: Need = Need::Nothing;
    const SUMMARY: &'static str = "Says how the server is.";
    const ERRORS: &'static [Kind] = &[];
    type Answer = HealthReport;

    fn example() -> (Self, HealthReport) {
        (
            Self {},
            HealthReport {
                status: HealthStatus::Ok,
                reasons: Vec::new(),
                position: EXAMPLE_POSITION,
                projected: EXAMPLE_POSITION,
            },
        )
    }
}

/// Asks what the server is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Version {}

/// What the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// `openclaw`.
    pub name: String,
    /// Version of the binary.
    pub version: String,
    /// Version of the workflow language that it runs.
    pub dsl: String,
}

impl Call for Version {
    const NAME: &'static str = "system.version";
    const NEED: Need = Need::Nothing;
    const SUMMARY: &'static str = "Says which server this is.";
    const ERRORS: &'static [Kind] = &[];
    type Answer = VersionReport;

    fn example() -> (Self, VersionReport) {
        (
            Self {},
            VersionReport {
                name: "openclaw".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                dsl: "1.0.1".into(),
            },
        )
    }
}
