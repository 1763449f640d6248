//! Nobody waits for the decision any more. Voiding what has ended, or is asked for another task by now, changes nothing.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    TaskId,
    event::approval::{ApprovalEvent, ApprovalVoided},
};

use super::State;

pub(super) fn decide(state: &State, task: Option<TaskId>, reason: &str) -> Vec<ApprovalEvent> {
    let Some(asked) = state.task else { return vec![] };
    if state.end.is_some() || task.is_some_and(|task| task != asked.task) {
        return vec![];
    }
    vec![ApprovalEvent::Voided(ApprovalVoided { reason: reason.into() })]
}
