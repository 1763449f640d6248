//! The numbers that this crate reports. Handles are made when the log opens, so install the recorder before.

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

const APPEND_SECONDS: &str = "openclaw_log_append_seconds";
const FSYNC_SECONDS: &str = "openclaw_log_fsync_seconds";
const COMMIT_EVENTS: &str = "openclaw_log_commit_events";
const EVENTS_TOTAL: &str = "openclaw_log_events_total";
const BYTES_TOTAL: &str = "openclaw_log_frame_bytes_total";
const SEALED_SEGMENTS: &str = "openclaw_log_sealed_segments";
const SEALER_QUEUE: &str = "openclaw_log_sealer_queue_segments";
const SEAL_SECONDS: &str = "openclaw_log_seal_seconds";
const READ_ONLY: &str = "openclaw_log_read_only";

pub(crate) struct Metrics {
    /// From the call of append to its answer.
    pub(crate) append_seconds: Histogram,
    /// sled's flush and the barrier after it.
    pub(crate) fsync_seconds: Histogram,
    /// Events made durable by one fsync.
    pub(crate) commit_events: Histogram,
    pub(crate) events_total: Counter,
    pub(crate) bytes_total: Counter,
    pub(crate) sealed_segments: Gauge,
    /// Closed segments that are not sealed yet.
    pub(crate) sealer_queue: Gauge,
    pub(crate) seal_seconds: Histogram,
    /// One if the log takes no appends because of an error.
    pub(crate) read_only: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_histogram!(APPEND_SECONDS, "Time from the call of append to its answer");
        describe_histogram!(FSYNC_SECONDS, "Time to make one group commit durable");
        describe_histogram!(COMMIT_EVENTS, "Events that one fsync made durable");
        describe_counter!(EVENTS_TOTAL, "Events appended");
        describe_counter!(BYTES_TOTAL, "Bytes of frames appended");
        describe_gauge!(SEALED_SEGMENTS, "Sealed segments of the log");
        describe_gauge!(SEALER_QUEUE, "Closed segments that wait to be sealed");
        describe_histogram!(SEAL_SECONDS, "Time to seal one segment");
        describe_gauge!(READ_ONLY, "1 if the log takes no appends because of an error");
        Self {
            append_seconds: histogram!(APPEND_SECONDS),
            fsync_seconds: histogram!(FSYNC_SECONDS),
            commit_events: histogram!(COMMIT_EVENTS),
            events_total: counter!(EVENTS_TOTAL),
            bytes_total: counter!(BYTES_TOTAL),
            sealed_segments: gauge!(SEALED_SEGMENTS),
            sealer_queue: gauge!(SEALER_QUEUE),
            seal_seconds: histogram!(SEAL_SECONDS),
            read_only: gauge!(READ_ONLY),
        }
    }
}
