//! The statements that fill runs.

use async_graphql::{ID, Result};
use openclaw_model::{RunId, StreamId};
use openclaw_projection::Moment;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{CancelRequest, Label, Run, RunFilter, RunStatus, WorkflowRef, error};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    fault::{self, Code},
    read::{Columns, any_of, duration, equal, keyed, rows, wait::Concurrency, within},
    scalar::{Json, Long},
};

const SELECT: &str = "SELECT r.*, s.name AS stream, s.version AS stream_version, s.last_position, l.text AS actor_name \
     FROM runs r JOIN streams s ON s.key = r.key JOIN labels l ON l.id = r.actor";
/// Most labels of one filter.
const MAX_LABELS: usize = 10;

/// Run id of an argument.
pub(crate) fn id_of(id: &ID) -> Result<RunId> {
    id.parse().map_err(|error| Code::BadArgument.error(format!("{error}")))
}

/// One run by its id.
pub(crate) async fn one(reader: &mut Reader, id: &ID) -> Result<Option<Run>> {
    let stream = StreamId::run(id_of(id)?);
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    sql.push(" WHERE s.name = ").push_bind(stream.as_str().to_owned());
    reader.reach().named(&mut sql, "r.namespace");
    let moment = reader.moment().cloned();
    rows(reader, &mut sql).await?.first().map(|row| run(row, moment)).transpose()
}

/// The run of a stream's key.
pub(crate) async fn of_key(reader: &mut Reader, key: u64) -> Result<Option<Run>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    sql.push(" WHERE r.key = ").push_bind(i64::try_from(key).unwrap_or(i64::MAX));
    reader.reach().named(&mut sql, "r.namespace");
    let moment = reader.moment().cloned();
    rows(reader, &mut sql).await?.first().map(|row| run(row, moment)).transpose()
}

/// A page of runs. They are counted only when `count` is asked and it is cheap.
pub(crate) async fn list(
    reader: &mut Reader,
    page: &Page,
    filter: RunFilter,
    count: bool,
) -> Result<Listed<Run>> {
    let total_count = if count { total(reader, &filter).await? } else { None };
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    sql.push(" JOIN (");
    // Each status is looked up by itself and cut to the page: a scan of its index that ends with the page, where a
    // scan for several at once sorts every run of all of them.
    let statuses: Vec<Option<RunStatus>> = match &filter.status {
        None => vec![None],
        Some(wanted) => {
            let wanted = wanted.iter().enumerate().filter(|(index, one)| !wanted[..*index].contains(one));
            wanted.map(|(_, one)| Some(*one)).collect()
        }
    };
    if statuses.is_empty() {
        sql.push("SELECT key FROM runs WHERE 0");
    }
    for (index, status) in statuses.into_iter().enumerate() {
        sql.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push("SELECT key FROM runs WHERE 1 = 1");
        equal(&mut sql, "status", status.map(RunStatus::name));
        reader.reach().named(&mut sql, "namespace");
        conditions(&mut sql, &filter)?;
        page.finish(&mut sql, "key");
        sql.push(")");
    }
    sql.push(") AS p ON p.key = r.key");
    page.sort(&mut sql, "r.key");
    let (position, moment) = (reader.position().into(), reader.moment().cloned());
    let runs = rows(reader, &mut sql).await?;
    let runs = keyed(&runs, |row| run(row, moment.clone()), |one| one.key)?;
    Ok(page.connect(runs, About { total_count, position }))
}

/// The conditions of a filter apart from the status.
fn conditions(sql: &mut QueryBuilder<Sqlite>, filter: &RunFilter) -> Result<()> {
    equal(sql, "namespace", filter.namespace.clone());
    equal(sql, "name", filter.name.clone());
    equal(sql, "version", filter.version.clone());
    if let Some(actor) = &filter.actor {
        sql.push(" AND actor = (SELECT id FROM labels WHERE text = ").push_bind(actor.clone()).push(")");
    }
    let parent = filter.parent_id.as_ref().map(id_of).transpose()?;
    equal(sql, "parent", parent.map(|id| id.0.as_bytes().to_vec()));
    let origin = filter.forked_from_id.as_ref().map(id_of).transpose()?;
    equal(sql, "forked_from", origin.map(|id| id.0.as_bytes().to_vec()));
    equal(sql, "schedule", filter.schedule.clone());
    equal(sql, "concurrency_key", filter.concurrency_key.clone());
    if let Some(paused) = filter.paused {
        sql.push(if paused { " AND paused IS NOT NULL" } else { " AND paused IS NULL" });
    }
    let labels = filter.labels.as_deref().unwrap_or_default();
    if labels.len() > MAX_LABELS {
        let message = format!("`labels` has {} values, at most {MAX_LABELS} are allowed", labels.len());
        return Err(Code::BadArgument.error(message));
    }
    for label in labels {
        sql.push(" AND key IN (SELECT run FROM run_labels WHERE name = ").push_bind(label.name.clone());
        equal(sql, "value", label.value.clone());
        sql.push(")");
    }
    if let Some(until) = filter.until {
        sql.push(" AND key <= ").push_bind(i64::try_from(until.0).unwrap_or(i64::MAX));
    }
    // Time never goes backwards within a log, so a time of start is a bound of the key.
    let started = filter.started_at.unwrap_or_default();
    if let Some(from) = started.from {
        sql.push(" AND key >= (SELECT key FROM runs WHERE started_at >= ").push_bind(from.0.as_micros());
        sql.push(" ORDER BY started_at, key LIMIT 1)");
    }
    if let Some(to) = started.to {
        sql.push(" AND key <= (SELECT key FROM runs WHERE started_at <= ").push_bind(to.0.as_micros());
        sql.push(" ORDER BY started_at DESC, key DESC LIMIT 1)");
    }
    within(sql, "ended_at", filter.ended_at);
    Ok(())
}

/// How many runs there are, when nothing but the status matters.
async fn total(reader: &mut Reader, filter: &RunFilter) -> Result<Option<Long>> {
    let RunFilter {
        status,
        namespace: None,
        name: None,
        version: None,
        actor: None,
        parent_id: None,
        forked_from_id: None,
        schedule: None,
        concurrency_key: None,
        paused: None,
        labels: None,
        started_at: None,
        ended_at: None,
        until: None,
    } = filter
    else {
        return Ok(None);
    };
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT coalesce(sum(runs), 0) FROM run_counts WHERE 1 = 1");
    let names = status.as_ref().map(|wanted| wanted.iter().map(|status| status.name()).collect());
    any_of(&mut sql, "status", "status", names)?;
    reader.reach().labelled(&mut sql, "namespace");
    let total: i64 = sql.build_query_scalar().fetch_one(&mut **reader).await.map_err(fault::database)?;
    Ok(Some(Long::of(total)))
}

fn run(row: &SqliteRow, moment: Option<Moment>) -> Result<Run> {
    let row = Columns(row);
    let stream: String = row.get("stream")?;
    let id = stream.strip_prefix("run/").unwrap_or(&stream);
    let (started_at, ended_at) = (row.time("started_at")?, row.maybe_time("ended_at")?);
    Ok(Run {
        id: id.into(),
        status: row.status("status", RunStatus::parse)?,
        workflow: WorkflowRef {
            namespace: row.get("namespace")?,
            name: row.get("name")?,
            version: row.get("version")?,
            digest: row.hex("digest")?,
            inline: row.get("inline")?,
        },
        actor: row.get("actor_name")?,
        parent_id: row.uuid("parent")?.map(ID::from),
        parent_task: row.get("parent_task")?,
        started_at,
        parent_close: row.get("parent_close")?,
        labels: labels(&row)?,
        priority: row.get("priority")?,
        concurrency: match row.get::<Option<String>>("concurrency_key")? {
            Some(key) => Some(Concurrency {
                key,
                limit: row.get("concurrency_limit")?,
                namespace: row.get("namespace")?,
            }),
            None => None,
        },
        not_before: row.maybe_time("not_before")?,
        schedule: row.get("schedule")?,
        schedule_due: row.maybe_time("schedule_due")?,
        forked_from_id: row.uuid("forked_from")?.map(ID::from),
        fork_version: row.get::<Option<i64>>("fork_version")?.map(Long::of),
        copying: row.get::<Option<i64>>("fork_version")?.is_some()
            && row.get::<Option<i64>>("forked")?.is_none(),
        retries: row.get("retries")?,
        paused_at: row.maybe_time("paused_at")?,
        pause_reason: row.get("pause_reason")?,
        cancel_request: match row.maybe_time("cancel_at")? {
            Some(at) => {
                Some(CancelRequest { at, reason: row.get("cancel_reason")?, kill: row.get("cancel_kill")? })
            }
            None => None,
        },
        deadline: row.maybe_time("deadline")?,
        ended_at,
        duration_ms: duration(started_at, ended_at),
        task_count: row.get("tasks")?,
        input: row.json("input")?.unwrap_or_else(|| Json("null".into())),
        output: row.json("output")?,
        error: error(&row)?,
        first_position: row.position("key")?,
        position: row.position("last_position")?,
        version: row.long("stream_version")?,
        key: row.key("key")?,
        stream,
        moment,
    })
}

fn labels(row: &Columns<'_>) -> Result<Vec<Label>> {
    let Some(text) = row.get::<Option<&str>>("labels")? else { return Ok(Vec::new()) };
    let labels: std::collections::BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?;
    Ok(labels.into_iter().map(|(name, value)| Label { name, value }).collect())
}
