//! What happens to a webhook: somebody outside who is told of events.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;
use crate::{Position, Timestamp};

event_family! {
    /// What happened to a webhook.
    WebhookEvent {
        /// Events from here on are delivered.
        "webhook.registered" @ 1 => Registered(WebhookRegistered),
        /// No more events are delivered.
        "webhook.removed" @ 1 => Removed(WebhookRemoved),
        /// Every event up to a position was delivered, was of no interest, or stands in the dead-letter list.
        "webhook.advanced" @ 1 => Advanced(WebhookAdvanced),
        /// An event could not be delivered and stands in the dead-letter list.
        "webhook.dead_lettered" @ 1 => DeadLettered(WebhookDeadLettered),
        /// A dead letter was delivered after all, or dropped.
        "webhook.letter_closed" @ 1 => LetterClosed(WebhookLetterClosed),
        /// Somebody asked for dead letters to be tried again.
        "webhook.redriven" @ 1 => Redriven(WebhookRedriven),
    }
}

/// Events from here on are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookRegistered {
    /// Where they are sent.
    pub url: String,
    /// Types of CloudEvents that are sent, `*` at the end stands for any rest; never empty.
    pub types: Vec<String>,
    /// Handle of the secret that signs them.
    pub secret: String,
    /// Headers that go along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The newest event that is not sent.
    pub after: Position,
}

/// No more events are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookRemoved {}

/// It has come this far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookAdvanced {
    /// The newest event that is done with.
    pub through: Position,
    /// How many were delivered since the last time.
    pub delivered: u64,
}

/// An event could not be delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookDeadLettered {
    /// The log event that it was made of.
    pub position: Position,
    /// The CloudEvent.
    pub event: Value,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time.
    pub error: String,
    /// When it was tried first.
    pub since: Timestamp,
}

/// A dead letter is off the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookLetterClosed {
    /// Which.
    pub position: Position,
    /// Whether it was delivered.
    pub delivered: bool,
}

/// Dead letters are tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookRedriven {
    /// Which; empty for all.
    pub positions: Vec<Position>,
}
