//! Reading the state of a run from the log.

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    run::{Run, State},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, RunId, StreamId, Version,
    event::run::{ForkOrigin, RunEvent},
};
use uuid::Uuid;

use crate::sequencer::Refused;

/// A run as the log has it.
#[derive(Clone, Debug)]
pub struct Folded {
    /// Its state; that of [`State::default`] if there is no such run.
    pub state: State,
    /// Position of its newest event.
    pub position: Position,
    /// The thread of cause it belongs to.
    pub correlation: Option<Uuid>,
    /// Where it was forked from.
    pub origin: Option<ForkOrigin>,
    /// The namespace it belongs to; empty if there is no such run.
    pub namespace: String,
}

/// Folds the events of `run` that are durable now. Cost: reads them all.
///
/// # Errors
/// [`Refused::Unreadable`] when the log or an event cannot be read.
pub async fn fold<L: EventLog>(log: &L, run: RunId) -> Result<Folded, Refused> {
    let mut folded = Folded {
        state: State::default(),
        position: Position::START,
        correlation: None,
        origin: None,
        namespace: String::new(),
    };
    let mut history = log.read_stream(&StreamId::run(run), Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            if let Event::Run(event) = &event {
                // Only the first start is its own; those after it are copied.
                if let (RunEvent::Started(started), Version(1)) = (event, recorded.version) {
                    folded.origin = started.fork.clone();
                    folded.namespace.clone_from(&started.workflow.namespace);
                }
                Run::evolve(&mut folded.state, event, recorded.version, recorded.at);
            }
            folded.position = recorded.position;
            folded.correlation = folded.correlation.or(recorded.causality.correlation);
        }
    }
    Ok(folded)
}
