//! CloudEvents that somebody outside published or that runs emitted.

use std::collections::BTreeMap;

use openclaw_model::{
    Position, TaskId, Timestamp,
    event::{PublishedEvent, run::EventEmitted},
};
use serde_json::Value;

use super::{Place, json};

/// Row of `published_events`; its key is the position of the event that tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) event_type: String,
    pub(crate) at: Timestamp,
    pub(crate) actor: i64,
    /// The run that emitted it.
    pub(crate) run: Option<Position>,
    pub(crate) task: Option<TaskId>,
    pub(crate) event: String,
}

/// Changed rows of the table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Position, Row>,
}

pub(super) fn apply(place: &Place, event: PublishedEvent, changes: &mut Changes) {
    let PublishedEvent::Published(event) = event;
    changes.rows.insert(place.position, row(place, &event.event, None));
}

pub(super) fn emitted(place: &Place, event: EventEmitted, changes: &mut Changes) {
    changes.rows.insert(place.position, row(place, &event.event, Some(event.task)));
}

fn row(place: &Place, event: &Value, task: Option<TaskId>) -> Row {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    Row {
        id: text("id"),
        source: text("source"),
        event_type: text("type"),
        at: place.at,
        actor: place.actor,
        run: task.map(|_| place.key),
        task,
        event: json(event),
    }
}
