//! `[egress]`: where connections may lead.

use openclaw_egress::{Destination, Injection, Limits, Malformed, Policy};
use openclaw_gateway::rpc::Span;
use serde::{Deserialize, Serialize};

/// Where connections of the server and of its tools may lead. A destination is `HOST:PORT`; the port may be `*`, the host
/// a name, `*.name` for what is below a name, an address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// The only destinations that may be at addresses that are not public: this machine, private networks, metadata
    /// services. Default none.
    pub(crate) allow_private: Vec<Destination>,
    /// If there are any, nothing else is reached. Default none.
    pub(crate) allow: Vec<Destination>,
    /// What is never reached. Default none.
    pub(crate) deny: Vec<Destination>,
    /// Connections of one tool at a time. Default 64.
    pub(crate) tool_connections: usize,
    /// Bytes that one tool may move in both directions. Default 1 GiB.
    pub(crate) tool_bytes: u64,
    /// A connection of a tool on which nothing moves for this long is closed. Default 2m.
    pub(crate) tool_idle: Span,
    /// Credentials that are put into requests of tools that ask for them by name. Default none.
    pub(crate) credentials: Vec<Credential>,
}

/// A credential for tools, and where it may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    /// Name of the secret, with `/field` behind it for one of its fields.
    pub(crate) credential: String,
    /// The only destination that gets it.
    pub(crate) destination: Destination,
    /// The header that holds it. Default `authorization`.
    #[serde(default = "authorization")]
    pub(crate) header: String,
    /// The header's value; `{}` stands for the credential. Default `Bearer {}`.
    #[serde(default = "bearer")]
    pub(crate) format: String,
    /// Whether TLS is spoken to the destination. Default true.
    #[serde(default = "yes")]
    pub(crate) tls: bool,
}

fn authorization() -> String {
    "authorization".into()
}

fn bearer() -> String {
    "Bearer {}".into()
}

const fn yes() -> bool {
    true
}

impl Default for Egress {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            allow_private: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            tool_connections: limits.connections,
            tool_bytes: limits.bytes,
            tool_idle: Span(limits.idle),
            credentials: Vec::new(),
        }
    }
}

impl Egress {
    /// As the gate wants it.
    ///
    /// # Errors
    /// If it allows every private address.
    pub(crate) fn policy(&self) -> Result<Policy, Malformed> {
        Policy::new(self.allow_private.clone(), self.allow.clone(), self.deny.clone())
    }

    /// The bounds of a tool's proxy.
    #[must_use]
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.tool_connections,
            bytes: self.tool_bytes,
            idle: self.tool_idle.0,
            ..Limits::default()
        }
    }

    /// What can be put into requests, by where it may go.
    ///
    /// # Errors
    /// What is wrong with the first that is wrong.
    pub(crate) fn injections(&self) -> Result<Vec<(Destination, Injection)>, String> {
        let read = |one: &Credential| {
            let injection = Injection::new(&one.credential, &one.header, &one.format, one.tls)?;
            Ok((one.destination.clone(), injection))
        };
        self.credentials.iter().map(read).collect()
    }
}
