//! What surrounds an event's data: where it stands in the log, when, by whom and why.

use alloc::{borrow::Cow, string::String, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{CommandDigest, CommandId, DecodeError, Event, EventId, Position, StreamId, Timestamp, Version};

/// Who caused an event: `token:<name>` for a caller, `runtime` for the runtime itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub Cow<'static, str>);

impl Actor {
    /// The runtime itself: timers, effect outcomes, workflow steps.
    pub const RUNTIME: Self = Self(Cow::Borrowed("runtime"));
}

/// The thread of cause that an event belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causality {
    /// The event that led to this one.
    pub causation: Option<EventId>,
    /// Common to everything that one outer request set off.
    pub correlation: Option<Uuid>,
}

/// An event that a decider wants to append. Position, version, id and time are given by the sequencer.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Where it belongs.
    pub stream: StreamId,
    /// What happened.
    pub event: Event,
}

/// An event as the log holds it.
///
/// `data` is the JSON text exactly as it was stored; [`Recorded::decode`] reads it through the upcasters.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Global position, contiguous from 1.
    pub position: Position,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Position within the stream, contiguous from 1.
    pub version: Version,
    /// Unique id, a UUIDv7.
    pub id: EventId,
    /// Stable dotted type name, for example `run.started`.
    pub event_type: Cow<'static, str>,
    /// Schema number of `data`.
    pub schema: u16,
    /// When, by the injected clock. Never goes backwards within a log.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The command that led to it; all events of one command share it.
    pub command: CommandId,
    /// Fingerprint of that command's content.
    pub digest: CommandDigest,
    /// Why.
    pub causality: Causality,
    /// The JSON text of the event's data.
    pub data: Arc<[u8]>,
}

impl Recorded {
    /// Reads the data, through the upcasters where it has an old schema.
    ///
    /// # Errors
    /// [`DecodeError`] names the type, the schema and what could not be read. Nothing is ever skipped silently.
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::decode(&self.event_type, self.schema, &self.data)
    }

    /// The line that `openclaw log export` prints: one JSON object with `position`, `stream`, `version`, `type`,
    /// `schema`, `id`, `at`, `actor`, `command`, `causation`, `correlation` and `data`.
    ///
    /// # Errors
    /// When the stored data is not JSON.
    pub fn to_export(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            position: Position,
            stream: &'a str,
            version: Version,
            r#type: &'a str,
            schema: u16,
            id: EventId,
            at: Timestamp,
            actor: &'a Actor,
            command: CommandId,
            causation: Option<EventId>,
            correlation: Option<Uuid>,
            data: &'a serde_json::value::RawValue,
        }
        serde_json::to_string(&Line {
            position: self.position,
            stream: self.stream.as_str(),
            version: self.version,
            r#type: &self.event_type,
            schema: self.schema,
            id: self.id,
            at: self.at,
            actor: &self.actor,
            command: self.command,
            causation: self.causality.causation,
            correlation: self.causality.correlation,
            data: serde_json::from_slice(&self.data)?,
        })
    }
}
