//! Connections to the outside: of tools through the proxy, and those that the server itself was refused. Stream
//! `egress/RUN`, or `egress/server` for what belongs to no run.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::TaskId;

event_family! {
    /// What happened to a connection.
    EgressEvent {
        /// It was made.
        "egress.opened" @ 1 => Opened(EgressOpened),
        /// It was refused.
        "egress.denied" @ 1 => Denied(EgressDenied),
        /// It has ended.
        "egress.closed" @ 1 => Closed(EgressClosed),
    }
}

/// A connection was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EgressOpened {
    /// Tells the connections of the stream apart.
    pub connection: u64,
    /// For which task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The name that was asked for.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The address that it was made to.
    pub address: String,
    /// The entry of the allowlist that allowed it.
    pub rule: String,
    /// Name of the credential that was put in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// A connection was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EgressDenied {
    /// For which task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The name that was asked for.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The address that was refused, if it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Code of the error.
    pub code: String,
    /// Why.
    pub reason: String,
}

/// A connection has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EgressClosed {
    /// Which.
    pub connection: u64,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
}
