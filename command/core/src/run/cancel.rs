//! `run.cancel` and `run.kill`: ask a run to stop, with or without compensation. Asking twice changes nothing, but a run
//! that is being cancelled may still be killed.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunCancelRequested, RunEvent};

use super::{Rejection, State};

pub(super) fn decide(state: &State, reason: Option<&str>, kill: bool) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    if state.cancel.as_ref().is_some_and(|asked| asked.kill || !kill) {
        return Ok(vec![]);
    }
    Ok(vec![RunEvent::CancelRequested(RunCancelRequested { reason: reason.map(Into::into), kill })])
}
