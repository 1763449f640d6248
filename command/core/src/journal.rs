//! Streams that only record what happened elsewhere: to the vault, to connections, to the server as a whole. There is
//! nothing to decide about it.

use alloc::{vec, vec::Vec};

use core::convert::Infallible;

use openclaw_model::{
    Event, Timestamp, Version,
    event::{AuditEvent, EgressEvent, VaultEvent},
};

use crate::{Decider, Facts};

/// The decider of journals.
#[derive(Debug)]
pub struct Journal;

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// In `vault/main`.
    Vault(VaultEvent),
    /// In the stream of a run's connections.
    Egress(EgressEvent),
    /// In `audit/main`.
    Audit(AuditEvent),
}

impl Decider for Journal {
    type State = ();
    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide((): &(), command: &Command, _: &Facts) -> Result<Vec<Event>, Infallible> {
        Ok(vec![match command.clone() {
            Command::Vault(event) => event.into(),
            Command::Egress(event) => event.into(),
            Command::Audit(event) => event.into(),
        }])
    }

    fn evolve((): &mut (), _: &Event, _: Version, _: Timestamp) {}
}
