//! Every metric of the sandbox.

use std::time::Duration;

use openclaw_ports::sandbox::{End, Error, Level, Limit, Outcome};

/// Processes that were to run, by `level` and `end` (exited, signalled, cancelled; wall_time or the name of
/// another limit; unavailable, no_program, refused, level).
pub(crate) const SPAWNS: &str = "openclaw_sandbox_spawns_total";

/// Time from the request to the death of the whole tree, by `level`.
pub(crate) const DURATION: &str = "openclaw_sandbox_duration_seconds";

/// Runs of which some output was dropped, by `level`.
pub(crate) const TRUNCATED: &str = "openclaw_sandbox_truncated_outputs_total";

/// Describes the metrics to the installed recorder. Call once, after installing it.
pub fn describe() {
    metrics::describe_counter!(SPAWNS, "Sandboxed processes by level and end");
    metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "Life of a sandboxed process tree");
    metrics::describe_gauge!(LEVEL, "Strictest level reached: 0 none, 1 confined, 2 relaxed, 3 strict");
    metrics::describe_counter!(TRUNCATED, "Sandboxed processes of which output was dropped");
}

/// The strictest level that jobs reach on this machine: 0 none, 1 confined, 2 relaxed, 3 strict.
pub(crate) const LEVEL: &str = "openclaw_sandbox_level";

pub(crate) fn in_force(level: Level) {
    metrics::gauge!(LEVEL).set(f64::from(level as u8));
}

pub(crate) fn record(level: Level, result: &Result<Outcome, Error>, elapsed: Duration) {
    let level = level.name();
    let end = match result {
        Ok(outcome) => match outcome.end {
            End::Exited(_) => "exited",
            End::Signalled(_) => "signalled",
            End::Limit(Limit::Wall) => "wall_time",
            End::Limit(limit) => limit.name(),
            End::Cancelled => "cancelled",
        },
        Err(Error::Unavailable(_)) => "unavailable",
        Err(Error::NoProgram(_)) => "no_program",
        Err(Error::Refused(_)) => "refused",
        Err(Error::Level { .. }) => "level",
    };
    metrics::counter!(SPAWNS, "level" => level, "end" => end).increment(1);
    if let Ok(outcome) = result {
        metrics::histogram!(DURATION, "level" => level).record(elapsed.as_secs_f64());
        if outcome.truncated {
            metrics::counter!(TRUNCATED, "level" => level).increment(1);
        }
    }
}
