//! Structured logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Telemetry};

/// Starts to log as configured. Once in a process; later calls change nothing.
///
/// # Errors
/// When the level is no filter.
pub(crate) fn install(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&telemetry.level)
        .map_err(|error| anyhow::anyhow!("[OC-CFG-002] `telemetry.level`: {error}"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Fails only if logging has begun already.
    let _ = match telemetry.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}
