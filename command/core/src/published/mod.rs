//! Events that somebody outside publishes. The stream of an event is named after its source and id, so the first one
//! counts and a repetition changes nothing.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Timestamp, Version,
    event::published::{EventPublished, PublishedEvent},
};
use serde_json::Value;

use crate::{Decider, Facts};

/// The decider of published events.
#[derive(Debug)]
pub struct Published;

/// What is known of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The event, once it is published.
    pub event: Option<Value>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Publish it.
    Publish {
        /// The CloudEvent, in its JSON form.
        event: Value,
    },
}

/// Why an event is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Another event has this source and id. `OC-EVT-001`.
    #[error("another event was published with this source and id")]
    Other,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Other => "OC-EVT-001",
        }
    }
}

impl Decider for Published {
    type State = State;
    type Command = Command;
    type Event = PublishedEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<PublishedEvent>, Rejection> {
        let Command::Publish { event } = command;
        match &state.event {
            None => Ok(vec![PublishedEvent::Published(EventPublished { event: event.clone() })]),
            Some(known) if known == event => Ok(vec![]),
            Some(_) => Err(Rejection::Other),
        }
    }

    fn evolve(state: &mut State, event: &PublishedEvent, _: Version, _: Timestamp) {
        let PublishedEvent::Published(published) = event;
        state.event = Some(published.event.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_published_once_and_another_under_its_name_is_refused() {
        let publish =
            |data: u32| Command::Publish { event: json!({ "id": "1", "source": "s", "data": data }) };
        let facts = Facts { now: Timestamp::default() };
        let mut state = State::default();
        let first = Published::decide(&state, &publish(1), &facts).unwrap();
        Published::evolve(&mut state, &first[0], Version(1), Timestamp::default());
        assert_eq!(Published::decide(&state, &publish(1), &facts), Ok(vec![]));
        assert_eq!(Published::decide(&state, &publish(2), &facts), Err(Rejection::Other));
    }
}
