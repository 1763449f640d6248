//! `run.signal`: records a signal for a run that has not ended.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunEvent, RunSignalled};
use serde_json::Value;

use super::{Rejection, State};

pub(super) fn decide(state: &State, name: &str, data: &Value) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    Ok(vec![RunEvent::Signalled(RunSignalled { name: name.into(), data: data.clone() })])
}
