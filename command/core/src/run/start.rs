//! `run.start`: accepts a run.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunEvent, RunStarted};

use super::{Rejection, State, Status};

pub(super) fn decide(state: &State, started: &RunStarted) -> Result<Vec<RunEvent>, Rejection> {
    if state.status() != Status::Unknown {
        return Err(Rejection::Exists);
    }
    Ok(vec![RunEvent::Started(started.clone())])
}
