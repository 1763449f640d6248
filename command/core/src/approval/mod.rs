//! Decisions of people. An approval has a stream of its own and everything goes through its decider, so that of two
//! decisions at the same time exactly one counts and the other is told.
//!
//! Invariant: a decision is about one subject. Whoever decides names the digest of what they saw; if something else is
//! asked by now, their decision is refused.

mod decide;
mod expire;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod void;

use alloc::{string::String, vec::Vec};

use openclaw_model::{
    Digest, TaskId, Timestamp, Version,
    event::{
        approval::{ApprovalEvent, ApprovalRequest, Resolved},
        run::ParentTask,
    },
};
use serde_json::Value;

pub use state::{End, State};

use crate::{Decider, Facts};

/// The decider of approvals.
#[derive(Debug)]
pub struct Approval;

/// Somebody who decides. The caller vouches for name and roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub name: String,
    /// What they are.
    pub roles: Vec<String>,
}

/// What may be asked of an approval.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask people.
    Request {
        /// The task that waits.
        task: ParentTask,
        /// What is asked.
        request: ApprovalRequest,
    },
    /// Choose. Whoever submits it has checked the answer against the schema of the choice, which the digest covers.
    Decide {
        /// Who chooses.
        by: Person,
        /// Digest of what they saw.
        digest: Digest,
        /// Name of the choice.
        choice: String,
        /// The answer that goes with it.
        answer: Value,
        /// In their words.
        comment: Option<String>,
    },
    /// The time to decide is over.
    Expire {
        /// When it was due. If it is due at another time by now, nothing happens.
        due: Timestamp,
    },
    /// Nobody waits for it any more.
    Void {
        /// Only if this is the task that it is asked for; whichever it is if none.
        task: Option<TaskId>,
        /// Why.
        reason: String,
    },
}

/// Why an approval refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such approval. `OC-APR-001`.
    #[error("the approval does not exist")]
    NotFound,
    /// It is decided. `OC-APR-002`.
    #[error("{}", decided(*.how, .choice.as_deref(), .by, *.at))]
    Decided {
        /// How.
        how: Resolved,
        /// What was chosen; none if it was denied.
        choice: Option<String>,
        /// By whom.
        by: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// Nobody waits for it any more. `OC-APR-003`.
    #[error("the approval is void: {reason}")]
    Voided {
        /// Why.
        reason: String,
    },
    /// The time to decide is over. `OC-APR-004`.
    #[error("the time to decide was over at {due}")]
    Late {
        /// When it was over.
        due: Timestamp,
    },
    /// Somebody who is not asked. `OC-APR-005`.
    #[error("{name} is not among those who may decide")]
    NotAsked {
        /// Who.
        name: String,
    },
    /// Something else is asked by now. `OC-APR-006`.
    #[error("what is asked has changed: its digest is {actual} now")]
    Changed {
        /// Of what is asked now.
        actual: Digest,
    },
    /// They chose before. `OC-APR-007`.
    #[error("{name} has chosen before: {choice:?}")]
    VotedBefore {
        /// Who.
        name: String,
        /// What.
        choice: String,
    },
    /// There is no such choice. `OC-APR-008`.
    #[error("there is no choice {choice:?}; there are: {}", .known.join(", "))]
    UnknownChoice {
        /// What was chosen.
        choice: String,
        /// What may be.
        known: Vec<String>,
    },
    /// The time is not over yet: a clock was set back. Ask again when it is. Internal.
    #[error("the time to decide is not over before {due}")]
    Early {
        /// When it is.
        due: Timestamp,
    },
}

fn decided(how: Resolved, choice: Option<&str>, by: &[String], at: Timestamp) -> String {
    use alloc::format;
    match (how, choice) {
        (Resolved::Votes, Some(choice)) => {
            format!("it was decided at {at} by {}: {choice:?}", by.join(", "))
        }
        (Resolved::Deadline, Some(choice)) => {
            format!("its time was over at {at}, which counts as {choice:?}")
        }
        (Resolved::Deadline, None) => format!("its time was over at {at}, so it is denied"),
        (Resolved::Votes | Resolved::NoQuorum, _) => {
            format!("it was denied at {at}, because the votes could not reach the quorum any more")
        }
    }
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-APR-001",
            Self::Decided { .. } => "OC-APR-002",
            Self::Voided { .. } => "OC-APR-003",
            Self::Late { .. } | Self::Early { .. } => "OC-APR-004",
            Self::NotAsked { .. } => "OC-APR-005",
            Self::Changed { .. } => "OC-APR-006",
            Self::VotedBefore { .. } => "OC-APR-007",
            Self::UnknownChoice { .. } => "OC-APR-008",
        }
    }
}

impl Decider for Approval {
    type State = State;
    type Command = Command;
    type Event = ApprovalEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, facts: &Facts) -> Result<Vec<ApprovalEvent>, Rejection> {
        match command {
            Command::Request { task, request } => Ok(request::decide(state, *task, request)),
            Command::Decide { by, digest, choice, answer, comment } => {
                let vote =
                    decide::Ballot { by, digest: *digest, choice, answer, comment: comment.as_deref() };
                decide::decide(state, &vote, facts.now)
            }
            Command::Expire { due } => expire::decide(state, *due, facts.now),
            Command::Void { task, reason } => Ok(void::decide(state, *task, reason)),
        }
    }

    fn evolve(state: &mut State, event: &ApprovalEvent, _: Version, at: Timestamp) {
        state.apply(event, at);
    }
}
