//! Runs of workflows.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::{RunId, StreamId, Version};
use openclaw_projection::Reader;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, TimeRange, any_of, duration, equal,
    event::{self, Event, EventFilter},
    keyed, reader, rows,
    task::{self, Task, TaskFilter},
    within, workflow,
};
use crate::{
    Deps,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    fault::{self, Code},
    scalar::{DateTime, Json, Long, Position},
};

const SELECT: &str = "SELECT r.*, s.name AS stream, s.version AS stream_version, s.last_position, l.text AS actor_name \
     FROM runs r JOIN streams s ON s.key = r.key JOIN labels l ON l.id = r.actor";

/// How a run stands, in the words of the Serverless Workflow specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::RunStatus", rename_items = "lowercase")]
pub(crate) enum RunStatus {
    /// Accepted, its input is not validated yet.
    Pending,
    /// At work.
    Running,
    /// All that is open waits for a time.
    Waiting,
    /// The outcome of an effect is unknown and somebody has to decide.
    Suspended,
    /// Stopped before its end.
    Cancelled,
    /// Ended with an error.
    Faulted,
    /// Ended well.
    Completed,
}

impl RunStatus {
    pub(crate) fn name(self) -> &'static str {
        openclaw_projection::RunStatus::from(self).as_str()
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        openclaw_projection::RunStatus::parse(text).map(Self::from)
    }
}

/// The definition that a run executes.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct WorkflowRef {
    /// Namespace of the document.
    pub(crate) namespace: String,
    /// Name of the document.
    pub(crate) name: String,
    /// Version of the document.
    pub(crate) version: String,
    /// BLAKE3 of the definition, hexadecimal.
    pub(crate) digest: String,
    /// Whether the definition came with the run instead of being registered.
    pub(crate) inline: bool,
}

/// An error in the form of the specification (RFC 7807).
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct WorkflowError {
    /// URI of the error type.
    pub(crate) r#type: String,
    /// Status code.
    pub(crate) status: i32,
    /// Short summary.
    pub(crate) title: Option<String>,
    /// This occurrence.
    pub(crate) detail: Option<String>,
    /// JSON pointer to the component that raised it.
    pub(crate) instance: Option<String>,
}

/// One execution of a workflow.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Run {
    /// Its id.
    pub(crate) id: ID,
    /// How it stands.
    pub(crate) status: RunStatus,
    /// What it executes.
    pub(crate) workflow: WorkflowRef,
    /// Who started it.
    pub(crate) actor: String,
    /// The run that waits for this one.
    pub(crate) parent_id: Option<ID>,
    /// The task of that run.
    pub(crate) parent_task: Option<i32>,
    /// When it was accepted.
    pub(crate) started_at: DateTime,
    /// When it times out.
    pub(crate) deadline: Option<DateTime>,
    /// When it ended.
    pub(crate) ended_at: Option<DateTime>,
    /// From start to end, in milliseconds.
    pub(crate) duration_ms: Option<Long>,
    /// How many tasks it has started or skipped.
    pub(crate) task_count: i32,
    /// Raw input.
    pub(crate) input: Json,
    /// Transformed output, once it has completed.
    pub(crate) output: Option<Json>,
    /// The error that nothing caught.
    pub(crate) error: Option<WorkflowError>,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
    /// Version of its stream.
    pub(crate) version: Long,
    #[graphql(skip)]
    pub(crate) key: u64,
    #[graphql(skip)]
    pub(crate) stream: String,
}

/// Conditions on runs; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct RunFilter {
    /// One of these.
    pub(crate) status: Option<Vec<RunStatus>>,
    /// Of a workflow in this namespace.
    pub(crate) namespace: Option<String>,
    /// Of a workflow of this name.
    pub(crate) name: Option<String>,
    /// Of this version of a workflow.
    pub(crate) version: Option<String>,
    /// Started by this actor, for example `token:default`.
    pub(crate) actor: Option<String>,
    /// Waited for by this run.
    pub(crate) parent_id: Option<ID>,
    /// Started in this time.
    pub(crate) started_at: Option<TimeRange>,
    /// Ended in this time.
    pub(crate) ended_at: Option<TimeRange>,
}

#[ComplexObject]
impl Run {
    /// Its tasks, in the order in which they were started.
    #[expect(
        clippy::too_many_arguments,
        reason = "the four arguments of a connection, a filter and an order"
    )]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<TaskFilter>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Task>> {
        let page = PageArgs { first, after, last, before }.page('t', order)?;
        let filter = filter.unwrap_or_default();
        let total = filter.is_empty().then(|| Long::of(i64::from(self.task_count)));
        task::list(&mut reader(ctx).await?, &page, filter, Some(self.key), total).await
    }

    /// Its events.
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Event>> {
        let page = PageArgs { first, after, last, before }.page('e', order)?;
        let filter = EventFilter { stream: Some(self.stream.clone()), ..EventFilter::default() };
        event::list(ctx, &mut reader(ctx).await?, &page, filter).await
    }

    /// The runs it waits or waited for.
    async fn children(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Run>> {
        let page = PageArgs { first, after, last, before }.page('r', order)?;
        let filter = RunFilter { parent_id: Some(self.id.clone()), ..RunFilter::default() };
        list(&mut reader(ctx).await?, &page, filter, false).await
    }

    /// The run that waits for it.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        match &self.parent_id {
            Some(id) => one(&mut reader(ctx).await?, id).await,
            None => Ok(None),
        }
    }

    /// The document it executes.
    async fn definition(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        if !self.workflow.inline {
            let reference = &self.workflow;
            let mut reader = reader(ctx).await?;
            let (namespace, name) = (&reference.namespace, &reference.name);
            let found = workflow::version(&mut reader, namespace, name, Some(&reference.version)).await?;
            return Ok(found.map(|workflow| workflow.definition));
        }
        let deps = ctx.data::<Deps>()?;
        let started = event::first_of(&*deps.history, &self.stream).await?;
        Ok(started.and_then(|event| inline_definition(&event.data)))
    }
}

fn inline_definition(data: &[u8]) -> Option<Json> {
    #[derive(serde::Deserialize)]
    struct Started<'a> {
        #[serde(borrow)]
        definition: Option<&'a serde_json::value::RawValue>,
    }
    let started: Started<'_> = serde_json::from_slice(data).ok()?;
    started.definition.map(|definition| Json(definition.get().into()))
}

/// Run id of an argument.
pub(crate) fn id_of(id: &ID) -> Result<RunId> {
    id.parse().map_err(|error| Code::BadArgument.error(format!("{error}")))
}

/// One run by its id.
pub(crate) async fn one(reader: &mut Reader, id: &ID) -> Result<Option<Run>> {
    let stream = StreamId::run(id_of(id)?);
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    sql.push(" WHERE s.name = ").push_bind(stream.as_str().to_owned());
    rows(reader, &mut sql).await?.first().map(run).transpose()
}

/// The run of a stream's key.
pub(crate) async fn of_key(reader: &mut Reader, key: u64) -> Result<Option<Run>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    sql.push(" WHERE r.key = ").push_bind(i64::try_from(key).unwrap_or(i64::MAX));
    rows(reader, &mut sql).await?.first().map(run).transpose()
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
        conditions(&mut sql, &filter)?;
        page.finish(&mut sql, "key");
        sql.push(")");
    }
    sql.push(") AS p ON p.key = r.key");
    page.sort(&mut sql, "r.key");
    let position = reader.position().into();
    let runs = rows(reader, &mut sql).await?;
    Ok(page.connect(keyed(&runs, run, |one| one.key)?, About { total_count, position }))
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
        status, namespace: None, name: None, version: None, actor: None, parent_id: None, ..
    } = filter
    else {
        return Ok(None);
    };
    if filter.started_at.is_some() || filter.ended_at.is_some() {
        return Ok(None);
    }
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT coalesce(sum(runs), 0) FROM run_counts WHERE 1 = 1");
    let names = status.as_ref().map(|wanted| wanted.iter().map(|status| status.name()).collect());
    any_of(&mut sql, "status", "status", names)?;
    let total: i64 = sql.build_query_scalar().fetch_one(&mut **reader).await.map_err(fault::database)?;
    Ok(Some(Long::of(total)))
}

fn run(row: &SqliteRow) -> Result<Run> {
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
    })
}

/// The error column of a run or a task.
pub(crate) fn error(row: &Columns<'_>) -> Result<Option<WorkflowError>> {
    let Some(text) = row.get::<Option<&str>>("error")? else { return Ok(None) };
    let error: openclaw_model::event::run::WorkflowError =
        serde_json::from_str(text).map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?;
    Ok(Some(WorkflowError {
        r#type: error.r#type,
        status: error.status.into(),
        title: error.title,
        detail: error.detail,
        instance: error.instance,
    }))
}

/// Where a stream's events begin.
pub(crate) const FIRST: Version = Version(1);
