//! Reading the state of an approval from the log.

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    approval::{Approval, State},
};
use openclaw_log::EventLog;
use openclaw_model::{ApprovalId, Event, StreamId, Version};

use crate::sequencer::Refused;

/// Folds the events of an approval that are durable now; the default if there is no such approval.
///
/// # Errors
/// [`Refused::Unreadable`] when the log or an event cannot be read.
pub async fn fold<L: EventLog>(log: &L, approval: ApprovalId) -> Result<State, Refused> {
    let mut state = State::default();
    let mut history = log.read_stream(&StreamId::approval(approval), Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            if let Event::Approval(event) = &event {
                Approval::evolve(&mut state, event, recorded.version, recorded.at);
            }
        }
    }
    Ok(state)
}
