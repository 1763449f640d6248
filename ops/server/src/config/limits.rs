//! `[limits]`: what may be asked: of `/rpc` in all, by one caller, by somebody without a good token.

use std::time::Duration;

use openclaw_gateway::rpc::{self, Span};
use serde::{Deserialize, Serialize};

use crate::http::{Allowance, Strangers};

/// What may be asked.
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
    /// Calls of one WebSocket that are worked on at the same time; members of a batch count one each. Default 64.
    pub(crate) socket_in_flight: usize,
    /// Calls of one WebSocket that may be told to come back later within five seconds; one more and the socket is closed
    /// with 1013. Default 1000.
    pub(crate) socket_refusals: usize,
    /// How often a WebSocket is pinged. Default 20s.
    pub(crate) socket_ping: Span,
    /// Silence after which a WebSocket is closed. Default 1m.
    pub(crate) socket_idle: Span,
    /// Calls and questions of one caller, which is a token or a user, in a second; members of a batch and operations of
    /// a WebSocket count one each, and a second's worth may be saved up. More are answered 429. 0 is no limit. Default
    /// 10000.
    pub(crate) caller_rate: u32,
    /// Calls and questions of one caller at the same time. Default 1024, half of `in_flight`.
    pub(crate) caller_in_flight: usize,
    /// WebSockets of one caller at the same time. Default 512.
    pub(crate) caller_sockets: usize,
    /// Operations of one caller on GraphQL WebSockets at the same time, subscriptions for the most part. Default 1000.
    pub(crate) caller_operations: usize,
    /// Bytes of the bodies of all requests that are worked on at the same time. Default 64 MiB.
    pub(crate) bodies_bytes: usize,
    /// Requests without a token of one address in a second. 0 is no limit. Default 100.
    pub(crate) stranger_rate: u32,
    /// Wrong tokens of one address in a minute, before it is held off. 0 is no limit. Default 10.
    pub(crate) wrong_tokens: u32,
    /// How long it is held off: without a good token everything is answered 429. Default 1m.
    pub(crate) wrong_tokens_hold: Span,
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
            socket_refusals: limits.socket_refusals,
            socket_ping: Span(limits.socket_ping),
            socket_idle: Span(limits.socket_idle),
            caller_rate: 10_000,
            caller_in_flight: limits.in_flight / 2,
            caller_sockets: 512,
            caller_operations: 1_000,
            bodies_bytes: 64 << 20,
            stranger_rate: 100,
            wrong_tokens: 10,
            wrong_tokens_hold: Span(Duration::from_secs(60)),
        }
    }
}

impl Limits {
    /// What one caller may take.
    #[must_use]
    pub(crate) const fn allowance(&self) -> Allowance {
        Allowance {
            rate: self.caller_rate,
            in_flight: self.caller_in_flight,
            sockets: self.caller_sockets,
            operations: self.caller_operations,
        }
    }

    /// What somebody without a good token may do.
    #[must_use]
    pub(crate) const fn strangers(&self) -> Strangers {
        Strangers { rate: self.stranger_rate, failures: self.wrong_tokens, hold: self.wrong_tokens_hold.0 }
    }

    /// As the transport wants them.
    #[must_use]
    pub(crate) fn rpc(&self) -> rpc::Limits {
        rpc::Limits {
            body_bytes: self.body_bytes,
            batch: self.batch,
            in_flight: self.in_flight,
            response_bytes: self.response_bytes,
            socket_in_flight: self.socket_in_flight,
            socket_refusals: self.socket_refusals,
            socket_ping: self.socket_ping.0,
            socket_idle: self.socket_idle.0,
            ..rpc::Limits::default()
        }
    }
}
