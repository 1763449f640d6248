//! `webhook.register` and `webhook.remove`.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Position,
    event::webhook::{WebhookEvent, WebhookRegistered, WebhookRemoved},
};

use super::{Rejection, State, Target};

/// Registering the same again changes nothing. A webhook that is changed goes on where it stands.
pub(super) fn register(state: &State, target: &Target, after: Position) -> Vec<WebhookEvent> {
    if state.target.as_ref() == Some(target) {
        return vec![];
    }
    let after = if state.target.is_some() { state.cursor } else { after };
    let Target { url, types, secret, headers } = target.clone();
    vec![WebhookEvent::Registered(WebhookRegistered { url, types, secret, headers, after })]
}

pub(super) fn remove(state: &State) -> Result<Vec<WebhookEvent>, Rejection> {
    state.registered()?;
    Ok(vec![WebhookEvent::Removed(WebhookRemoved {})])
}
