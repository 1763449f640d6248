//! `[runtime]`: how runs are carried out.

use std::time::Duration;

use openclaw_gateway::rpc::Span;
use serde::{Deserialize, Serialize};

/// How runs are carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Runtime {
    /// The most tasks that one run may start before it faults. Default 100000.
    pub(crate) tasks_per_run: u32,
    /// The most events that one step of a run writes at once. Default 64.
    pub(crate) events_per_step: usize,
    /// The most runs that are worked on at a time; the others wait, the highest priority first. Runs that only wait for a
    /// time, an event, a child or people do not count. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_active_runs: Option<usize>,
    /// Processes that evaluate expressions which may take long; started when needed. Default 2.
    pub(crate) expression_workers: usize,
    /// Time that a stop gives to effects under way before they are broken off. Default 10s.
    pub(crate) stop_grace: Span,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            tasks_per_run: 100_000,
            events_per_step: 64,
            max_active_runs: None,
            expression_workers: 2,
            stop_grace: Span(Duration::from_secs(10)),
        }
    }
}
