//! The metrics of this crate.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const REQUESTS: &str = "openclaw_query_requests_total";
const DURATION: &str = "openclaw_query_duration_seconds";
const SOCKETS: &str = "openclaw_query_sockets";
const SUBSCRIPTIONS: &str = "openclaw_query_subscriptions";
const LAGGED: &str = "openclaw_query_lagged_total";

/// Says what each metric means.
pub(crate) fn describe() {
    describe_counter!(
        REQUESTS,
        "Questions over HTTP and WebSocket by outcome: ok, or the code of the first error."
    );
    describe_histogram!(DURATION, "Time to answer a question over HTTP.");
    describe_gauge!(SOCKETS, "Open WebSockets.");
    describe_gauge!(SUBSCRIPTIONS, "Running subscriptions.");
    describe_counter!(LAGGED, "Subscriptions that were ended because their client did not read.");
}

pub(crate) fn answered(outcome: String, took: Duration) {
    counter!(REQUESTS, "outcome" => outcome).increment(1);
    histogram!(DURATION).record(took.as_secs_f64());
}

pub(crate) fn lagged() {
    counter!(LAGGED).increment(1);
}

/// Counts something as long as it lives.
#[derive(Debug)]
pub(crate) struct Live(&'static str);

impl Live {
    pub(crate) fn socket() -> Self {
        Self::of(SOCKETS)
    }

    pub(crate) fn subscription() -> Self {
        Self::of(SUBSCRIPTIONS)
    }

    fn of(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
