//! What one caller may ask of the transport. Every queue and buffer of it is bounded by a number here.

use std::time::Duration;

/// Bounds of the transport. At a bound a call is refused, never queued.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest HTTP body and WebSocket message, in bytes.
    pub body_bytes: usize,
    /// Deepest nesting of objects and arrays in a message; checked before anything is read into types.
    pub depth: usize,
    /// Calls in one batch.
    pub batch: usize,
    /// Calls that run at the same time, over all connections. One more is answered with "busy".
    pub in_flight: usize,
    /// Largest result of one call, and largest answer to one batch, in bytes.
    pub response_bytes: usize,
    /// What "busy" tells the caller to wait before trying again.
    pub retry_after: Duration,
    /// Calls of one WebSocket that are worked on at the same time; members of a batch count one each.
    pub socket_in_flight: usize,
    /// Calls of one WebSocket that are told to come back later within five seconds. One more and it is closed with 1013:
    /// to refuse costs as well, and whoever does not wait when told to would take the processor from those who do.
    pub socket_refusals: usize,
    /// Bytes that may wait to be written to one WebSocket; beyond it the socket is closed.
    pub socket_write_buffer_bytes: usize,
    /// How often a WebSocket is pinged.
    pub socket_ping: Duration,
    /// A WebSocket from which nothing came for this long, not even a pong, is closed.
    pub socket_idle: Duration,
    /// A peer that does not take an answer within this time is cut off.
    pub socket_write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            depth: 64,
            batch: 20,
            in_flight: 2_048,
            response_bytes: 4 << 20,
            retry_after: Duration::from_millis(250),
            socket_in_flight: 64,
            socket_refusals: 1_000,
            socket_write_buffer_bytes: 1 << 20,
            socket_ping: Duration::from_secs(20),
            socket_idle: Duration::from_secs(60),
            socket_write: Duration::from_secs(10),
        }
    }
}
