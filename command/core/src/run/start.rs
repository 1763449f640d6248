//! `run.start`: accepts a run.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Timestamp,
    event::run::{RunEvent, RunStarted},
};

use super::{Rejection, State, Status};

pub(super) fn decide(state: &State, started: &RunStarted) -> Result<Vec<RunEvent>, Rejection> {
    if state.status() != Status::Unknown {
        return Err(Rejection::Exists);
    }
    Ok(vec![RunEvent::Started(started.clone())])
}

/// Accepts a run whose first task starts when this much time has passed.
pub(super) fn delayed(
    state: &State,
    started: &RunStarted,
    delay_ms: u64,
    now: Timestamp,
) -> Result<Vec<RunEvent>, Rejection> {
    decide(state, &RunStarted { not_before: Some(now.plus_millis(delay_ms)), ..started.clone() })
}
