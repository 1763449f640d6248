//! Runs that stir again: what their rows say of them and of their open tasks.

use std::collections::BTreeMap;

use openclaw_model::{Position, RunId, TaskId, Timestamp, Version, event::run::TaskKind};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{super::write::int, list, moment, narrow, position, unknown};
use crate::views::{
    EffectState, RunStatus, TaskStatus,
    run::{CancelRequest, Control, Keeps, OpenTask, Paused, State},
};

pub(super) async fn states(
    connection: &mut SqliteConnection,
    keys: &[Position],
) -> sqlx::Result<BTreeMap<Position, State>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut states = BTreeMap::new();
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT key, status, tasks, deadline, ended_at, fork_version, retries, paused, paused_at, pause_reason, \
         cancel_at, cancel_reason, cancel_kill, forked, before_error FROM runs WHERE key IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    for row in sql.build().fetch_all(&mut *connection).await? {
        let state = State {
            // The stream has the id.
            id: RunId(uuid::Uuid::nil()),
            status: RunStatus::parse(row.try_get(1)?).ok_or_else(|| unknown("status of a run"))?,
            tasks: narrow(&row, 2)?,
            deadline: moment(&row, 3)?,
            ended_at: moment(&row, 4)?,
            fork_at: row.try_get::<Option<i64>, _>(5)?.map(|version| Version(version.unsigned_abs())),
            control: control(&row)?,
            open: BTreeMap::new(),
        };
        states.insert(position(&row, 0)?, state);
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT run, task, key, parent, kind, path, status, effect, effect_kind, keeps, retries, dispatches, \
         consumed, started_at, since, due, deadline FROM tasks WHERE ended_at IS NULL AND run IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    for row in sql.build().fetch_all(&mut *connection).await? {
        if let Some(state) = states.get_mut(&position(&row, 0)?) {
            state.open.insert(TaskId(narrow(&row, 1)?), task(&row)?);
        }
    }
    Ok(states)
}

fn control(row: &SqliteRow) -> sqlx::Result<Control> {
    let place = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs));
    let paused = match (place(7)?, moment(row, 8)?) {
        (Some(at), Some(since)) => Some(Paused { position: Position(at), since, reason: row.try_get(9)? }),
        _ => None,
    };
    let cancel = match moment(row, 10)? {
        Some(at) => Some(CancelRequest { at, reason: row.try_get(11)?, kill: row.try_get(12)? }),
        None => None,
    };
    let before = row.try_get::<Option<&str>, _>(14)?.map(serde_json::from_str).transpose();
    Ok(Control {
        paused,
        cancel,
        retries: narrow(row, 6)?,
        forked: place(13)?.map(Position),
        before: before.map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}

fn task(row: &SqliteRow) -> sqlx::Result<OpenTask> {
    let effect: Option<&str> = row.try_get(7)?;
    Ok(OpenTask {
        key: position(row, 2)?,
        parent: row.try_get::<Option<u32>, _>(3)?.map(TaskId),
        kind: kind(row.try_get(4)?)?,
        path: row.try_get::<String, _>(5)?.into(),
        status: TaskStatus::parse(row.try_get(6)?).ok_or_else(|| unknown("status of a task"))?,
        effect: effect
            .map(|text| EffectState::parse(text).ok_or_else(|| unknown("state of an effect")))
            .transpose()?,
        // What has not been dispatched waits for people who decide whether it may be.
        asks: row.try_get::<Option<&str>, _>(8)? == Some("approval")
            || (effect.is_some() && row.try_get::<i64, _>(11)? == 0),
        keeps: Keeps::of(row.try_get(9)?),
        retries: narrow(row, 10)?,
        dispatches: narrow(row, 11)?,
        consumed: narrow(row, 12)?,
        started_at: Timestamp::from_micros(row.try_get(13)?),
        since: moment(row, 14)?,
        due: moment(row, 15)?,
        deadline: moment(row, 16)?,
    })
}

fn kind(text: &str) -> sqlx::Result<TaskKind> {
    serde_json::from_value(text.into()).map_err(|error| sqlx::Error::Decode(error.into()))
}
