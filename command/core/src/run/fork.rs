//! A fork: the history of another run is copied, event by event, and then the run goes on as itself. What the other
//! run has done is in the copy, so it is never done again.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Timestamp, Version,
    event::run::{RunEvent, RunForked},
};

use super::{Rejection, State};

/// Takes over the next events of the other run, which had version `from + 1` and on there as they will have here.
pub(super) fn copy(state: &State, from: Version, events: &[RunEvent]) -> Result<Vec<RunEvent>, Rejection> {
    state.open_or_copied()?;
    let Some(fork) = &state.fork else { return Err(Rejection::NotCopying) };
    if from != state.version {
        return Err(Rejection::Stale { from, actual: state.version });
    }
    if state.version.0 + events.len() as u64 > fork.at.0 {
        return Err(Rejection::NotCopying);
    }
    Ok(events.to_vec())
}

/// Ends the copy. `then` is when the other run was where the copy ends.
pub(super) fn complete(state: &State, then: Timestamp, now: Timestamp) -> Result<Vec<RunEvent>, Rejection> {
    state.open_or_copied()?;
    match &state.fork {
        Some(fork) if fork.at <= state.version => Ok(vec![RunEvent::Forked(RunForked {
            shift_ms: now.millis_since(then),
            context: fork.context.clone(),
        })]),
        _ => Err(Rejection::NotCopying),
    }
}
