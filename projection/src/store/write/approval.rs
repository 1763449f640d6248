//! Rows of approvals, their votes and who may decide.

use sqlx::SqliteConnection;

use super::{
    super::bulk::{Bulk, Values},
    blob, key, time,
};
use crate::views::approval::{Changes, Tail};

const APPROVALS: Bulk = Bulk {
    head: "INSERT OR REPLACE INTO approvals (key, run, task, title, digest, quorum, requested_at, choices, \
           deadline, details, subject, state, round, votes, escalated, due, ended_at, choice, how, reason, answer)",
    columns: 21,
    tail: "",
};
const TAILS: Bulk = Bulk {
    head: "UPDATE approvals SET state = v.column2, round = v.column3, votes = v.column4, escalated = v.column5, \
           due = v.column6, ended_at = coalesce(v.column7, ended_at), choice = coalesce(v.column8, choice), \
           how = coalesce(v.column9, how), reason = coalesce(v.column10, reason), \
           answer = coalesce(v.column11, answer) FROM (",
    columns: 11,
    tail: ") AS v WHERE approvals.key = v.column1",
};
const DECIDERS: Bulk = Bulk {
    head: "INSERT OR IGNORE INTO approval_deciders (approval, round, kind, name)",
    columns: 4,
    tail: "",
};
const VOTES: Bulk = Bulk {
    head: "INSERT INTO approval_votes (key, approval, round, voter, choice, at, comment, answer)",
    columns: 8,
    tail: "",
};

pub(super) async fn write(to: &mut SqliteConnection, changes: &Changes) -> sqlx::Result<()> {
    APPROVALS
        .execute(to, changes.rows.iter(), |v, (id, row)| {
            let request = &row.request;
            v.push(key(*id)).push(blob(row.task.run.0)).push(i64::from(row.task.task.0));
            v.push(&*request.title).push(&request.digest.0[..]).push(i64::from(request.quorum));
            v.push(row.requested_at.as_micros()).push(json(&request.choices));
            v.push(request.deadline.as_ref().map(|deadline| json(&deadline.outcome)));
            v.push((!request.details.is_null()).then(|| json(&request.details)));
            v.push((!request.subject.is_null()).then(|| json(&request.subject)));
            push_tail(v, &row.tail);
        })
        .await?;
    TAILS.execute(to, changes.tails.iter(), |v, (id, tail)| push_tail(v.push(key(*id)), tail)).await?;
    DECIDERS
        .execute(to, changes.deciders.iter(), |v, (approval, round, kind, name)| {
            v.push(key(*approval)).push(i64::from(*round)).push(*kind).push(&**name);
        })
        .await?;
    VOTES
        .execute(to, changes.votes.iter(), |v, (id, row)| {
            let vote = &row.vote;
            v.push(key(*id)).push(key(row.approval)).push(i64::from(row.round)).push(&*vote.by);
            v.push(&*vote.choice).push(vote.at.as_micros()).push(vote.comment.as_deref());
            v.push((!vote.answer.is_null()).then(|| json(&vote.answer)));
        })
        .await?;
    Ok(())
}

fn push_tail(v: &mut Values, tail: &Tail) {
    let state = &tail.state;
    v.push(state.state.as_str()).push(i64::from(state.round)).push(i64::from(state.votes));
    v.push(state.escalated).push(time(state.due)).push(time(tail.ended_at));
    v.push(tail.choice.as_deref()).push(tail.how).push(tail.reason.as_deref()).push(tail.answer.as_deref());
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("event data has string keys only and always serialises")
}
