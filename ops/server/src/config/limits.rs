//! `[limits]`: what one caller may ask of `/rpc`.

use openclaw_gateway::rpc::{self, Span};
use serde::{Deserialize, Serialize};

/// What one caller may ask of `/rpc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Largest request body and WebSocket message, in bytes. Default 1 MiB.
    pub(crate) body_bytes: usize,
    /// Calls in one batch. Default 20.
    pub(crate) batch: usize,
    /// Calls that are carried out at the same time; more are answered with "busy". Default 2048.
    pub(crate) in_flight: usize,
    /// Largest answer, in bytes. Default 4 MiB.
    pub(crate) response_bytes: usize,
    /// Messages of one WebSocket that are worked on at the same time. Default 32.
    pub(crate) socket_in_flight: usize,
    /// How often a WebSocket is pinged. Default 20s.
    pub(crate) socket_ping: Span,
    /// Silence after which a WebSocket is closed. Default 1m.
    pub(crate) socket_idle: Span,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = rpc::Limits::default();
        Self {
            body_bytes: limits.body_bytes,
            batch: limits.batch,
            in_flight: limits.in_flight,
            response_bytes: limits.response_bytes,
            socket_in_flight: limits.socket_in_flight,
            socket_ping: Span(limits.socket_ping),
            socket_idle: Span(limits.socket_idle),
        }
    }
}

impl Limits {
    /// As the transport wants them.
    #[must_use]
    pub(crate) fn rpc(&self) -> rpc::Limits {
        rpc::Limits {
            body_bytes: self.body_bytes,
            batch: self.batch,
            in_flight: self.in_flight,
            response_bytes: self.response_bytes,
            socket_in_flight: self.socket_in_flight,
            socket_ping: self.socket_ping.0,
            socket_idle: self.socket_idle.0,
            ..rpc::Limits::default()
        }
    }
}
