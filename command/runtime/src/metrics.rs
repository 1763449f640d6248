//! Metrics of the runtime, declared in one place.

use openclaw_model::event::run::RunEvent;
use openclaw_workflow::expression::Failure;

/// Runs by outcome: started, completed, faulted, cancelled.
pub const RUNS: &str = "openclaw_runs_total";
/// Tasks by outcome: completed, skipped, faulted, cancelled, retried.
pub const TASKS: &str = "openclaw_tasks_total";
/// Runs that have a worker in memory.
pub const ACTIVE: &str = "openclaw_runs_active";
/// Runs that have not ended.
pub const OPEN: &str = "openclaw_runs_open";
/// Runs that the start of the process gave a worker; the others were known to wait.
pub const FOLDED_AT_START: &str = "openclaw_runtime_folded_at_start_total";
/// Runs that have not ended and have no worker: they wait.
pub const PARKED: &str = "openclaw_runs_parked";
/// Runs that wait for one of the workers there may be.
pub const QUEUED: &str = "openclaw_runs_queued";
/// How much later than due runs that waited for a time were woken.
pub const LATENESS: &str = "openclaw_runtime_wakeup_lateness_seconds";
/// Obligations to other streams that were left to the next start.
pub const UNPAID: &str = "openclaw_runtime_obligations_left_total";
/// Effects that are being performed.
pub const EFFECTS: &str = "openclaw_effects_in_flight";
/// Worker processes for expressions that were started.
pub const EXPRESSION_WORKERS: &str = "openclaw_expression_workers_started_total";
/// Expressions that were evaluated in a worker process, by outcome: completed, or the code of the failure.
pub const EXPRESSIONS: &str = "openclaw_expression_evaluations_total";

/// Attempts to deliver an event to a webhook, by outcome: delivered, failed; given_up counts dead letters.
pub const DELIVERIES: &str = "openclaw_webhook_deliveries_total";

pub(crate) fn delivery(outcome: &'static str) {
    metrics::counter!(DELIVERIES, "outcome" => outcome).increment(1);
}

pub(crate) fn active(count: usize) {
    metrics::gauge!(ACTIVE).set(count as f64);
}

pub(crate) fn parked(count: usize) {
    metrics::gauge!(PARKED).set(count as f64);
}

pub(crate) fn open(count: usize) {
    metrics::gauge!(OPEN).set(count as f64);
}

pub(crate) fn folded_at_start(count: usize) {
    metrics::counter!(FOLDED_AT_START).increment(count as u64);
}

pub(crate) fn queued(count: usize) {
    metrics::gauge!(QUEUED).set(count as f64);
}

/// Notes that a run was woken this many milliseconds after it was due.
pub(crate) fn woken(late_ms: u64) {
    metrics::histogram!(LATENESS).record(late_ms as f64 / 1_000.0);
}

pub(crate) fn unpaid() {
    metrics::counter!(UNPAID).increment(1);
}

pub(crate) fn effect_started() {
    metrics::gauge!(EFFECTS).increment(1.0);
}

pub(crate) fn effect_ended() {
    metrics::gauge!(EFFECTS).decrement(1.0);
}

pub(crate) fn happened(event: &RunEvent) {
    let run = |outcome: &'static str| metrics::counter!(RUNS, "outcome" => outcome).increment(1);
    let task = |outcome: &'static str| metrics::counter!(TASKS, "outcome" => outcome).increment(1);
    match event {
        RunEvent::Started(_) => run("started"),
        RunEvent::Completed(_) => run("completed"),
        RunEvent::Faulted(_) => run("faulted"),
        RunEvent::Cancelled(_) => run("cancelled"),
        RunEvent::TaskCompleted(_) => task("completed"),
        RunEvent::TaskSkipped(_) => task("skipped"),
        RunEvent::TaskFaulted(_) => task("faulted"),
        RunEvent::TaskCancelled(_) => task("cancelled"),
        RunEvent::TaskRetried(_) => task("retried"),
        _ => {}
    }
}

pub(crate) fn expression_worker_started() {
    metrics::counter!(EXPRESSION_WORKERS).increment(1);
}

/// Counts an evaluation in a worker process; `failure` is there if it failed.
pub(crate) fn expression_evaluated(failure: Option<Option<Failure>>) {
    let outcome = match failure {
        None => "completed",
        Some(failure) => failure.map_or("OC-WF-040", Failure::code),
    };
    metrics::counter!(EXPRESSIONS, "outcome" => outcome).increment(1);
}
