//! The index of the log: every event's place, type and actor.

use std::collections::{BTreeMap, HashMap};

use openclaw_model::{CommandId, EventId, Position, Recorded, Timestamp, Version};
use uuid::Uuid;

use super::Place;

/// The short numbers of event types, actors and namespaces. There are few, so all are kept in memory.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    ids: HashMap<Box<str>, i64>,
    fresh: Vec<(i64, Box<str>)>,
}

impl Labels {
    /// From the rows of the table.
    pub(crate) fn new(rows: impl IntoIterator<Item = (i64, String)>) -> Self {
        Self { ids: rows.into_iter().map(|(id, text)| (text.into(), id)).collect(), fresh: Vec::new() }
    }

    /// The number of a label; a new label gets the next one.
    pub(crate) fn id(&mut self, text: &str) -> i64 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.ids.len() as i64 + 1;
        self.ids.insert(text.into(), id);
        self.fresh.push((id, text.into()));
        id
    }

    /// The labels that are new since the last call, to be written.
    pub(crate) fn take_fresh(&mut self) -> Vec<(i64, Box<str>)> {
        std::mem::take(&mut self.fresh)
    }
}

/// Row of `events`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) position: Position,
    pub(crate) stream: Position,
    pub(crate) version: Version,
    pub(crate) event_type: i64,
    pub(crate) schema: u16,
    pub(crate) at: Timestamp,
    pub(crate) actor: i64,
    pub(crate) id: EventId,
    pub(crate) command: CommandId,
    pub(crate) causation: Option<EventId>,
    pub(crate) correlation: Option<Uuid>,
}

/// Row of `streams`. Name and namespace are only written with the stream's first event.
#[derive(Clone, Debug)]
pub(crate) struct StreamRow {
    pub(crate) name: Box<str>,
    pub(crate) version: Version,
    pub(crate) last: Position,
    pub(crate) namespace: i64,
}

/// Changed rows of the audit tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) events: Vec<Row>,
    pub(crate) streams: BTreeMap<Position, StreamRow>,
    /// Events by minute and namespace.
    pub(crate) minutes: BTreeMap<(i64, i64), i64>,
}

pub(super) fn apply(place: &Place, recorded: &Recorded, labels: &mut Labels, changes: &mut Changes) {
    changes.events.push(Row {
        position: recorded.position,
        stream: place.key,
        version: recorded.version,
        event_type: labels.id(&recorded.event_type),
        schema: recorded.schema,
        at: recorded.at,
        actor: place.actor,
        id: recorded.id,
        command: recorded.command,
        causation: recorded.causality.causation,
        correlation: recorded.causality.correlation,
    });
    changes
        .streams
        .entry(place.key)
        .and_modify(|row| (row.version, row.last) = (recorded.version, recorded.position))
        .or_insert_with(|| StreamRow {
            name: recorded.stream.as_str().into(),
            version: recorded.version,
            last: recorded.position,
            namespace: place.namespace,
        });
    let minute = recorded.at.as_micros().div_euclid(60_000_000);
    *changes.minutes.entry((minute, place.namespace)).or_default() += 1;
}
