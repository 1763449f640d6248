//! Policies: which tools may be used how. Each change is a version of its own.

use alloc::{sync::Arc, vec, vec::Vec};

use openclaw_model::{
    Digest, Timestamp, Version,
    event::policy::{PolicyChanged, PolicyEvent, PolicyRemoved},
};
use serde_json::Value;

use crate::{Decider, Facts};

/// The decider of policies.
#[derive(Debug)]
pub struct Policy;

/// A policy, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Version of the newest rules, of those that were removed, too.
    pub version: u64,
    /// The rules in force, with their digest.
    pub rules: Option<(Digest, Arc<Value>)>,
}

/// What may be asked of a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have these rules from here on. That they can be read is checked before.
    Change {
        /// BLAKE3 over their canonical bytes.
        digest: Digest,
        /// The rules.
        document: Value,
    },
    /// Have none from here on.
    Remove,
}

/// Why a policy refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such policy. `OC-POL-001`.
    #[error("the namespace has no policy")]
    NotFound,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-POL-001",
        }
    }
}

impl Decider for Policy {
    type State = State;
    type Command = Command;
    type Event = PolicyEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<PolicyEvent>, Rejection> {
        match (command, &state.rules) {
            (Command::Change { digest, .. }, Some((known, _))) if digest == known => Ok(vec![]),
            (Command::Change { digest, document }, _) => Ok(vec![PolicyEvent::Changed(PolicyChanged {
                version: state.version + 1,
                digest: *digest,
                document: document.clone(),
            })]),
            (Command::Remove, None) => Err(Rejection::NotFound),
            (Command::Remove, Some(_)) => Ok(vec![PolicyEvent::Removed(PolicyRemoved {})]),
        }
    }

    fn evolve(state: &mut State, event: &PolicyEvent, _: Version, _: Timestamp) {
        match event {
            PolicyEvent::Changed(data) => {
                state.version = data.version;
                state.rules = Some((data.digest, Arc::new(data.document.clone())));
            }
            PolicyEvent::Removed(_) => state.rules = None,
        }
    }
}
