//! The metrics of audit.

use ::metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const CHECKPOINTS: &str = "openclaw_audit_checkpoints_total";
const FAILURES: &str = "openclaw_audit_checkpoint_failures_total";
const COVERED: &str = "openclaw_audit_covered_position";
const UNSIGNED: &str = "openclaw_audit_unsigned_events";

pub(super) fn describe() {
    describe_counter!(CHECKPOINTS, Unit::Count, "Checkpoints that were signed");
    describe_counter!(FAILURES, Unit::Count, "Checkpoints that could not be signed or written, by reason");
    describe_gauge!(COVERED, Unit::Count, "The newest position that a checkpoint vouches for");
    describe_gauge!(UNSIGNED, Unit::Count, "Events after it");
}

pub(super) fn signed() {
    counter!(CHECKPOINTS).increment(1);
}

pub(super) fn failed(reason: &'static str) {
    counter!(FAILURES, "reason" => reason).increment(1);
}

pub(super) fn standing(covered: u64, head: u64) {
    gauge!(COVERED).set(covered as f64);
    gauge!(UNSIGNED).set(head.saturating_sub(covered) as f64);
}
