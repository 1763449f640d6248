//! Reading the state of a webhook from the log.

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    webhook::{State, Webhook},
};
use openclaw_log::EventLog;
use openclaw_model::{Event, StreamId, StreamKind, Version, id::InvalidId};

use crate::sequencer::Refused;

/// The stream of a webhook.
///
/// # Errors
/// When the name makes no stream id.
pub fn stream(name: &str) -> Result<StreamId, InvalidId> {
    StreamId::new(StreamKind::Webhook, name)
}

/// Folds the events of a webhook that are durable now; the default if there is no such webhook. Also says at which
/// version of its stream that is. Cost: reads all of its events.
///
/// # Errors
/// [`Refused::Unreadable`] when the log or an event cannot be read.
pub async fn fold<L: EventLog>(log: &L, stream: &StreamId) -> Result<(State, Version), Refused> {
    let (mut state, mut version) = (State::default(), Version::NONE);
    follow(log, stream, &mut state, &mut version).await?;
    Ok((state, version))
}

/// Folds in what came after `version`.
///
/// # Errors
/// As [`fold`].
pub async fn follow<L: EventLog>(
    log: &L,
    stream: &StreamId,
    state: &mut State,
    version: &mut Version,
) -> Result<(), Refused> {
    let mut history = log.read_stream(stream, version.next());
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            if let Event::Webhook(event) = &event {
                Webhook::evolve(state, event, recorded.version, recorded.at);
            }
            *version = recorded.version;
        }
    }
    Ok(())
}
