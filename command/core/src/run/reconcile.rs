//! `effect.reconcile`: somebody found out what became of an effect whose outcome was unknown.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    TaskId,
    event::run::{EffectReconciled, Resolution, RunEvent},
};

use super::{Phase, Rejection, State};

pub(super) fn decide(
    state: &State,
    task: TaskId,
    resolution: &Resolution,
    note: Option<&str>,
) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    match state.tasks.get(&task).map(|open| &open.phase) {
        Some(Phase::Effect { unknown: true, .. }) => {}
        _ => return Err(Rejection::NotUnknown { task }),
    }
    let resolution = resolution.clone();
    Ok(vec![RunEvent::EffectReconciled(EffectReconciled { task, resolution, note: note.map(Into::into) })])
}
