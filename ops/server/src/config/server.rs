//! `[server]`: where and to whom it answers.

use std::time::Duration;

use openclaw_gateway::rpc::Span;
use serde::{Deserialize, Serialize};

use super::Tls;

/// Where and to whom the server answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address to listen at, `HOST:PORT`; port 0 takes a free one. Default `127.0.0.1:7710`.
    pub(crate) listen: String,
    /// Whether it may speak plain HTTP where other machines can reach it, because something in front of it speaks TLS.
    /// Without TLS of its own and without this it listens at loopback addresses only. Default false.
    pub(crate) insecure_plaintext: bool,
    /// Names that clients may call it by, beside `localhost`, `127.0.0.1`, `[::1]` and the host of `listen`; each
    /// `NAME` for any port, or `NAME:PORT`. Default none.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of web pages that may use it, beside its own, each `SCHEME://HOST[:PORT]`. Default none.
    pub(crate) allowed_origins: Vec<String>,
    /// Connections at the same time, WebSockets included; more are turned away. Default 1024.
    pub(crate) max_connections: usize,
    /// Connections of one address at the same time; for IPv6, of one /64. Behind a proxy all have the proxy's. Default
    /// 512.
    pub(crate) max_connections_per_address: usize,
    /// Time for the TLS handshake, for the head of a request, and for an idle connection until its next one. Default 10s.
    pub(crate) header_time: Span,
    /// Time for the body of a request. Default 30s.
    pub(crate) body_time: Span,
    /// Time without progress after which a client that does not take its answer is cut off. Default 30s.
    pub(crate) write_time: Span,
    /// Time that a stop waits for what is in flight. Default 30s.
    pub(crate) drain_time: Span,
    /// See [`Tls`]. Default none: plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7710".into(),
            insecure_plaintext: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 1024,
            max_connections_per_address: 512,
            header_time: Span(Duration::from_secs(10)),
            body_time: Span(Duration::from_secs(30)),
            write_time: Span(Duration::from_secs(30)),
            drain_time: Span(Duration::from_secs(30)),
            tls: None,
        }
    }
}
