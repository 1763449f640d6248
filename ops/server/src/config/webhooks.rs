//! `[webhooks]`: how events are delivered to receivers outside.

use openclaw_gateway::rpc::Span;
use openclaw_runtime::webhooks;
use serde::{Deserialize, Serialize};

/// How events are delivered to receivers outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhooks {
    /// How often a delivery is tried before it is a dead letter. Default 16, which with the pauses below is about two
    /// hours.
    pub(crate) attempts: u32,
    /// The pause after the first attempt; it doubles with each. Default 1s.
    pub(crate) first_pause: Span,
    /// The longest pause between attempts. Default 15m.
    pub(crate) longest_pause: Span,
    /// Longest time for one attempt. Default 15s.
    pub(crate) timeout: Span,
}

impl Default for Webhooks {
    fn default() -> Self {
        let limits = webhooks::Limits::default();
        Self {
            attempts: limits.attempts,
            first_pause: Span(limits.first_pause),
            longest_pause: Span(limits.longest_pause),
            timeout: Span(limits.timeout),
        }
    }
}

impl Webhooks {
    /// As the runtime wants them.
    #[must_use]
    pub(crate) fn limits(&self) -> webhooks::Limits {
        webhooks::Limits {
            attempts: self.attempts.max(1),
            first_pause: self.first_pause.0,
            longest_pause: self.longest_pause.0,
            timeout: self.timeout.0,
        }
    }
}
