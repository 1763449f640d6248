//! Events that somebody outside published. Each has a stream of its own, named after its source and id, so that
//! publishing it twice publishes it once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;

event_family! {
    /// What happened to a published event.
    PublishedEvent {
        /// It was published.
        "event.published" @ 1 => Published(EventPublished),
    }
}

/// It was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPublished {
    /// The CloudEvent, in its JSON form.
    pub event: Value,
}
