//! The metrics of the JSON-RPC surface.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::Instant;

const REQUESTS: &str = "openclaw_rpc_requests_total";
const DURATION: &str = "openclaw_rpc_duration_seconds";
const IN_FLIGHT: &str = "openclaw_rpc_in_flight";
const SOCKETS: &str = "openclaw_rpc_websockets";

/// Label of calls to methods that do not exist; a caller cannot invent label values.
pub(super) const UNKNOWN_METHOD: &str = "unknown";

/// Tells the recorder what the metrics mean. Call it once, after a recorder is installed.
pub fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "JSON-RPC calls by method and outcome");
    describe_histogram!(DURATION, Unit::Seconds, "Time from a read call to its answer, by method");
    describe_gauge!(IN_FLIGHT, Unit::Count, "JSON-RPC calls that are being carried out");
    describe_gauge!(SOCKETS, Unit::Count, "Open JSON-RPC WebSockets");
}

/// Counts a call that was refused before it reached a method.
pub(super) fn refused(method: &'static str, outcome: &'static str) {
    counter!(REQUESTS, "method" => method, "outcome" => outcome).increment(1);
}

/// A call that is being carried out; counted as cancelled if it is dropped before [`Running::ended`].
pub(super) struct Running {
    method: &'static str,
    since: Instant,
    outcome: &'static str,
}

impl Running {
    pub(super) fn begin(method: &'static str) -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self { method, since: Instant::now(), outcome: "cancelled" }
    }

    pub(super) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
        counter!(REQUESTS, "method" => self.method, "outcome" => self.outcome).increment(1);
        histogram!(DURATION, "method" => self.method).record(self.since.elapsed().as_secs_f64());
    }
}

/// Counts a WebSocket as open while it lives.
pub(super) struct Socket;

impl Socket {
    pub(super) fn open() -> Self {
        gauge!(SOCKETS).increment(1.0);
        Self
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        gauge!(SOCKETS).decrement(1.0);
    }
}
