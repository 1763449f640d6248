//! From events to rows: pure functions, one file per domain.
//!
//! A view sees one event after the other, keeps what it must remember of a stream in memory, and notes the rows
//! that change. Several changes of one row in a batch become one.
//!
//! Invariant: a view checks before it changes anything, so a refused event leaves no trace.

pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod published;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod webhook;
pub(crate) mod workflow;

use openclaw_model::{Event, Position, Recorded, StreamKind, Timestamp, Version, event::RunEvent};
use serde::Serialize;

pub use approval::ApprovalState;
pub use run::{EffectState, RunStatus, TaskStatus};
pub use session::{Direction, SessionStatus};
pub use webhook::LetterState;

/// An event that contradicts the history of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// Where and when an event stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) version: Version,
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
    Approval(approval::State),
    Schedule(Box<schedule::Row>),
    Webhook(Box<webhook::State>),
    Published,
    /// It has no rows of its own, only those of the audit log.
    Plain,
}

/// The rows that a batch changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) audit: audit::Changes,
    pub(crate) runs: run::Changes,
    pub(crate) sessions: session::Changes,
    pub(crate) workflows: workflow::Changes,
    pub(crate) approvals: approval::Changes,
    pub(crate) schedules: schedule::Changes,
    pub(crate) webhooks: webhook::Changes,
    pub(crate) published: published::Changes,
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
    let place = Place { position: recorded.position, version: recorded.version, at: recorded.at, key, actor };

    let began = match known {
        Some(known) => {
            follow(&mut known.subject, &place, recorded, event, changes)?;
            known.version = recorded.version;
            None
        }
        None => {
            let subject = begin(&place, recorded, event, changes)?;
            Some(Known { key, version: recorded.version, subject })
        }
    };
    audit::apply(&place, recorded, labels, &mut changes.audit);
    Ok(began)
}

/// Applies the first event of a stream.
fn begin(place: &Place, recorded: &Recorded, event: Event, changes: &mut Changes) -> Result<Subject, Broken> {
    Ok(match (recorded.stream.kind(), event) {
        (StreamKind::Run, Event::Run(event)) => {
            let id = recorded
                .stream
                .as_run()
                .ok_or_else(|| Broken(format!("stream {} names no run", recorded.stream)))?;
            Subject::Run(run::begin(id, place, event, &mut changes.runs)?)
        }
        (StreamKind::Session, Event::Session(event)) => {
            Subject::Session(session::begin(place, event, &mut changes.sessions)?)
        }
        (StreamKind::Workflow, Event::Workflow(event)) => {
            workflow::apply(place, event, &mut changes.workflows);
            Subject::Workflow
        }
        (StreamKind::Approval, Event::Approval(event)) => {
            Subject::Approval(approval::begin(place, event, &mut changes.approvals)?)
        }
        (StreamKind::Schedule, Event::Schedule(event)) => Subject::Schedule(Box::new(schedule::begin(
            place,
            recorded.stream.name(),
            event,
            &mut changes.schedules,
        )?)),
        (StreamKind::Webhook, Event::Webhook(event)) => {
            Subject::Webhook(Box::new(webhook::begin(place, event, &mut changes.webhooks)?))
        }
        (StreamKind::Event, Event::Published(event)) => {
            published::apply(place, event, &mut changes.published);
            Subject::Published
        }
        (StreamKind::Token, Event::Token(_))
        | (StreamKind::User, Event::User(_))
        | (StreamKind::Credential, Event::Credential(_))
        | (StreamKind::Vault, Event::Vault(_))
        | (StreamKind::Policy, Event::Policy(_))
        | (StreamKind::Egress, Event::Egress(_))
        | (StreamKind::Audit, Event::Audit(_)) => Subject::Plain,
        (_, event) => return Err(misplaced(recorded, &event)),
    })
}

/// Applies an event after the first.
fn follow(
    subject: &mut Subject,
    place: &Place,
    recorded: &Recorded,
    event: Event,
    changes: &mut Changes,
) -> Result<(), Broken> {
    match (subject, event) {
        (Subject::Run(state), Event::Run(event)) => {
            let emitted = match &event {
                // What a fork has copied was published by the run it was forked from.
                RunEvent::EventEmitted(event) if !state.copies(place.version) => Some(event.clone()),
                _ => None,
            };
            run::apply(state, place, event, &mut changes.runs)?;
            if let Some(event) = emitted {
                published::emitted(place, event, &mut changes.published);
            }
        }
        (Subject::Session(state), Event::Session(event)) => {
            session::apply(state, place, event, &mut changes.sessions);
        }
        (Subject::Workflow, Event::Workflow(event)) => {
            workflow::apply(place, event, &mut changes.workflows);
        }
        (Subject::Approval(state), Event::Approval(event)) => {
            approval::apply(state, place, event, &mut changes.approvals);
        }
        (Subject::Schedule(row), Event::Schedule(event)) => {
            schedule::apply(row, place, event, &mut changes.schedules);
        }
        (Subject::Webhook(state), Event::Webhook(event)) => {
            webhook::apply(state, place, event, &mut changes.webhooks)?;
        }
        (Subject::Published, Event::Published(event)) => {
            published::apply(place, event, &mut changes.published);
        }
        (
            Subject::Plain,
            Event::Token(_)
            | Event::User(_)
            | Event::Credential(_)
            | Event::Vault(_)
            | Event::Policy(_)
            | Event::Egress(_)
            | Event::Audit(_),
        ) => {}
        (_, event) => return Err(misplaced(recorded, &event)),
    }
    Ok(())
}

fn misplaced(recorded: &Recorded, event: &Event) -> Broken {
    Broken(format!("event {} cannot stand in stream {}", event.event_type(), recorded.stream))
}

/// The JSON text of a column.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("event data has string keys only and always serialises")
}
