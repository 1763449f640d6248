//! From events to rows: pure functions, one file per domain.
//!
//! A view sees one event after the other, keeps what it must remember of a stream in memory, and notes the rows
//! that change. Several changes of one row in a batch become one.
//!
//! Invariant: a view checks before it changes anything, so a refused event leaves no trace.

pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod policy;
pub(crate) mod published;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod webhook;
pub(crate) mod workflow;

use openclaw_model::{
    Event, Position, Recorded, RunId, StreamId, StreamKind, Timestamp, Version,
    event::RunEvent,
    namespace::{self, Home},
};
use serde::Serialize;

pub use approval::ApprovalState;
pub use run::{EffectState, RunStatus, TaskStatus};
pub use session::{Direction, SessionStatus};
pub use webhook::LetterState;

/// In place of the label of a namespace: it belongs to the server as a whole.
pub(crate) const NOWHERE: i64 = 0;

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
    /// Label of the namespace of its stream; [`NOWHERE`] if that belongs to none.
    pub(crate) namespace: i64,
}

/// What must be known of a stream to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Position of its first event.
    pub(crate) key: Position,
    pub(crate) version: Version,
    /// Label of its namespace; [`NOWHERE`] if it belongs to none.
    pub(crate) namespace: i64,
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
    Policy,
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
    pub(crate) policies: policy::Changes,
}

/// The label of the namespace of a stream that begins with `event`. `of` gives that of a stream that is known.
pub(crate) fn home(
    stream: &StreamId,
    event: &Event,
    labels: &mut audit::Labels,
    of: impl Fn(&StreamId) -> Option<i64>,
) -> i64 {
    let home = match stream.home() {
        Home::First => namespace::of_first(event),
        home => home,
    };
    match home {
        Home::Namespace(name) => labels.id(&name),
        Home::Run(run) => of(&StreamId::run(run)).unwrap_or(NOWHERE),
        Home::First | Home::Nowhere => NOWHERE,
    }
}

/// The run that the namespace of a stream is that of, if it is.
pub(crate) fn run_of_home(stream: &StreamId, event: &Event) -> Option<RunId> {
    match stream.home() {
        Home::Run(run) => Some(run),
        Home::First => match namespace::of_first(event) {
            Home::Run(run) => Some(run),
            _ => None,
        },
        _ => None,
    }
}

/// Applies the next event of a stream. `known` is none for the first one, and `home` the label of the namespace that
/// counts then.
///
/// # Errors
/// [`Broken`] when the event does not follow what is known of its stream; nothing has changed then.
pub(crate) fn apply(
    known: Option<&mut Known>,
    home: i64,
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
    let namespace = known.as_ref().map_or(home, |known| known.namespace);
    let (position, version, at) = (recorded.position, recorded.version, recorded.at);
    let place = Place { position, version, at, key, actor, namespace };

    let began = match known {
        Some(known) => {
            follow(&mut known.subject, &place, recorded, event, changes)?;
            known.version = recorded.version;
            None
        }
        None => {
            let subject = begin(&place, recorded, event, changes)?;
            Some(Known { key, version: recorded.version, namespace, subject })
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
        (StreamKind::Policy, Event::Policy(event)) => {
            policy::apply(place, event, &mut changes.policies);
            Subject::Policy
        }
        (StreamKind::Token, Event::Token(_))
        | (StreamKind::User, Event::User(_))
        | (StreamKind::Credential, Event::Credential(_))
        | (StreamKind::Vault, Event::Vault(_))
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
            let decision = policy::decided(state, place, &event);
            run::apply(state, place, event, &mut changes.runs)?;
            if let Some(decision) = decision {
                changes.policies.decisions.insert(place.position, decision);
            }
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
        (Subject::Policy, Event::Policy(event)) => policy::apply(place, event, &mut changes.policies),
        (Subject::Published, Event::Published(event)) => {
            published::apply(place, event, &mut changes.published);
        }
        (
            Subject::Plain,
            Event::Token(_)
            | Event::User(_)
            | Event::Credential(_)
            | Event::Vault(_)
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
