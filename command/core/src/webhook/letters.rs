//! `webhook.redrive` and `webhook.drop`: what becomes of dead letters.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Position,
    event::webhook::{WebhookEvent, WebhookLetterClosed, WebhookRedriven},
};

use super::{Rejection, State};

/// Tries letters again. Asking twice changes nothing.
pub(super) fn redrive(state: &State, positions: &[Position]) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    if state.letters.is_empty() {
        return Err(Rejection::NoLetters);
    }
    all_stand(state, positions)?;
    let asked = |position: &Position| state.redriven.contains(position);
    let done =
        if positions.is_empty() { state.letters.keys().all(asked) } else { positions.iter().all(asked) };
    if done {
        return Ok(vec![]);
    }
    Ok(vec![WebhookEvent::Redriven(WebhookRedriven { positions: positions.to_vec() })])
}

/// A letter that is off the list already was dropped meanwhile.
pub(super) fn delivered(state: &State, position: Position) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    if !state.letters.contains_key(&position) {
        return Ok(vec![]);
    }
    Ok(vec![closed(position, true)])
}

pub(super) fn drop(state: &State, positions: &[Position]) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    all_stand(state, positions)?;
    let mut positions = positions.to_vec();
    positions.sort_unstable();
    positions.dedup();
    Ok(positions.into_iter().map(|position| closed(position, false)).collect())
}

fn closed(position: Position, delivered: bool) -> WebhookEvent {
    WebhookEvent::LetterClosed(WebhookLetterClosed { position, delivered })
}

fn all_stand(state: &State, positions: &[Position]) -> Result<(), Rejection> {
    match positions.iter().find(|position| !state.letters.contains_key(position)) {
        Some(position) => Err(Rejection::NoLetter { position: *position }),
        None => Ok(()),
    }
}
