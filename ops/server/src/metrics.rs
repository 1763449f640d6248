//! The metrics of the HTTP shell, and the recorder of all metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "openclaw_http_requests_total";
const DURATION: &str = "openclaw_http_duration_seconds";
const CONNECTIONS: &str = "openclaw_http_connections";
const TURNED_AWAY: &str = "openclaw_http_turned_away_total";
const WRONG_TOKENS: &str = "openclaw_http_wrong_tokens_total";
const LIMITED: &str = "openclaw_http_limited_total";
const BODIES: &str = "openclaw_http_bodies_bytes";
const HANDSHAKES_FAILED: &str = "openclaw_http_handshakes_failed_total";
const INFO: &str = "openclaw_info";

/// How often the recorder must be told to fold its samples, or they pile up.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);

/// From an fsync on a fast disk to a call that waits for a run.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    60.0,
];

/// Installs the recorder of this process. What is recorded before is lost.
///
/// # Errors
/// When there is one already.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .install_recorder()?;
    describe_counter!(REQUESTS, Unit::Count, "HTTP requests by route, method and status");
    describe_histogram!(DURATION, Unit::Seconds, "Time from the head of a request to the head of its answer");
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections, WebSockets included");
    describe_counter!(
        TURNED_AWAY,
        Unit::Count,
        "Connections that were turned away because there were too many"
    );
    describe_counter!(WRONG_TOKENS, Unit::Count, "Wrong tokens that were shown");
    describe_counter!(
        LIMITED,
        Unit::Count,
        "Requests that were refused because one caller may not have more of `what`"
    );
    describe_gauge!(BODIES, Unit::Bytes, "Room that is taken for the bodies of requests");
    describe_counter!(HANDSHAKES_FAILED, Unit::Count, "TLS handshakes that failed or took too long");
    describe_gauge!(INFO, Unit::Count, "1, with the version as label");
    gauge!(INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Counts an answered request. `route` is the pattern that matched, never the path as it was sent.
pub(crate) fn answered(route: &str, method: &'static str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(DURATION, "route" => route).record(took.as_secs_f64());
}

/// Counts a connection that was turned away.
pub(crate) fn turned_away() {
    counter!(TURNED_AWAY).increment(1);
}

/// Counts a wrong token.
pub(crate) fn wrong_token() {
    counter!(WRONG_TOKENS).increment(1);
}

/// Counts a request that was refused because its caller may have no more of `what`.
pub(crate) fn limited(what: &'static str) {
    counter!(LIMITED, "what" => what).increment(1);
}

/// Room for a body, counted as taken while it lives.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// Counts it.
    #[must_use]
    pub(crate) fn taken(bytes: usize) -> Self {
        gauge!(BODIES).increment(bytes as f64);
        Self(bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        gauge!(BODIES).decrement(self.0 as f64);
    }
}

/// Counts a handshake that came to nothing.
pub(crate) fn handshake_failed() {
    counter!(HANDSHAKES_FAILED).increment(1);
}

/// A connection, counted as open while it lives.
#[derive(Debug)]
pub(crate) struct Connection(());

impl Connection {
    /// Counts it.
    #[must_use]
    pub(crate) fn open() -> Self {
        gauge!(CONNECTIONS).increment(1.0);
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1.0);
    }
}
