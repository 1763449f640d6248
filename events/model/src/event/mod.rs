//! Every event there is, by family. One file per family.

mod family;
pub mod run;
pub mod session;
pub mod workflow;

use alloc::{string::String, vec::Vec};

pub use run::RunEvent;
pub use session::SessionEvent;
pub use workflow::WorkflowEvent;

/// Why stored data could not be read as an event. Code `OC-LOG-004` in the error pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// This program knows no such type; it was probably written by a newer one.
    #[error("unknown event type {event_type:?}")]
    UnknownType {
        /// The type that was read.
        event_type: String,
    },
    /// The schema is newer than this program, or an upcaster is missing.
    #[error("event {event_type} has schema {schema}, this program reads up to {newest}")]
    UnknownSchema {
        /// The type that was read.
        event_type: String,
        /// The schema that was read.
        schema: u16,
        /// The newest schema this program knows for the type.
        newest: u16,
    },
    /// The data does not have the shape of its type.
    #[error("data of event {event_type} (schema {schema}) cannot be read: {reason}")]
    Malformed {
        /// The type that was read.
        event_type: String,
        /// The schema that was read.
        schema: u16,
        /// What is wrong, with line and column.
        reason: String,
    },
}

/// What happened, typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// To a run.
    Run(RunEvent),
    /// To a session.
    Session(SessionEvent),
    /// To a workflow's versions.
    Workflow(WorkflowEvent),
}

impl Event {
    /// Stable dotted type name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Run(event) => event.event_type(),
            Self::Session(event) => event.event_type(),
            Self::Workflow(event) => event.event_type(),
        }
    }

    /// Schema number that [`Event::encode`] writes.
    #[must_use]
    pub const fn schema(&self) -> u16 {
        match self {
            Self::Run(event) => event.schema(),
            Self::Session(event) => event.schema(),
            Self::Workflow(event) => event.schema(),
        }
    }

    /// The data as JSON text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Run(event) => event.encode(),
            Self::Session(event) => event.encode(),
            Self::Workflow(event) => event.encode(),
        }
    }

    /// Reads data of a type and schema that [`Event::event_type`] and [`Event::schema`] once gave.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(event_type: &str, schema: u16, data: &[u8]) -> Result<Self, DecodeError> {
        let family = event_type.split('.').next().unwrap_or_default();
        match family {
            "run" => RunEvent::decode(event_type, schema, data).map(Self::Run),
            "session" => SessionEvent::decode(event_type, schema, data).map(Self::Session),
            "workflow" => WorkflowEvent::decode(event_type, schema, data).map(Self::Workflow),
            _ => Err(DecodeError::UnknownType { event_type: event_type.into() }),
        }
    }
}

impl From<RunEvent> for Event {
    fn from(event: RunEvent) -> Self {
        Self::Run(event)
    }
}

impl From<SessionEvent> for Event {
    fn from(event: SessionEvent) -> Self {
        Self::Session(event)
    }
}

impl From<WorkflowEvent> for Event {
    fn from(event: WorkflowEvent) -> Self {
        Self::Workflow(event)
    }
}
