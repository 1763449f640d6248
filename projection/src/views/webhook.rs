//! Webhooks: how far each has come, and what could not be delivered.

use std::collections::BTreeMap;

use openclaw_model::{Position, Timestamp, event::WebhookEvent};

use super::{Broken, Place, json, run::status};

status! {
    /// What became of an event that could not be delivered.
    LetterState {
        /// It stands in the list.
        Open = "open",
        /// It was delivered after all.
        Delivered = "delivered",
        /// It was dropped.
        Dropped = "dropped",
    }
}

/// What must be known of a webhook to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) row: Row,
    /// Keys of open dead letters by the log event they were made of.
    pub(crate) letters: BTreeMap<Position, Position>,
}

/// Row of `webhooks`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) url: String,
    /// JSON.
    pub(crate) types: String,
    pub(crate) secret: String,
    /// JSON.
    pub(crate) headers: String,
    pub(crate) actor: i64,
    pub(crate) registered_at: Timestamp,
    pub(crate) removed_at: Option<Timestamp>,
    pub(crate) through: Position,
    pub(crate) delivered: u64,
    /// How many dead letters are open.
    pub(crate) dead: u64,
}

/// Row of `dead_letters`.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) webhook: Position,
    /// The log event that it was made of.
    pub(crate) event_position: Position,
    pub(crate) since: Timestamp,
    /// JSON.
    pub(crate) event: String,
}

/// The columns of a dead letter that change.
#[derive(Clone, Debug, Default)]
pub(crate) struct LetterTail {
    pub(crate) state: Option<LetterState>,
    pub(crate) attempts: Option<u32>,
    pub(crate) error: Option<String>,
    pub(crate) died_at: Option<Timestamp>,
    pub(crate) redriven_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
}

/// Changed rows of the webhook tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Position, Row>,
    pub(crate) letters: BTreeMap<Position, Letter>,
    pub(crate) letter_tails: BTreeMap<Position, LetterTail>,
}

pub(super) fn begin(place: &Place, event: WebhookEvent, changes: &mut Changes) -> Result<State, Broken> {
    let WebhookEvent::Registered(_) = event else {
        return Err(Broken(format!("a webhook begins with {}", event.event_type())));
    };
    let row = Row {
        url: String::new(),
        types: String::new(),
        secret: String::new(),
        headers: String::new(),
        actor: place.actor,
        registered_at: place.at,
        removed_at: None,
        through: Position::START,
        delivered: 0,
        dead: 0,
    };
    let mut state = State { row, letters: BTreeMap::new() };
    apply(&mut state, place, event, changes)?;
    Ok(state)
}

pub(super) fn apply(
    state: &mut State,
    place: &Place,
    event: WebhookEvent,
    changes: &mut Changes,
) -> Result<(), Broken> {
    let row = &mut state.row;
    match event {
        WebhookEvent::Registered(event) => {
            row.url = event.url;
            row.types = json(&event.types);
            row.secret = event.secret;
            row.headers = json(&event.headers);
            (row.actor, row.registered_at, row.removed_at) = (place.actor, place.at, None);
            row.through = event.after;
        }
        WebhookEvent::Removed(_) => row.removed_at = Some(place.at),
        WebhookEvent::Advanced(event) => {
            row.through = event.through;
            row.delivered += event.delivered;
        }
        WebhookEvent::DeadLettered(event) => {
            let key = *state.letters.entry(event.position).or_insert(place.position);
            if key == place.position {
                let letter = Letter {
                    webhook: place.key,
                    event_position: event.position,
                    since: event.since,
                    event: json(&event.event),
                };
                changes.letters.insert(key, letter);
            }
            let tail = changes.letter_tails.entry(key).or_default();
            tail.state = Some(LetterState::Open);
            (tail.attempts, tail.error) = (Some(event.attempts), Some(event.error));
            tail.died_at = Some(place.at);
        }
        WebhookEvent::LetterClosed(event) => {
            let Some(key) = state.letters.remove(&event.position) else {
                return Err(Broken(format!("there is no dead letter of position {}", event.position)));
            };
            let tail = changes.letter_tails.entry(key).or_default();
            tail.state = Some(if event.delivered { LetterState::Delivered } else { LetterState::Dropped });
            tail.closed_at = Some(place.at);
        }
        WebhookEvent::Redriven(event) => {
            let all = event.positions.is_empty();
            for (position, key) in &state.letters {
                if all || event.positions.contains(position) {
                    changes.letter_tails.entry(*key).or_default().redriven_at = Some(place.at);
                }
            }
        }
    }
    row.dead = state.letters.len() as u64;
    changes.rows.insert(place.key, row.clone());
    Ok(())
}
