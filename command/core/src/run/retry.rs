//! `run.retry`: failed tasks run again, with what ran before them left as it is.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    TaskId,
    event::run::{RunEvent, RunRetried},
};

use super::{End, Phase, Rejection, State, Status};

/// Starts `task`, or every failed task if none is named, again: those that are held, or that which faulted the run.
pub(super) fn decide(state: &State, task: Option<TaskId>) -> Result<Vec<RunEvent>, Rejection> {
    let failed: Vec<TaskId> = match (&state.end, &state.before_fault) {
        (Some(End::Faulted(_)), Some(before)) => vec![before.task],
        (Some(_), _) => return Err(Rejection::NothingToRetry),
        (None, _) if state.status() == Status::Unknown => return Err(Rejection::NotFound),
        (None, _) => state
            .tasks
            .iter()
            .filter(|(_, open)| matches!(open.phase, Phase::Held { .. }))
            .map(|(id, _)| *id)
            .collect(),
    };
    let tasks: Vec<TaskId> =
        failed.into_iter().filter(|failed| task.is_none_or(|task| task == *failed)).collect();
    if tasks.is_empty() {
        return Err(Rejection::NothingToRetry);
    }
    Ok(vec![RunEvent::Retried(RunRetried { tasks })])
}
