//! Credentials: what is known of the values in the vault.
//!
//! The vault is asked first and the event is recorded then, so that the log never says of a value that it is stored
//! when it is not. What the vault holds and the log does not know is found by comparing their versions.

use alloc::{string::String, vec, vec::Vec};

use openclaw_model::{
    Timestamp, Version,
    event::credential::{
        CredentialDeleted, CredentialEvent, CredentialRotated, CredentialSet, CredentialUsed,
    },
};

use crate::{Decider, Facts};

/// The decider of credentials.
#[derive(Debug)]
pub struct Credential;

/// A credential, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Version and fingerprint of its value; none while there is none.
    pub value: Option<(u64, String)>,
    /// When the value was set or rotated.
    pub changed: Option<Timestamp>,
    /// When it was used last.
    pub used: Option<Timestamp>,
}

/// What may be asked of a credential.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Record that the vault holds this value.
    Store {
        /// Its version.
        version: u64,
        /// Its fingerprint.
        fingerprint: String,
    },
    /// Record that the vault holds no value any more.
    Delete,
    /// Record that it is about to be used. Secrets that are not in the vault are recorded, too.
    Use(CredentialUsed),
}

/// Why a credential refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such credential. `OC-CRD-001`.
    #[error("the credential does not exist")]
    NotFound,
    /// The value is older than the one that is known. `OC-CRD-002`.
    #[error("the credential has a newer value, of version {version}")]
    Older {
        /// The version that is known.
        version: u64,
    },
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-CRD-001",
            Self::Older { .. } => "OC-CRD-002",
        }
    }
}

impl Decider for Credential {
    type State = State;
    type Command = Command;
    type Event = CredentialEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<CredentialEvent>, Rejection> {
        Ok(match (command, &state.value) {
            (Command::Store { version, fingerprint }, Some((known, print)))
                if version == known && fingerprint == print =>
            {
                vec![]
            }
            (Command::Store { version, .. }, Some((known, _))) if version <= known => {
                return Err(Rejection::Older { version: *known });
            }
            (Command::Store { version, fingerprint }, known) => {
                let (version, fingerprint) = (*version, fingerprint.clone());
                vec![match known {
                    None => CredentialEvent::Set(CredentialSet { version, fingerprint }),
                    Some(_) => CredentialEvent::Rotated(CredentialRotated { version, fingerprint }),
                }]
            }
            (Command::Delete, None) => return Err(Rejection::NotFound),
            (Command::Delete, Some(_)) => vec![CredentialEvent::Deleted(CredentialDeleted {})],
            (Command::Use(used), _) => vec![CredentialEvent::Used(used.clone())],
        })
    }

    fn evolve(state: &mut State, event: &CredentialEvent, _: Version, at: Timestamp) {
        match event {
            CredentialEvent::Set(CredentialSet { version, fingerprint })
            | CredentialEvent::Rotated(CredentialRotated { version, fingerprint }) => {
                state.value = Some((*version, fingerprint.clone()));
                state.changed = Some(at);
            }
            CredentialEvent::Deleted(_) => {
                state.value = None;
                state.changed = Some(at);
            }
            CredentialEvent::Used(_) => state.used = Some(at),
        }
    }
}
