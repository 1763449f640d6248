//! `run.pause` and `run.resume`. What is under way when a run is paused ends and is recorded; nothing new is begun.

use alloc::{vec, vec::Vec};

use openclaw_model::event::run::{RunEvent, RunPaused, RunResumed, TaskFaulted};

use super::{Phase, Rejection, State};

/// Pausing twice changes nothing.
pub(super) fn pause(state: &State, reason: Option<&str>) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    if state.paused.is_some() {
        return Ok(vec![]);
    }
    Ok(vec![RunEvent::Paused(RunPaused { reason: reason.map(Into::into) })])
}

/// The errors of tasks that are held go on up.
pub(super) fn resume(state: &State) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    let mut events = vec![RunEvent::Resumed(RunResumed {})];
    for (task, open) in &state.tasks {
        if let Phase::Held { error, before } = &open.phase {
            let raw_output = match &**before {
                Phase::Answered { outcome: Ok(output) } => Some((**output).clone()),
                _ => None,
            };
            events.push(RunEvent::TaskFaulted(TaskFaulted {
                task: *task,
                error: (**error).clone(),
                raw_output,
            }));
        }
    }
    // The first of them is what wakes the run, whatever it was suspended for.
    if events.len() > 1 || state.paused.is_some() { Ok(events) } else { Err(Rejection::NotPaused) }
}
