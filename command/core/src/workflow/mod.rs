//! Workflow definitions: versions are registered, never changed, and may be retired.

mod register;
mod retire;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use openclaw_model::{Digest, Timestamp, Version, event::workflow::WorkflowEvent};
use serde_json::Value;

use crate::{Decider, Facts};

/// The decider of one workflow's versions.
#[derive(Debug)]
pub struct Workflow;

/// The versions of one `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By version text.
    pub versions: BTreeMap<String, Registered>,
}

/// One registered version.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Of its definition.
    pub digest: Digest,
    /// The stream version of its registration, where the definition is read.
    pub at: Version,
    /// Whether it may no longer be started.
    pub retired: bool,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Register a version.
    Register {
        /// Namespace of the document.
        namespace: String,
        /// Name of the document.
        name: String,
        /// Version of the document.
        version: String,
        /// Digest of the document.
        digest: Digest,
        /// The document.
        definition: Value,
        /// Texts of the files that it refers to, by their URI.
        resources: BTreeMap<String, String>,
    },
    /// Retire a version.
    Retire {
        /// Which.
        version: String,
    },
}

/// Why a workflow refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The version exists with another definition. `OC-WF-101`.
    #[error(
        "version {version} is registered with another definition (digest {digest}); versions are immutable"
    )]
    Immutable {
        /// Which.
        version: String,
        /// Of what is registered.
        digest: Digest,
    },
    /// There is no such version. `OC-WF-102`.
    #[error("version {version} is not registered")]
    NotFound {
        /// Which.
        version: String,
    },
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Immutable { .. } => "OC-WF-101",
            Self::NotFound { .. } => "OC-WF-102",
        }
    }
}

impl Decider for Workflow {
    type State = State;
    type Command = Command;
    type Event = WorkflowEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<WorkflowEvent>, Rejection> {
        match command {
            Command::Register { namespace, name, version, digest, definition, resources } => {
                register::decide(state, namespace, name, version, *digest, definition, resources)
            }
            Command::Retire { version } => retire::decide(state, version),
        }
    }

    fn evolve(state: &mut State, event: &WorkflowEvent, version: Version, _: Timestamp) {
        match event {
            WorkflowEvent::Registered(data) => {
                let registered = Registered { digest: data.digest, at: version, retired: false };
                state.versions.insert(data.version.clone(), registered);
            }
            WorkflowEvent::Retired(data) => {
                if let Some(registered) = state.versions.get_mut(&data.version) {
                    registered.retired = true;
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn when(
        history: &[WorkflowEvent],
        command: &Command,
    ) -> Result<Vec<WorkflowEvent>, Rejection> {
        let mut state = State::default();
        for (index, event) in history.iter().enumerate() {
            Workflow::evolve(&mut state, event, Version(index as u64 + 1), Timestamp::default());
        }
        Workflow::decide(&state, command, &Facts { now: Timestamp::default() })
    }

    pub(crate) fn register(version: &str, digest: u8) -> Command {
        Command::Register {
            namespace: "ns".into(),
            name: "w".into(),
            version: version.into(),
            digest: Digest([digest; 32]),
            definition: Value::Null,
            resources: BTreeMap::new(),
        }
    }
}
