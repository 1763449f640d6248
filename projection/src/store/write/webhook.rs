//! Rows of webhooks and dead letters.

use sqlx::SqliteConnection;

use super::{super::bulk::Bulk, int, key, time};
use crate::views::{
    LetterState,
    webhook::{Changes, LetterTail},
};

const WEBHOOKS: Bulk = Bulk {
    head: "INSERT OR REPLACE INTO webhooks (key, actor, registered_at, removed_at, through, delivered, dead, \
           secret, url, types, headers)",
    columns: 11,
    tail: "",
};
// What changes comes with the tail of the same batch.
const LETTERS: Bulk = Bulk {
    head: "INSERT INTO dead_letters (key, webhook, position, since, event, state, attempts, died_at, error)",
    columns: 9,
    tail: "",
};
const LETTER_TAILS: Bulk = Bulk {
    head: "UPDATE dead_letters SET state = coalesce(v.column2, state), attempts = coalesce(v.column3, attempts), \
           error = coalesce(v.column4, error), died_at = coalesce(v.column5, died_at), \
           redriven_at = coalesce(v.column6, redriven_at), closed_at = coalesce(v.column7, closed_at) FROM (",
    columns: 7,
    tail: ") AS v WHERE dead_letters.key = v.column1",
};

pub(super) async fn write(to: &mut SqliteConnection, changes: &Changes) -> sqlx::Result<()> {
    WEBHOOKS
        .execute(to, changes.rows.iter(), |v, (id, row)| {
            v.push(key(*id)).push(row.actor).push(row.registered_at.as_micros()).push(time(row.removed_at));
            v.push(key(row.through)).push(int(row.delivered)).push(int(row.dead)).push(&*row.secret);
            v.push(&*row.url).push(&*row.types).push(&*row.headers);
        })
        .await?;
    LETTERS
        .execute(to, changes.letters.iter(), |v, (id, row)| {
            v.push(key(*id)).push(key(row.webhook)).push(key(row.event_position));
            v.push(row.since.as_micros()).push(&*row.event).push(LetterState::Open.as_str());
            v.push(0_i64).push(row.since.as_micros()).push("");
        })
        .await?;
    LETTER_TAILS
        .execute(to, changes.letter_tails.iter(), |v, (id, tail)| {
            let LetterTail { state, attempts, error, died_at, redriven_at, closed_at } = tail;
            v.push(key(*id)).push(state.map(LetterState::as_str)).push(attempts.map(i64::from));
            v.push(error.as_deref()).push(time(*died_at)).push(time(*redriven_at)).push(time(*closed_at));
        })
        .await?;
    Ok(())
}
