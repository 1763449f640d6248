//! Metrics of this crate.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const CONNECTIONS: &str = "openclaw_egress_connections_total";
const DENIED: &str = "openclaw_egress_denied_total";
const SENT: &str = "openclaw_egress_sent_bytes_total";
const RECEIVED: &str = "openclaw_egress_received_bytes_total";
const OPEN: &str = "openclaw_egress_open_connections";
const UNRECORDED: &str = "openclaw_egress_unrecorded_total";

/// Describes the metrics to whoever collects them.
pub fn describe() {
    describe_counter!(CONNECTIONS, "Connections of tools that were made through the proxy.");
    describe_counter!(
        DENIED,
        "Connections that were refused, by code and by who wanted them: server or tool."
    );
    describe_counter!(SENT, "Bytes that tools sent through the proxy.");
    describe_counter!(RECEIVED, "Bytes that tools received through the proxy.");
    describe_gauge!(OPEN, "Connections of tools that are open through the proxy.");
    describe_counter!(UNRECORDED, "Refusals and ends of connections that could not be written to the log.");
}

pub(crate) fn opened() {
    counter!(CONNECTIONS).increment(1);
    gauge!(OPEN).increment(1.0);
}

pub(crate) fn closed(sent: u64, received: u64) {
    gauge!(OPEN).decrement(1.0);
    counter!(SENT).increment(sent);
    counter!(RECEIVED).increment(received);
}

pub(crate) fn denied(who: &'static str, code: &'static str) {
    counter!(DENIED, "by" => who, "code" => code).increment(1);
}

pub(crate) fn unrecorded() {
    counter!(UNRECORDED).increment(1);
}
