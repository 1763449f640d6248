//! `run.signal`: records a signal for a run that has not ended.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunEvent, RunSignalled};
use serde_json::Value;

use super::{Rejection, State};

/// The most signals that may wait to be taken in, so that they cannot fill the memory of every fold of the run.
const MOST: usize = 1_000;

pub(super) fn decide(state: &State, name: &str, data: &Value) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    if state.signals.len() >= MOST {
        return Err(Rejection::TooManySignals);
    }
    Ok(vec![RunEvent::Signalled(RunSignalled { name: name.into(), data: data.clone() })])
}
