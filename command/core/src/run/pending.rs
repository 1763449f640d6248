//! Outstanding work, derived from the state and kept nowhere else: recovery is "fold, then do what is pending".

use alloc::{sync::Arc, vec, vec::Vec};

use openclaw_model::{TaskId, Timestamp, event::run::Intent};

use super::{Phase, Scope, State};

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
        /// How often it was dispatched; not yet if people are to be asked first whether it may be.
        dispatch: u32,
    },
    /// The run wants to be stepped again at that time.
    Timer {
        /// When.
        due: Timestamp,
    },
}

/// Everything the shell owes the run in `state`: all effects whose outcome is missing, the earliest time at which
/// something is due, and a step if the run can take one now. Nothing for a run that has ended or is paused; of one that
/// was asked to stop only what compensates, for the rest is stopped with the next step.
#[must_use]
pub fn pending(state: &State) -> Vec<Pending> {
    let mut work = Vec::new();
    if state.fork.is_some() {
        // The copy of its history is to go on.
        return vec![Pending::Step];
    }
    if state.workflow.is_none() || state.end.is_some() {
        return work;
    }
    if state.paused.is_some() && state.cancel.is_none() {
        return work;
    }
    let mut due = None;
    let mut earlier = |at: Timestamp| due = Some(due.map_or(at, |known: Timestamp| known.min(at)));
    let mut step = false;
    match (&state.cancel, &state.input, state.not_before) {
        (Some(cancel), ..) => step = cancel.kill || state.tasks.is_empty(),
        (None, None, Some(at)) => earlier(at),
        (None, None, None) => step = true,
        (None, Some(_), _) => step = can_move(&state.root),
    }
    if state.cancel.is_none()
        && let Some(deadline) = state.deadline
    {
        earlier(deadline);
    }
    for (id, task) in &state.tasks {
        if state.cancel.is_some() && !state.compensates(*id) {
            step |= task.scope.open == 0;
            continue;
        }
        if let Some(limit) = task.limit()
            && !task.is_compensation()
        {
            earlier(limit);
        }
        match &task.phase {
            Phase::Effect { intent, dispatch, unknown: false } => {
                work.push(Pending::Effect { task: *id, intent: intent.clone(), dispatch: *dispatch })
            }
            Phase::Effect { unknown: true, .. } | Phase::Held { .. } => {}
            Phase::Timer { due } => earlier(*due),
            Phase::BackingOff { due, .. } => earlier(*due),
            Phase::Answered { .. } => step = true,
            Phase::Listening(listening) => {
                let more = listening.complete || listening.outputs.len() < listening.events.len();
                step |= task.scope.fault.is_some() || (more && task.scope.open == 0);
            }
            Phase::Branches { compete, started, .. } => {
                step |= can_move(&task.scope)
                    || started.contains(&false)
                    || (*compete && task.scope.last.is_some());
            }
            Phase::Steps | Phase::Loop { .. } | Phase::Trying { .. } | Phase::Catching { .. } => {
                step |= can_move(&task.scope);
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

/// Whether the flow of a scope can go on without waiting.
fn can_move(scope: &Scope) -> bool {
    scope.open == 0 || scope.fault.is_some() || scope.again.is_some()
}
