//! Executions of tasks.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::StreamId;
use openclaw_projection::Moment;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, TimeRange, any_of, attempt,
    attempt::Attempt,
    duration,
    effect::{self, Effect},
    equal, keyed,
    policy::{self, Decision},
    reader_of, rows,
    run::{self, Run, WorkflowError},
    within,
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    scalar::{DateTime, Json, Long, Position},
};

/// Selects tasks as [`task`] reads them.
pub(crate) const SELECT: &str = "SELECT t.*, s.name AS stream, r.forked_from, r.forked FROM tasks t \
     JOIN streams s ON s.key = t.run JOIN runs r ON r.key = t.run WHERE 1 = 1";

/// How one execution of a task stands, in the words of the Serverless Workflow specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::TaskStatus", rename_items = "lowercase")]
pub(crate) enum TaskStatus {
    /// At work, or with children at work.
    Running,
    /// It waits for a time, an event or people.
    Waiting,
    /// The outcome of its effect is unknown, or it failed and somebody has to decide.
    Suspended,
    /// Stopped before its end.
    Cancelled,
    /// Ended with an error.
    Faulted,
    /// Ended well.
    Completed,
    /// Its condition was false.
    Skipped,
}

impl TaskStatus {
    fn name(self) -> &'static str {
        openclaw_projection::TaskStatus::from(self).as_str()
    }

    fn parse(text: &str) -> Option<Self> {
        openclaw_projection::TaskStatus::parse(text).map(Self::from)
    }
}

/// One execution of a task of a run. A task that runs again in a loop or a retry is another one.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Task {
    /// The run's id and the ordinal, with a slash between.
    pub(crate) id: ID,
    /// The run it belongs to.
    pub(crate) run_id: ID,
    /// Its ordinal in the run, from 1.
    pub(crate) task: i32,
    /// Ordinal of the task that it is part of.
    pub(crate) parent_task: Option<i32>,
    /// Its name in the document.
    pub(crate) name: String,
    /// Where it stands in the run: the names above it and its own, with iterations, for example `/loop[3]/step`.
    /// Tasks that run again for another reason have the same path.
    pub(crate) path: String,
    /// JSON pointer to it in the document.
    pub(crate) reference: String,
    /// What it does, by its keyword in the document: `set`, `call`, `run` and so on.
    pub(crate) kind: String,
    /// How it stands.
    pub(crate) status: TaskStatus,
    /// Which iteration of an enclosing `for` it belongs to, from 0.
    pub(crate) iteration: Option<i32>,
    /// Which attempt of an enclosing `try` it belongs to, from 1.
    pub(crate) attempt: i32,
    /// Of a `try`: how often its tasks were started again.
    pub(crate) retries: i32,
    /// Of an effect: how often it was dispatched.
    pub(crate) dispatches: i32,
    /// What it does to the world; null if it does nothing to it.
    pub(crate) effect: Option<Effect>,
    /// Of a `listen`: how many events it has taken in.
    pub(crate) consumed: i32,
    /// Whether it was copied from the run that its run was forked from.
    pub(crate) copied: bool,
    /// When it began.
    pub(crate) started_at: DateTime,
    /// When it ended.
    pub(crate) ended_at: Option<DateTime>,
    /// From start to end, in milliseconds.
    pub(crate) duration_ms: Option<Long>,
    /// When it began to wait as it does, if it waits.
    pub(crate) since: Option<DateTime>,
    /// While it waits: until when.
    pub(crate) due: Option<DateTime>,
    /// When it times out.
    pub(crate) deadline: Option<DateTime>,
    /// Transformed input; null when it was skipped.
    pub(crate) input: Option<Json>,
    /// Transformed output.
    pub(crate) output: Option<Json>,
    /// The error it ended with, or the last one that a `try` caught.
    pub(crate) error: Option<WorkflowError>,
    /// Position of the event that started or skipped it.
    pub(crate) position: Position,
    #[graphql(skip)]
    pub(crate) run_key: u64,
    #[graphql(skip)]
    pub(crate) key: u64,
    #[graphql(skip)]
    moment: Option<Moment>,
}

/// Conditions on tasks; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct TaskFilter {
    /// Of this run.
    pub(crate) run_id: Option<ID>,
    /// One of these.
    pub(crate) status: Option<Vec<TaskStatus>>,
    /// One of these keywords.
    pub(crate) kind: Option<Vec<String>>,
    /// Of this name.
    pub(crate) name: Option<String>,
    /// Part of the task with this ordinal.
    pub(crate) parent_task: Option<i32>,
    /// At the top level of its run, or not.
    pub(crate) top_level: Option<bool>,
    /// At this place of its run.
    pub(crate) path: Option<String>,
    /// Started in this time.
    pub(crate) started_at: Option<TimeRange>,
}

impl TaskFilter {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { run_id, status, kind, name, parent_task, top_level, path, started_at } = self;
        run_id.is_none()
            && status.is_none()
            && kind.is_none()
            && name.is_none()
            && parent_task.is_none()
            && top_level.is_none()
            && path.is_none()
            && started_at.is_none()
    }
}

#[ComplexObject]
impl Task {
    /// What policies said about its effect; null if none counted for it.
    async fn decision(&self, ctx: &Context<'_>) -> Result<Option<Decision>> {
        policy::of_task(&mut reader_of(ctx, self.moment.as_ref()).await?, self.key).await
    }

    /// The run it belongs to.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        run::of_key(&mut reader_of(ctx, self.moment.as_ref()).await?, self.run_key).await
    }

    /// The task that it is part of.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Task>> {
        let Some(parent) = self.parent_task else { return Ok(None) };
        one(&mut reader_of(ctx, self.moment.as_ref()).await?, &self.run_id, parent).await
    }

    /// The tasks that are part of it, in the order in which they were started.
    #[expect(
        clippy::too_many_arguments,
        reason = "the four arguments of a connection, a filter and an order"
    )]
    async fn children(
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
        let filter = TaskFilter { parent_task: Some(self.task), ..filter.unwrap_or_default() };
        let mut reader = reader_of(ctx, self.moment.as_ref()).await?;
        list(&mut reader, &page, filter, Some(self.run_key), None).await
    }

    /// Of a `try`: the attempts that failed. The one that runs, or that ended well, is not among them.
    async fn attempts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Attempt>> {
        let page = PageArgs { first, after, last, before }.page('a', SortOrder::Asc)?;
        attempt::list(&mut reader_of(ctx, self.moment.as_ref()).await?, &page, self.key).await
    }
}

/// One task of a run.
pub(crate) async fn one(reader: &mut Reader, run_id: &ID, task: i32) -> Result<Option<Task>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "s.name", Some(StreamId::run(run::id_of(run_id)?).as_str().to_owned()));
    equal(&mut sql, "t.task", Some(task));
    reader.reach().labelled(&mut sql, "s.namespace");
    let moment = reader.moment().cloned();
    rows(reader, &mut sql).await?.first().map(|row| self::task(row, moment)).transpose()
}

/// A page of tasks, of one run or of all.
pub(crate) async fn list(
    reader: &mut Reader,
    page: &Page,
    filter: TaskFilter,
    run: Option<u64>,
    total_count: Option<Long>,
) -> Result<Listed<Task>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    reader.reach().labelled(&mut sql, "s.namespace");
    equal(&mut sql, "t.run", run.map(|key| i64::try_from(key).unwrap_or(i64::MAX)));
    if let Some(id) = &filter.run_id {
        equal(&mut sql, "s.name", Some(StreamId::run(run::id_of(id)?).as_str().to_owned()));
    }
    if let Some(status) = filter.status {
        // The index by status leaves completed tasks out; SQLite uses it only when told that none is wanted.
        if !status.contains(&TaskStatus::Completed) {
            sql.push(" AND t.status <> 'completed'");
        }
        any_of(&mut sql, "t.status", "status", Some(status.into_iter().map(TaskStatus::name).collect()))?;
    }
    any_of(&mut sql, "t.kind", "kind", filter.kind)?;
    equal(&mut sql, "t.name", filter.name);
    equal(&mut sql, "t.parent", filter.parent_task);
    equal(&mut sql, "t.path", filter.path);
    if let Some(top) = filter.top_level {
        sql.push(if top { " AND t.parent IS NULL" } else { " AND t.parent IS NOT NULL" });
    }
    within(&mut sql, "t.started_at", filter.started_at);
    page.finish(&mut sql, "t.key");
    let (position, moment) = (reader.position().into(), reader.moment().cloned());
    let tasks = rows(reader, &mut sql).await?;
    let tasks = keyed(&tasks, |row| task(row, moment.clone()), |one| one.key)?;
    Ok(page.connect(tasks, About { total_count, position }))
}

/// A task of a row that [`SELECT`] gave.
pub(crate) fn task(row: &SqliteRow, moment: Option<Moment>) -> Result<Task> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    let run_id = stream.strip_prefix("run/").unwrap_or(stream);
    let task: i32 = row.get("task")?;
    let key: i64 = row.get("key")?;
    let (started_at, ended_at) = (row.time("started_at")?, row.maybe_time("ended_at")?);
    Ok(Task {
        id: format!("{run_id}/{task}").into(),
        run_id: run_id.into(),
        task,
        parent_task: row.get("parent")?,
        name: row.get("name")?,
        path: row.get("path")?,
        reference: row.get("reference")?,
        kind: row.get("kind")?,
        status: row.status("status", TaskStatus::parse)?,
        iteration: row.get("iteration")?,
        attempt: row.get("attempt")?,
        retries: row.get("retries")?,
        dispatches: row.get("dispatches")?,
        effect: effect::effect(&row)?,
        consumed: row.get("consumed")?,
        copied: row.get::<Option<&[u8]>>("forked_from")?.is_some()
            && row.get::<Option<i64>>("forked")?.is_none_or(|end| key < end),
        started_at,
        ended_at,
        duration_ms: duration(started_at, ended_at),
        since: row.maybe_time("since")?,
        due: row.maybe_time("due")?,
        deadline: row.maybe_time("deadline")?,
        input: row.json("input")?,
        output: row.json("output")?,
        error: run::error(&row)?,
        position: row.position("key")?,
        run_key: row.key("run")?,
        key: key.unsigned_abs(),
        moment,
    })
}
