//! Why there is no connection.

use std::net::IpAddr;

use crate::{Class, Destination, Target};

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its address is not public, and nothing allows it.
    Private(Class),
    /// The configuration denies it.
    Denied(Destination),
    /// The configuration has a list of what is allowed, and it is not there.
    NotAllowed,
    /// The job's allowlist does not have it.
    NotGranted,
    /// The connection cannot be recorded, and none is made that is not.
    Unrecorded(String),
}

/// A connection that was refused. `OC-EGR-001` if the server's configuration says so, `OC-EGR-003` if the job's
/// allowlist does, `OC-EGR-004` if it cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it was wanted to.
    pub target: Target,
    /// Where that led, if it came to that.
    pub address: Option<IpAddr>,
    /// Why.
    pub reason: Reason,
}

impl Refused {
    /// The code of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.reason {
            Reason::Private(_) | Reason::Denied(_) | Reason::NotAllowed => "OC-EGR-001",
            Reason::NotGranted => "OC-EGR-003",
            Reason::Unrecorded(_) => "OC-EGR-004",
        }
    }

    /// Why, and what would change it, without code and target.
    #[must_use]
    pub fn explanation(&self) -> String {
        let target = &self.target;
        match &self.reason {
            Reason::Private(class) => {
                let place = match self.address {
                    Some(address) if target.address() != Some(address) => {
                        format!("it leads to {address}, {class}")
                    }
                    _ => format!("it is {class}"),
                };
                format!(
                    "{place}; if that is meant, allow it with egress.allow_private = [\"{target}\"], --allow-private-egress {target} or OPENCLAW_ALLOW_PRIVATE_EGRESS"
                )
            }
            Reason::Denied(rule) => format!("egress.deny has {rule}"),
            Reason::NotAllowed => {
                format!("egress.allow does not have it; \"{target}\" there would allow it")
            }
            Reason::NotGranted => format!(
                "the allowlist of the task does not have it; metadata.sandbox.network = [\"{target}\"] of the task would, if sandbox.network of the server has it too"
            ),
            Reason::Unrecorded(problem) => format!("it cannot be recorded: {problem}"),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: the connection to {} is refused: {}", self.code(), self.target, self.explanation())
    }
}

impl std::error::Error for Refused {}

/// Why there is nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name leads nowhere.
    #[error("the name {name} cannot be resolved")]
    Unresolved {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The URL or name has no host.
    #[error(transparent)]
    NoHost(#[from] crate::Malformed),
}
