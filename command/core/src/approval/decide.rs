//! `approval.decide`: somebody chooses.

use alloc::{string::ToString, vec, vec::Vec};

use openclaw_model::{
    Digest, Timestamp,
    event::approval::{ApprovalEvent, ApprovalResolved, ApprovalVoted, Resolved, Vote},
};
use serde_json::Value;

use super::{Person, Rejection, State, expire, request::denied};

/// What somebody chooses.
pub(super) struct Ballot<'a> {
    pub(super) by: &'a Person,
    pub(super) digest: Digest,
    pub(super) choice: &'a str,
    pub(super) answer: &'a Value,
    pub(super) comment: Option<&'a str>,
}

pub(super) fn decide(
    state: &State,
    ballot: &Ballot<'_>,
    now: Timestamp,
) -> Result<Vec<ApprovalEvent>, Rejection> {
    let request = state.open()?;
    if ballot.digest != request.digest {
        return Err(Rejection::Changed { actual: request.digest });
    }
    let (mut state, mut events) = (state.clone(), vec![]);
    if let Some(due) = state.due.filter(|due| *due <= now) {
        // Nobody has said so yet. If others are asked from here on, this vote is in time; else it is late.
        let over = expire::decide(&state, due, now)?;
        over.iter().for_each(|event| state.apply(event, now));
        if state.end.is_some() {
            return Err(Rejection::Late { due });
        }
        events.extend(over);
    }
    let name = &ballot.by.name;
    if !state.admits(ballot.by) {
        return Err(Rejection::NotAsked { name: name.clone() });
    }
    if let Some(vote) = state.votes.iter().find(|vote| vote.by == *name) {
        return Err(Rejection::VotedBefore { name: name.clone(), choice: vote.choice.clone() });
    }
    let Some(choice) = request.choices.iter().find(|choice| choice.name == ballot.choice) else {
        let known = request.choices.iter().map(|choice| choice.name.clone()).collect();
        return Err(Rejection::UnknownChoice { choice: ballot.choice.into(), known });
    };
    let vote = Vote {
        by: name.clone(),
        choice: choice.name.clone(),
        answer: ballot.answer.clone(),
        comment: ballot.comment.map(ToString::to_string),
        at: now,
    };
    let voted = ApprovalEvent::Voted(ApprovalVoted { vote });
    state.apply(&voted, now);
    events.push(voted);
    if state.count(&choice.name) >= request.quorum.max(1) as usize {
        events.push(ApprovalEvent::Resolved(ApprovalResolved {
            choice: Some(choice.name.clone()),
            answer: ballot.answer.clone(),
            how: Resolved::Votes,
        }));
    } else if state.is_hopeless() {
        events.push(denied(Resolved::NoQuorum));
    }
    Ok(events)
}
