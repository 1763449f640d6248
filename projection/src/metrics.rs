//! The metrics of this crate.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use openclaw_log::Head;

use crate::{Failure, Progress};

const LAG_EVENTS: &str = "openclaw_projection_lag_events";
const LAG_SECONDS: &str = "openclaw_projection_lag_seconds";
const POSITION: &str = "openclaw_projection_position";
const EVENTS: &str = "openclaw_projection_events_total";
const BATCH: &str = "openclaw_projection_batch_events";
const APPLY: &str = "openclaw_projection_apply_seconds";
const REBUILDS: &str = "openclaw_projection_rebuilds_total";
const FAILURES: &str = "openclaw_projection_failures_total";

/// Says what each metric means. Once, after the recorder is installed.
pub(crate) fn describe() {
    describe_gauge!(LAG_EVENTS, "Events in the log that the read model does not show yet.");
    describe_gauge!(LAG_SECONDS, "Log time between the newest event and the newest one that is shown.");
    describe_gauge!(POSITION, "Position of the newest event that the read model shows.");
    describe_counter!(EVENTS, "Events applied to a read model, rebuilds included.");
    describe_histogram!(BATCH, "Events per transaction.");
    describe_histogram!(APPLY, "Time to fold and commit one batch.");
    describe_counter!(REBUILDS, "Generations built and switched to.");
    describe_counter!(FAILURES, "Times the projector stopped, by code.");
}

pub(crate) fn applied(events: usize, took: Duration) {
    counter!(EVENTS).increment(events as u64);
    histogram!(BATCH).record(events as f64);
    histogram!(APPLY).record(took.as_secs_f64());
}

pub(crate) fn lag(progress: &Progress, head: Head) {
    let behind = head.position.0.saturating_sub(progress.position.0);
    let seconds = if behind == 0 { 0.0 } else { head.at.millis_since(progress.at) as f64 / 1_000.0 };
    gauge!(LAG_EVENTS).set(behind as f64);
    gauge!(LAG_SECONDS).set(seconds);
    gauge!(POSITION).set(progress.position.0 as f64);
}

pub(crate) fn rebuilt() {
    counter!(REBUILDS).increment(1);
}

pub(crate) fn failed(failure: &Failure) {
    counter!(FAILURES, "code" => failure.code()).increment(1);
}
