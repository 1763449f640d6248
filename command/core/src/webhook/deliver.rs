//! How far the deliveries have come.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Position,
    event::webhook::{WebhookAdvanced, WebhookDeadLettered, WebhookEvent},
};

use super::{Letter, MOST_LETTERS, Rejection, State};

/// Coming to where it stands already changes nothing.
pub(super) fn advance(
    state: &State,
    through: Position,
    delivered: u64,
) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    if through <= state.cursor {
        return Ok(vec![]);
    }
    Ok(vec![WebhookEvent::Advanced(WebhookAdvanced { through, delivered })])
}

/// A new letter, or one that was tried again in vain.
pub(super) fn give_up(
    state: &State,
    position: Position,
    letter: Letter,
    error: &str,
) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    let known = state.letters.contains_key(&position);
    if !known && position <= state.cursor {
        // It was dropped, or delivered, meanwhile.
        return Ok(vec![]);
    }
    if !known && state.letters.len() >= MOST_LETTERS {
        return Err(Rejection::Full);
    }
    Ok(vec![WebhookEvent::DeadLettered(WebhookDeadLettered {
        position,
        event: (*letter.event).clone(),
        attempts: letter.attempts,
        error: error.into(),
        since: letter.since,
    })])
}
