//! From events to rows: pure functions, one file per domain.
//!
//! A view sees one event after the other, keeps what it must remember of a stream in memory, and notes the rows
//! that change. Several changes of one row in a batch become one.
//!
//! Invariant: a view checks before it changes anything, so a refused event leaves no trace.

pub(crate) mod audit;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod workflow;

use openclaw_model::{Event, Position, Recorded, Timestamp, Version};
use serde::Serialize;

pub use run::{RunStatus, TaskStatus};
pub use session::{Direction, SessionStatus};

/// An event that contradicts the history of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// Where and when an event stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
    /// Key of its stream.
    pub(crate) key: Position,
    /// Label of its actor.
    pub(crate) actor: i64,
}

/// What must be known of a stream to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Position of its first event.
    pub(crate) key: Position,
    pub(crate) version: Version,
    pub(crate) subject: Subject,
}

/// What a stream is about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Run(run::State),
    Session(session::State),
    Workflow,
}

/// The rows that a batch changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) audit: audit::Changes,
    pub(crate) runs: run::Changes,
    pub(crate) sessions: session::Changes,
    pub(crate) workflows: workflow::Changes,
}

/// Applies the next event of a stream. `known` is none for the first one.
///
/// # Errors
/// [`Broken`] when the event does not follow what is known of its stream; nothing has changed then.
pub(crate) fn apply(
    known: Option<&mut Known>,
    recorded: &Recorded,
    event: Event,
    labels: &mut audit::Labels,
    changes: &mut Changes,
) -> Result<Option<Known>, Broken> {
    let version = known.as_ref().map_or(Version::NONE, |known| known.version);
    if recorded.version != version.next() {
        return Err(Broken(format!(
            "stream {} stands at version {version}, the event has version {}",
            recorded.stream, recorded.version
        )));
    }
    let key = known.as_ref().map_or(recorded.position, |known| known.key);
    let actor = labels.id(&recorded.actor.0);
    let place = Place { position: recorded.position, at: recorded.at, key, actor };

    let began = match known {
        Some(known) => {
            match (&mut known.subject, event) {
                (Subject::Run(state), Event::Run(event)) => {
                    run::apply(state, &place, event, &mut changes.runs)?;
                }
                (Subject::Session(state), Event::Session(event)) => {
                    session::apply(state, &place, event, &mut changes.sessions);
                }
                (Subject::Workflow, Event::Workflow(event)) => {
                    workflow::apply(&place, event, &mut changes.workflows);
                }
                (_, event) => return Err(misplaced(recorded, &event)),
            }
            known.version = recorded.version;
            None
        }
        None => {
            use openclaw_model::StreamKind;
            let subject = match (recorded.stream.kind(), event) {
                (StreamKind::Run, Event::Run(event)) => {
                    let id = recorded
                        .stream
                        .as_run()
                        .ok_or_else(|| Broken(format!("stream {} names no run", recorded.stream)))?;
                    Subject::Run(run::begin(id, &place, event, &mut changes.runs)?)
                }
                (StreamKind::Session, Event::Session(event)) => {
                    Subject::Session(session::begin(&place, event, &mut changes.sessions)?)
                }
                (StreamKind::Workflow, Event::Workflow(event)) => {
                    workflow::apply(&place, event, &mut changes.workflows);
                    Subject::Workflow
                }
                (_, event) => return Err(misplaced(recorded, &event)),
            };
            Some(Known { key, version: recorded.version, subject })
        }
    };
    audit::apply(&place, recorded, labels, &mut changes.audit);
    Ok(began)
}

fn misplaced(recorded: &Recorded, event: &Event) -> Broken {
    Broken(format!("event {} cannot stand in stream {}", event.event_type(), recorded.stream))
}

/// The JSON text of a column.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("event data has string keys only and always serialises")
}
