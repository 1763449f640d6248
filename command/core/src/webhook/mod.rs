//! Webhooks: receivers outside who are told of events.
//!
//! Invariant: the cursor never passes an event that was neither delivered nor put on the dead-letter list.

mod deliver;
mod letters;
mod register;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
    vec::Vec,
};

use openclaw_model::{Position, Timestamp, Version, event::webhook::WebhookEvent};
use serde_json::Value;

use crate::{Decider, Facts};

/// The most dead letters of one webhook. At the bound nothing more is given up: deliveries wait until somebody looks.
pub const MOST_LETTERS: usize = 1_000;

/// The decider of webhooks.
#[derive(Debug)]
pub struct Webhook;

/// A webhook, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What is delivered where; none before it is registered and after it is removed.
    pub target: Option<Target>,
    /// The newest event that is done with.
    pub cursor: Position,
    /// What could not be delivered.
    pub letters: BTreeMap<Position, Letter>,
    /// Dead letters that are to be tried again.
    pub redriven: BTreeSet<Position>,
}

/// What is delivered where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where events are sent.
    pub url: String,
    /// Types of CloudEvents that are sent; `*` at the end stands for any rest.
    pub types: Vec<String>,
    /// Handle of the secret that signs them.
    pub secret: String,
    /// Headers that go along.
    pub headers: BTreeMap<String, String>,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The CloudEvent, or an array of those of one log event.
    pub event: Arc<Value>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub since: Timestamp,
}

/// What may be asked of a webhook.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Deliver events from here on, or change how they are delivered.
    Register {
        /// What and where.
        target: Target,
        /// The newest event that is not sent, unless the webhook exists: then nothing is left out.
        after: Position,
    },
    /// Deliver no more. Its dead letters are forgotten.
    Remove,
    /// Record how far the deliveries have come.
    Advance {
        /// The newest event that is done with.
        through: Position,
        /// How many were delivered.
        delivered: u64,
    },
    /// Give an event up. Everything before it is done with.
    GiveUp {
        /// The log event that it was made of.
        position: Position,
        /// The CloudEvent.
        event: Value,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong the last time.
        error: String,
        /// When it was tried first.
        since: Timestamp,
    },
    /// Try dead letters again.
    Redrive {
        /// Which; all if empty.
        positions: Vec<Position>,
    },
    /// Take a dead letter off the list, because it was delivered.
    Delivered {
        /// Which.
        position: Position,
    },
    /// Take dead letters off the list without delivering them.
    Drop {
        /// Which.
        positions: Vec<Position>,
    },
}

/// Why a webhook refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such webhook. `OC-HOOK-001`.
    #[error("the webhook does not exist")]
    NotFound,
    /// There is no such dead letter. `OC-HOOK-002`.
    #[error("no dead letter of the webhook stands at position {position}")]
    NoLetter {
        /// Where.
        position: Position,
    },
    /// There are no dead letters. `OC-HOOK-003`.
    #[error("the webhook has no dead letters")]
    NoLetters,
    /// The list is full; the delivery waits. Internal.
    #[error("the webhook has {MOST_LETTERS} dead letters, and takes no more")]
    Full,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-HOOK-001",
            Self::NoLetter { .. } => "OC-HOOK-002",
            Self::NoLetters => "OC-HOOK-003",
            Self::Full => "OC-HOOK-004",
        }
    }
}

impl Decider for Webhook {
    type State = State;
    type Command = Command;
    type Event = WebhookEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<WebhookEvent>, Rejection> {
        match command {
            Command::Register { target, after } => Ok(register::register(state, target, *after)),
            Command::Remove => register::remove(state),
            Command::Advance { through, delivered } => deliver::advance(state, *through, *delivered),
            Command::GiveUp { position, event, attempts, error, since } => {
                let letter = Letter { event: Arc::new(event.clone()), attempts: *attempts, since: *since };
                deliver::give_up(state, *position, letter, error)
            }
            Command::Redrive { positions } => letters::redrive(state, positions),
            Command::Delivered { position } => letters::delivered(state, *position),
            Command::Drop { positions } => letters::drop(state, positions),
        }
    }

    fn evolve(state: &mut State, event: &WebhookEvent, _: Version, _: Timestamp) {
        state.apply(event);
    }
}

impl State {
    fn apply(&mut self, event: &WebhookEvent) {
        match event {
            WebhookEvent::Registered(data) => {
                self.target = Some(Target {
                    url: data.url.clone(),
                    types: data.types.clone(),
                    secret: data.secret.clone(),
                    headers: data.headers.clone(),
                });
                self.cursor = data.after;
            }
            WebhookEvent::Removed(_) => *self = Self { cursor: self.cursor, ..Self::default() },
            WebhookEvent::Advanced(data) => self.cursor = data.through,
            WebhookEvent::DeadLettered(data) => {
                self.cursor = self.cursor.max(data.position);
                self.redriven.remove(&data.position);
                let event = Arc::new(data.event.clone());
                let letter = Letter { event, attempts: data.attempts, since: data.since };
                self.letters.insert(data.position, letter);
            }
            WebhookEvent::LetterClosed(data) => {
                self.letters.remove(&data.position);
                self.redriven.remove(&data.position);
            }
            WebhookEvent::Redriven(data) if data.positions.is_empty() => {
                self.redriven = self.letters.keys().copied().collect();
            }
            WebhookEvent::Redriven(data) => self.redriven.extend(&data.positions),
        }
    }

    fn registered(&self) -> Result<&Target, Rejection> {
        self.target.as_ref().ok_or(Rejection::NotFound)
    }
}

impl Target {
    /// Whether CloudEvents of this type are sent.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        self.types.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => event_type == wanted,
        })
    }
}
