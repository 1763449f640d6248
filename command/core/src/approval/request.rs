//! Asks people. Asking for the same again changes nothing, so the task that waits may ask as often as it likes.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Timestamp,
    event::{
        approval::{ApprovalEvent, ApprovalRequest, ApprovalRequested, ApprovalResolved, Resolved},
        run::ParentTask,
    },
};
use serde_json::Value;

use super::{End, State};

/// What was decided stands, as long as the same is asked. What was void is asked anew, because somebody waits again.
pub(super) fn decide(state: &State, task: ParentTask, request: &ApprovalRequest) -> Vec<ApprovalEvent> {
    if let Some(asked) = &state.request {
        match &state.end {
            None if asked == request && state.task == Some(task) => return vec![],
            Some(End::Resolved { .. }) if asked.digest == request.digest => return vec![],
            _ => {}
        }
    }
    let requested = ApprovalEvent::Requested(ApprovalRequested { task, request: request.clone() });
    let mut after = state.clone();
    after.apply(&requested, Timestamp::default());
    let mut events = vec![requested];
    if after.is_hopeless() {
        events.push(denied(Resolved::NoQuorum));
    }
    events
}

/// Nothing was chosen.
pub(super) fn denied(how: Resolved) -> ApprovalEvent {
    ApprovalEvent::Resolved(ApprovalResolved { choice: None, answer: Value::Null, how })
}
