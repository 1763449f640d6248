//! `run.cancel`: asks a run to stop. Asking twice changes nothing.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunCancelRequested, RunEvent};

use super::{Rejection, State};

pub(super) fn decide(state: &State, reason: Option<&str>) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    if state.cancel.is_some() {
        return Ok(vec![]);
    }
    Ok(vec![RunEvent::CancelRequested(RunCancelRequested { reason: reason.map(Into::into) })])
}
