//! Decisions of people: what is asked, who may decide, and how it was decided.

use std::collections::BTreeMap;

use openclaw_model::{
    Position, Timestamp,
    event::{
        ApprovalEvent,
        approval::{ApprovalRequest, ApprovalRequested, Deadline, Deciders, Resolved, Vote},
        run::ParentTask,
    },
};

use super::{Broken, Place, json, run::status};

status! {
    /// How an approval stands.
    ApprovalState {
        /// It can be decided.
        Open = "open",
        /// It is decided.
        Resolved = "resolved",
        /// Nobody waits for it any more.
        Voided = "voided",
    }
}

/// What must be known of an approval to apply its next event.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) state: ApprovalState,
    /// How often somebody was asked; votes of earlier rounds are void.
    pub(crate) round: u32,
    pub(crate) votes: u32,
    pub(crate) escalated: bool,
    pub(crate) due: Option<Timestamp>,
}

/// Row of `approvals`: what is asked. Written anew when it is asked again.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) task: ParentTask,
    pub(crate) requested_at: Timestamp,
    pub(crate) request: ApprovalRequest,
    pub(crate) tail: Tail,
}

/// The columns that change with every event.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) state: State,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) choice: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) how: Option<&'static str>,
    /// Why it was voided.
    pub(crate) reason: Option<String>,
}

/// Row of `approval_votes`.
#[derive(Clone, Debug)]
pub(crate) struct VoteRow {
    pub(crate) approval: Position,
    pub(crate) round: u32,
    pub(crate) vote: Vote,
}

/// Rows of `approval_deciders`: approval, round, `assignee`, `role` or `anybody`, and the name.
pub(crate) type Decider = (Position, u32, &'static str, String);

/// Changed rows of the approval tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Position, Row>,
    pub(crate) tails: BTreeMap<Position, Tail>,
    pub(crate) votes: BTreeMap<Position, VoteRow>,
    pub(crate) deciders: Vec<Decider>,
}

pub(super) fn begin(place: &Place, event: ApprovalEvent, changes: &mut Changes) -> Result<State, Broken> {
    let ApprovalEvent::Requested(event) = event else {
        return Err(Broken(format!("an approval begins with {}", event.event_type())));
    };
    let mut state = State { state: ApprovalState::Open, round: 0, votes: 0, escalated: false, due: None };
    request(&mut state, place, event, changes);
    Ok(state)
}

pub(super) fn apply(state: &mut State, place: &Place, event: ApprovalEvent, changes: &mut Changes) {
    match event {
        ApprovalEvent::Requested(event) => request(state, place, event, changes),
        ApprovalEvent::Voted(event) => {
            state.votes += 1;
            let row = VoteRow { approval: place.key, round: state.round, vote: event.vote };
            changes.votes.insert(place.position, row);
            tail(state, place, changes);
        }
        ApprovalEvent::Escalated(event) => {
            (state.escalated, state.due) = (true, Some(event.due));
            deciders(state, place, event.to, changes);
            tail(state, place, changes);
        }
        ApprovalEvent::Resolved(event) => {
            state.state = ApprovalState::Resolved;
            let tail = tail(state, place, changes);
            tail.ended_at = Some(place.at);
            tail.choice = event.choice;
            tail.answer = (!event.answer.is_null()).then(|| json(&event.answer));
            tail.how = Some(match event.how {
                Resolved::Votes => "votes",
                Resolved::Deadline => "deadline",
                Resolved::NoQuorum => "no_quorum",
            });
        }
        ApprovalEvent::Voided(event) => {
            state.state = ApprovalState::Voided;
            let tail = tail(state, place, changes);
            tail.ended_at = Some(place.at);
            tail.reason = Some(event.reason);
        }
    }
}

fn request(state: &mut State, place: &Place, event: ApprovalRequested, changes: &mut Changes) {
    *state = State {
        state: ApprovalState::Open,
        round: state.round + 1,
        votes: 0,
        escalated: false,
        due: event.request.deadline.as_ref().map(|deadline: &Deadline| deadline.due),
    };
    deciders(state, place, event.request.deciders.clone(), changes);
    // It replaces everything that was known of the request before.
    changes.tails.remove(&place.key);
    changes.rows.insert(
        place.key,
        Row { task: event.task, requested_at: place.at, request: event.request, tail: tail_of(state) },
    );
}

fn deciders(state: &State, place: &Place, who: Deciders, changes: &mut Changes) {
    let anybody = who.assignees.is_empty() && who.roles.is_empty();
    let assignees = who.assignees.into_iter().map(|name| ("assignee", name));
    let roles = who.roles.into_iter().map(|name| ("role", name));
    let anybody = anybody.then(|| ("anybody", String::new()));
    changes.deciders.extend(
        assignees.chain(roles).chain(anybody).map(|(kind, name)| (place.key, state.round, kind, name)),
    );
}

fn tail<'a>(state: &State, place: &Place, changes: &'a mut Changes) -> &'a mut Tail {
    let tail = match changes.rows.get_mut(&place.key) {
        Some(row) => &mut row.tail,
        None => changes.tails.entry(place.key).or_insert_with(|| tail_of(state)),
    };
    tail.state = state.clone();
    tail
}

fn tail_of(state: &State) -> Tail {
    Tail { state: state.clone(), ended_at: None, choice: None, answer: None, how: None, reason: None }
}
