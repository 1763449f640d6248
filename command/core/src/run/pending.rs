//! Outstanding work, derived from the state and kept nowhere else: recovery is "fold, then do what is pending".

use alloc::{sync::Arc, vec::Vec};

use openclaw_model::{TaskId, Timestamp, event::run::Intent};

use super::{Phase, State};

/// Something that the shell still owes a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    /// The run can take a step at once.
    Step,
    /// An effect has been intended and its outcome is not recorded.
    Effect {
        /// For which task.
        task: TaskId,
        /// What.
        intent: Arc<Intent>,
        /// How often it was dispatched.
        dispatch: u32,
    },
    /// The run wants to be stepped again at that time.
    Timer {
        /// When.
        due: Timestamp,
    },
}

/// Everything the shell owes the run in `state`: all effects whose outcome is missing, the earliest time at which
/// something is due, and a step if the run can take one now. Nothing for a run that has ended.
#[must_use]
pub fn pending(state: &State) -> Vec<Pending> {
    let mut work = Vec::new();
    if state.workflow.is_none() || state.end.is_some() {
        return work;
    }
    let mut due = state.deadline;
    let mut earlier = |at: Timestamp| due = Some(due.map_or(at, |known| known.min(at)));
    let mut step = state.cancel.is_some() || state.input.is_none() || state.root.open == 0;
    for (id, task) in &state.tasks {
        if let Some(deadline) = task.deadline {
            earlier(deadline);
        }
        match &task.phase {
            Phase::Effect { intent, dispatch, unknown: false } => {
                work.push(Pending::Effect { task: *id, intent: intent.clone(), dispatch: *dispatch })
            }
            Phase::Effect { unknown: true, .. } => {}
            Phase::Timer { due } | Phase::BackingOff { due, .. } => earlier(*due),
            Phase::Branches { compete, outputs, started } => {
                step |= task.scope.open == 0
                    || (*started as usize) < outputs.len()
                    || task.scope.fault.is_some()
                    || (*compete && task.scope.last.is_some());
            }
            Phase::Steps | Phase::Loop { .. } | Phase::Trying { .. } | Phase::Catching { .. } => {
                step |= task.scope.open == 0;
            }
        }
    }
    if step {
        work.push(Pending::Step);
    }
    if let Some(due) = due {
        work.push(Pending::Timer { due });
    }
    work
}
