//! Metrics of the gateway, declared in one place.

use crate::sequencer::{Accepted, Refused};

/// Commands of one drain.
pub const DRAIN_COMMANDS: &str = "openclaw_sequencer_drain_commands";
/// Commands that wait for the sequencer.
pub const QUEUE_DEPTH: &str = "openclaw_sequencer_queue_depth";
/// Commands by outcome: accepted, repeated, or why refused.
pub const COMMANDS: &str = "openclaw_commands_total";

pub(crate) fn drained(count: usize) {
    metrics::histogram!(DRAIN_COMMANDS).record(count as f64);
}

pub(crate) fn queue_depth(depth: usize) {
    metrics::gauge!(QUEUE_DEPTH).set(depth as f64);
}

pub(crate) fn decided(answer: &Result<Accepted, Refused>) {
    let outcome = match answer {
        Ok(accepted) if accepted.repeated => "repeated",
        Ok(_) => "accepted",
        Err(Refused::Rejected(_)) => "rejected",
        Err(Refused::Conflict { .. }) => "conflict",
        Err(Refused::KeyReused) => "key_reused",
        Err(Refused::Busy) => "busy",
        Err(Refused::Stopping) => "stopping",
        Err(Refused::ReadOnly(_)) => "read_only",
        Err(Refused::Storage(_)) => "storage",
        Err(Refused::Unheard) => return,
        Err(Refused::Unreadable(_)) => "unreadable",
    };
    metrics::counter!(COMMANDS, "outcome" => outcome).increment(1);
}
