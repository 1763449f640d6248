//! What is known of an approval, folded from its events.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use openclaw_model::{
    Timestamp,
    event::{
        approval::{
            ApprovalEvent, ApprovalRequest, ApprovalResolved, Choice, Deadline, DeadlineOutcome, Deciders,
            Vote,
        },
        run::ParentTask,
    },
};
use serde_json::{Value, json};

use super::{Person, Rejection};

/// An approval, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What is asked; none before anything was.
    pub request: Option<ApprovalRequest>,
    /// The task that waits for the decision.
    pub task: Option<ParentTask>,
    /// Who may decide now.
    pub deciders: Deciders,
    /// When the time to decide is over.
    pub due: Option<Timestamp>,
    /// Whether others have been asked because nobody decided in time.
    pub escalated: bool,
    /// What people chose, the oldest first.
    pub votes: Vec<Vote>,
    /// Its end, once it has one.
    pub end: Option<End>,
}

/// How an approval ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It is decided.
    Resolved {
        /// How.
        resolved: ApprovalResolved,
        /// When.
        at: Timestamp,
    },
    /// Nobody waits for it.
    Voided {
        /// Why.
        reason: String,
    },
}

impl State {
    pub(super) fn apply(&mut self, event: &ApprovalEvent, at: Timestamp) {
        match event {
            ApprovalEvent::Requested(data) => {
                // Whoever voted did so for the task that asked before: it asks anew only when that task is gone.
                *self = Self {
                    task: Some(data.task),
                    deciders: data.request.deciders.clone(),
                    due: data.request.deadline.as_ref().map(|deadline| deadline.due),
                    request: Some(data.request.clone()),
                    ..Self::default()
                };
            }
            ApprovalEvent::Voted(data) => self.votes.push(data.vote.clone()),
            ApprovalEvent::Escalated(data) => {
                // An empty list means everybody, which more people do not narrow down.
                if !is_open(&self.deciders) {
                    self.deciders.assignees.extend(data.to.assignees.iter().cloned());
                    self.deciders.roles.extend(data.to.roles.iter().cloned());
                }
                self.due = Some(data.due);
                self.escalated = true;
            }
            ApprovalEvent::Resolved(data) => self.end = Some(End::Resolved { resolved: data.clone(), at }),
            ApprovalEvent::Voided(data) => self.end = Some(End::Voided { reason: data.reason.clone() }),
        }
    }

    /// What the task that waits outputs, once it is decided.
    #[must_use]
    pub fn output(&self) -> Option<Value> {
        let (Some(request), Some(End::Resolved { resolved, .. })) = (&self.request, &self.end) else {
            return None;
        };
        Some(json!({
            "approval": request.approval,
            "choice": resolved.choice,
            "answer": resolved.answer,
            "how": resolved.how,
            "votes": self.votes,
        }))
    }

    /// The choice of this name.
    #[must_use]
    pub fn choice(&self, name: &str) -> Option<&Choice> {
        self.request.as_ref()?.choices.iter().find(|choice| choice.name == name)
    }

    /// Refuses unless it is asked and has not ended.
    pub(super) fn open(&self) -> Result<&ApprovalRequest, Rejection> {
        let request = self.request.as_ref().ok_or(Rejection::NotFound)?;
        match &self.end {
            None => Ok(request),
            Some(End::Voided { reason }) => Err(Rejection::Voided { reason: reason.clone() }),
            Some(End::Resolved { resolved, at }) => Err(Rejection::Decided {
                how: resolved.how,
                choice: resolved.choice.clone(),
                by: self.votes.iter().map(|vote| vote.by.clone()).collect(),
                at: *at,
            }),
        }
    }

    pub(super) fn admits(&self, person: &Person) -> bool {
        is_open(&self.deciders)
            || self.deciders.assignees.contains(&person.name)
            || person.roles.iter().any(|role| self.deciders.roles.contains(role))
    }

    /// How many more votes there can be; none if there is no end to them.
    fn left(&self) -> Option<usize> {
        let mut people: BTreeSet<&String> = self.deciders.assignees.iter().collect();
        let mut closed = !is_open(&self.deciders) && self.deciders.roles.is_empty();
        if let Some(Deadline { outcome: DeadlineOutcome::Escalate { to, .. }, .. }) =
            self.request.as_ref().and_then(|request| request.deadline.as_ref())
            && !self.escalated
        {
            closed &= to.roles.is_empty();
            people.extend(&to.assignees);
        }
        let voted: BTreeSet<&String> = self.votes.iter().map(|vote| &vote.by).collect();
        closed.then(|| people.difference(&voted).count())
    }

    /// Whether the votes that are left cannot bring any choice to the quorum.
    pub(super) fn is_hopeless(&self) -> bool {
        let (Some(request), Some(left)) = (&self.request, self.left()) else { return false };
        let most = request.choices.iter().map(|choice| self.count(&choice.name)).max().unwrap_or_default();
        most + left < request.quorum as usize
    }

    pub(super) fn count(&self, choice: &str) -> usize {
        self.votes.iter().filter(|vote| vote.choice == choice).count()
    }
}

/// Whether everybody may decide.
fn is_open(deciders: &Deciders) -> bool {
    deciders.assignees.is_empty() && deciders.roles.is_empty()
}
