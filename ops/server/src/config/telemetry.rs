//! `[telemetry]`: what it says about itself.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the server says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,openclaw_runtime=debug`.
    /// Default `info`.
    pub(crate) level: String,
    /// How a log line looks, on standard error: `text` or `json`. Default `text`.
    pub(crate) format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::default() }
    }
}
