//! What happens to a durable decision of people. It has a stream of its own, which every decision goes through, so that
//! of two decisions at the same time exactly one counts.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;
use crate::{ApprovalId, Digest, Timestamp, event::run::ParentTask};

event_family! {
    /// What happened to an approval.
    ApprovalEvent {
        /// Somebody is asked. Asked again, the earlier votes are void.
        "approval.requested" @ 1 => Requested(ApprovalRequested),
        /// Somebody chose.
        "approval.voted" @ 1 => Voted(ApprovalVoted),
        /// Nobody decided in time; others are asked.
        "approval.escalated" @ 1 => Escalated(ApprovalEscalated),
        /// It is decided.
        "approval.resolved" @ 1 => Resolved(ApprovalResolved),
        /// Nobody waits for the decision any more.
        "approval.voided" @ 1 => Voided(ApprovalVoided),
    }
}

/// Somebody is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// The task that waits for the decision.
    pub task: ParentTask,
    /// What is asked.
    pub request: ApprovalRequest,
}

/// Somebody chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVoted {
    /// Their vote.
    pub vote: Vote,
}

/// One person's choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// Name of the choice.
    pub choice: String,
    /// The answer that goes with it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
    /// In their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Others are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEscalated {
    /// Who may decide from here on, besides those who could before.
    pub to: Deciders,
    /// When their time is over; then it is denied.
    pub due: Timestamp,
}

/// It is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalResolved {
    /// The choice; none if it is denied because the time was over or the quorum can no longer be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// The answer that goes with it: that of the vote that decided.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
    /// How.
    pub how: Resolved,
}

/// How an approval was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolved {
    /// By votes.
    Votes,
    /// The time was over.
    Deadline,
    /// The votes that are left cannot reach the quorum.
    NoQuorum,
}

/// Nobody waits for it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVoided {
    /// Why.
    pub reason: String,
}

/// `call: approval`: a decision of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// Its id, made of the effect's key, so that asking twice asks once.
    pub approval: ApprovalId,
    /// What is asked, in a line.
    pub title: String,
    /// What the deciders should know.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// What exactly is decided about, for example the arguments of a call.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub subject: Value,
    /// BLAKE3 over the canonical bytes of all that is decided about. A decision names it.
    pub digest: Digest,
    /// What may be chosen; never empty.
    pub choices: Vec<Choice>,
    /// Who may decide.
    pub deciders: Deciders,
    /// How many have to choose the same; at least 1.
    pub quorum: u32,
    /// When the time to decide is over, and what then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
}

/// Something that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name, for example `approve`.
    pub name: String,
    /// What people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// JSON Schema of the answer that goes with it; none if there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Who may decide. Everybody, if both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deciders {
    /// People by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<String>,
    /// People by role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// When the time to decide is over, and what happens then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub due: Timestamp,
    /// What then.
    pub outcome: DeadlineOutcome,
}

/// What happens when nobody decided in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DeadlineOutcome {
    /// It is denied: nothing was chosen.
    Deny,
    /// This counts as chosen.
    Default {
        /// Name of the choice.
        choice: String,
        /// Its answer.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        answer: Value,
    },
    /// Others are asked, for as long again; after them it is denied.
    Escalate {
        /// Who.
        to: Deciders,
        /// How long they have, in milliseconds.
        after_ms: u64,
    },
}
