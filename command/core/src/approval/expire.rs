//! The time to decide is over: denied, decided by default, or others are asked.

use alloc::{vec, vec::Vec};

use openclaw_model::{
    Timestamp,
    event::approval::{ApprovalEscalated, ApprovalEvent, ApprovalResolved, DeadlineOutcome, Resolved},
};

use super::{Rejection, State, request::denied};

/// Nothing happens if it has ended, or is due at another time than whoever says so thinks.
pub(super) fn decide(state: &State, due: Timestamp, now: Timestamp) -> Result<Vec<ApprovalEvent>, Rejection> {
    let request = state.request.as_ref().ok_or(Rejection::NotFound)?;
    let Some(deadline) = request.deadline.as_ref().filter(|_| state.end.is_none() && state.due == Some(due))
    else {
        return Ok(vec![]);
    };
    if now < due {
        return Err(Rejection::Early { due });
    }
    let event = match &deadline.outcome {
        DeadlineOutcome::Default { choice, answer } => ApprovalEvent::Resolved(ApprovalResolved {
            choice: Some(choice.clone()),
            answer: answer.clone(),
            how: Resolved::Deadline,
        }),
        // From now and not from when it was due: they get all of their time, even if the server was down.
        DeadlineOutcome::Escalate { to, after_ms } if !state.escalated => {
            ApprovalEvent::Escalated(ApprovalEscalated { to: to.clone(), due: now.plus_millis(*after_ms) })
        }
        DeadlineOutcome::Escalate { .. } | DeadlineOutcome::Deny => denied(Resolved::Deadline),
    };
    Ok(vec![event])
}
