//! Approvals, schedules and webhooks that stir again.

use std::collections::BTreeMap;

use openclaw_model::{Position, RunId, Timestamp};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{super::write::int, list, moment, narrow, position, unknown, unsigned};
use crate::views::{ApprovalState, approval, schedule, webhook};

pub(super) async fn approvals(
    connection: &mut SqliteConnection,
    keys: &[Position],
) -> sqlx::Result<BTreeMap<Position, approval::State>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT key, state, round, votes, escalated, due FROM approvals WHERE key IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    let mut states = BTreeMap::new();
    for row in sql.build().fetch_all(connection).await? {
        let state = approval::State {
            state: ApprovalState::parse(row.try_get(1)?).ok_or_else(|| unknown("state of an approval"))?,
            round: narrow(&row, 2)?,
            votes: narrow(&row, 3)?,
            escalated: row.try_get(4)?,
            due: moment(&row, 5)?,
        };
        states.insert(position(&row, 0)?, state);
    }
    Ok(states)
}

pub(super) async fn schedules(
    connection: &mut SqliteConnection,
    keys: &[Position],
) -> sqlx::Result<BTreeMap<Position, schedule::Row>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT key, namespace, name, active, version, digest, timetable, overlap, missed, activated_at, \
         paused_at, pause_reason, last_due, last_at, last_run, last_skipped, runs, skipped, input, interests \
         FROM schedules WHERE key IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    let mut schedules = BTreeMap::new();
    for row in sql.build().fetch_all(connection).await? {
        let run = row.try_get::<Option<&[u8]>, _>(14)?.map(uuid::Uuid::from_slice).transpose();
        let schedule = schedule::Row {
            namespace: row.try_get(1)?,
            name: row.try_get(2)?,
            active: row.try_get(3)?,
            version: row.try_get(4)?,
            digest: row.try_get(5)?,
            timetable: row.try_get(6)?,
            overlap: row.try_get(7)?,
            missed: row.try_get(8)?,
            activated_at: Timestamp::from_micros(row.try_get(9)?),
            paused_at: moment(&row, 10)?,
            pause_reason: row.try_get(11)?,
            last_due: moment(&row, 12)?,
            last_at: moment(&row, 13)?,
            last_run: run.map_err(|error| sqlx::Error::Decode(error.into()))?.map(RunId),
            last_skipped: row.try_get(15)?,
            runs: unsigned(&row, 16)?,
            skipped: unsigned(&row, 17)?,
            input: row.try_get(18)?,
            interests: row.try_get(19)?,
        };
        schedules.insert(position(&row, 0)?, schedule);
    }
    Ok(schedules)
}

pub(super) async fn webhooks(
    connection: &mut SqliteConnection,
    keys: &[Position],
) -> sqlx::Result<BTreeMap<Position, webhook::State>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT key, url, types, secret, headers, actor, registered_at, removed_at, through, delivered, dead \
         FROM webhooks WHERE key IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    let mut states = BTreeMap::new();
    for row in sql.build().fetch_all(&mut *connection).await? {
        let webhook = webhook::Row {
            url: row.try_get(1)?,
            types: row.try_get(2)?,
            secret: row.try_get(3)?,
            headers: row.try_get(4)?,
            actor: row.try_get(5)?,
            registered_at: Timestamp::from_micros(row.try_get(6)?),
            removed_at: moment(&row, 7)?,
            through: position(&row, 8)?,
            delivered: unsigned(&row, 9)?,
            dead: unsigned(&row, 10)?,
        };
        states.insert(position(&row, 0)?, webhook::State { row: webhook, letters: BTreeMap::new() });
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT webhook, position, key FROM dead_letters WHERE state = 'open' AND webhook IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    for row in sql.build().fetch_all(connection).await? {
        if let Some(state) = states.get_mut(&position(&row, 0)?) {
            state.letters.insert(position(&row, 1)?, position(&row, 2)?);
        }
    }
    Ok(states)
}
