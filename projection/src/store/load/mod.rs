//! Reading back what the store must know: its checkpoint, its labels, streams that stir again.

mod others;
mod run;

use std::collections::{BTreeMap, HashMap, HashSet};

use lru::LruCache;
use openclaw_model::{
    Event, Position, Recorded, StreamId, StreamKind, Timestamp, Version, event::session::TokenUsage,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::write::int;
use crate::views::{self, Known, SessionStatus, Subject, audit::Labels, session};

/// Streams per statement; SQLite takes at most 32,766 parameters.
const CHUNK: usize = 500;

pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> sqlx::Result<(Position, Timestamp)> {
    let row =
        sqlx::query("SELECT checkpoint, updated_at FROM projection_status").fetch_one(connection).await?;
    Ok((position(&row, 0)?, Timestamp::from_micros(row.try_get(1)?)))
}

pub(super) async fn labels(connection: &mut SqliteConnection) -> sqlx::Result<Labels> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, text FROM labels").fetch_all(connection).await?;
    Ok(Labels::new(rows))
}

/// Makes every stream of `events` known, unless its first event is among them. A portion has fewer streams than are
/// remembered, so none of its own is forgotten before it is folded.
pub(super) async fn missing(
    connection: &mut SqliteConnection,
    known: &mut LruCache<StreamId, Known>,
    events: &[(Recorded, Event)],
) -> sqlx::Result<()> {
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    // What has the namespace of a run needs to know the run.
    let runs: Vec<StreamId> = events
        .iter()
        .filter(|(recorded, _)| recorded.version.0 == 1)
        .filter_map(|(recorded, event)| views::run_of_home(&recorded.stream, event))
        .map(StreamId::run)
        .collect();
    for (recorded, _) in events {
        if seen.insert(&recorded.stream) && known.get(&recorded.stream).is_none() && recorded.version.0 > 1 {
            wanted.push(&recorded.stream);
        }
    }
    for run in &runs {
        if seen.insert(run) && known.get(run).is_none() {
            wanted.push(run);
        }
    }
    for chunk in wanted.chunks(CHUNK) {
        streams(connection, known, chunk).await?;
    }
    Ok(())
}

async fn streams(
    connection: &mut SqliteConnection,
    known: &mut LruCache<StreamId, Known>,
    wanted: &[&StreamId],
) -> sqlx::Result<()> {
    let mut sql =
        QueryBuilder::<Sqlite>::new("SELECT key, name, version, namespace FROM streams WHERE name IN (");
    list(&mut sql, wanted.iter().map(|stream| stream.as_str().to_owned()));
    let mut found = HashMap::new();
    for row in sql.build().fetch_all(&mut *connection).await? {
        let name: String = row.try_get(1)?;
        found.insert(name, (position(&row, 0)?, Version(unsigned(&row, 2)?), row.try_get::<i64, _>(3)?));
    }
    let of_kind = |kind| {
        let found = &found;
        wanted
            .iter()
            .filter(move |stream| stream.kind() == kind)
            .filter_map(move |stream| found.get(stream.as_str()).map(|(key, ..)| *key))
            .collect::<Vec<_>>()
    };
    let mut runs = run::states(connection, &of_kind(StreamKind::Run)).await?;
    let mut sessions = sessions(connection, &of_kind(StreamKind::Session)).await?;
    let mut approvals = others::approvals(connection, &of_kind(StreamKind::Approval)).await?;
    let mut schedules = others::schedules(connection, &of_kind(StreamKind::Schedule)).await?;
    let mut webhooks = others::webhooks(connection, &of_kind(StreamKind::Webhook)).await?;
    for stream in wanted {
        let Some((key, version, namespace)) = found.get(stream.as_str()).copied() else { continue };
        let subject = match stream.kind() {
            StreamKind::Run => runs.remove(&key).zip(stream.as_run()).map(|(mut state, id)| {
                state.id = id;
                Subject::Run(state)
            }),
            StreamKind::Session => sessions.remove(&key).map(Subject::Session),
            StreamKind::Workflow => Some(Subject::Workflow),
            StreamKind::Approval => approvals.remove(&key).map(Subject::Approval),
            StreamKind::Schedule => schedules.remove(&key).map(|row| Subject::Schedule(Box::new(row))),
            StreamKind::Webhook => webhooks.remove(&key).map(|state| Subject::Webhook(Box::new(state))),
            StreamKind::Event => Some(Subject::Published),
            StreamKind::Policy => Some(Subject::Policy),
            StreamKind::Token
            | StreamKind::User
            | StreamKind::Credential
            | StreamKind::Vault
            | StreamKind::Egress
            | StreamKind::Audit => Some(Subject::Plain),
        };
        let Some(subject) = subject else { continue };
        known.put((*stream).clone(), Known { key, version, namespace, subject });
    }
    Ok(())
}

async fn sessions(
    connection: &mut SqliteConnection,
    keys: &[Position],
) -> sqlx::Result<BTreeMap<Position, session::State>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT key, status, channel, peer, agent, account, started_at, active_at, ended_at, end_reason, \
         messages, input_tokens, output_tokens FROM sessions WHERE key IN (",
    );
    list(&mut sql, keys.iter().map(|key| int(key.0)));
    let mut states = BTreeMap::new();
    for row in sql.build().fetch_all(connection).await? {
        let ended = row.try_get::<&str, _>(1)? == SessionStatus::Ended.as_str();
        let state = session::State {
            status: if ended { SessionStatus::Ended } else { SessionStatus::Active },
            channel: row.try_get(2)?,
            peer: row.try_get(3)?,
            agent: row.try_get(4)?,
            account: row.try_get(5)?,
            started_at: Timestamp::from_micros(row.try_get(6)?),
            active_at: Timestamp::from_micros(row.try_get(7)?),
            ended_at: row.try_get::<Option<i64>, _>(8)?.map(Timestamp::from_micros),
            end_reason: row.try_get(9)?,
            messages: unsigned(&row, 10)?,
            tokens: TokenUsage { input_tokens: unsigned(&row, 11)?, output_tokens: unsigned(&row, 12)? },
        };
        states.insert(position(&row, 0)?, state);
    }
    Ok(states)
}

/// What is wrong with a finished build, if anything: its checkpoint, its counts, its pages.
pub(super) async fn fault(
    connection: &mut SqliteConnection,
    built: Position,
) -> sqlx::Result<Option<String>> {
    let (checkpoint, _) = checkpoint(&mut *connection).await?;
    if checkpoint != built {
        return Ok(Some(format!("its checkpoint is {checkpoint}")));
    }
    let counts: [(&'static str, &str); 5] = [
        ("SELECT count(*) <> ?1 FROM events", "the audit index does not hold every event"),
        (
            "SELECT coalesce(sum(events), 0) <> ?1 FROM event_minutes",
            "the minutes do not add up to the events",
        ),
        (
            "SELECT coalesce(sum(runs), 0) <> (SELECT count(*) FROM runs) FROM run_counts WHERE ?1 >= 0",
            "the counts by status do not add up to the runs",
        ),
        (
            "SELECT coalesce(sum(tasks), 0) <> (SELECT count(*) FROM tasks) FROM runs WHERE ?1 >= 0",
            "the tasks counted in runs are not the task rows",
        ),
        (
            "SELECT coalesce(sum(dead), 0) <> (SELECT count(*) FROM dead_letters WHERE state = 'open') \
             FROM webhooks WHERE ?1 >= 0",
            "the dead letters counted in webhooks are not the open ones",
        ),
    ];
    for (sql, reason) in counts {
        let wrong: bool = sqlx::query_scalar(sql).bind(int(built.0)).fetch_one(&mut *connection).await?;
        if wrong {
            return Ok(Some(reason.to_owned()));
        }
    }
    let check: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    Ok((check != "ok").then_some(check))
}

fn list<T>(sql: &mut QueryBuilder<Sqlite>, values: impl Iterator<Item = T>)
where
    T: for<'q> sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite>,
{
    let mut separated = sql.separated(", ");
    for value in values {
        separated.push_bind(value);
    }
    separated.push_unseparated(")");
}

fn unsigned(row: &SqliteRow, column: usize) -> sqlx::Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

fn narrow(row: &SqliteRow, column: usize) -> sqlx::Result<u32> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
}

fn position(row: &SqliteRow, column: usize) -> sqlx::Result<Position> {
    unsigned(row, column).map(Position)
}

fn moment(row: &SqliteRow, column: usize) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
}

fn unknown(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown {what}").into())
}
