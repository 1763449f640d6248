//! Executions of tasks.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::StreamId;
use openclaw_projection::Reader;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, TimeRange, any_of, duration, equal, keyed, reader, rows,
    run::{self, Run, WorkflowError},
    within,
};
use crate::{
    cursor::{About, Listed, Page},
    scalar::{DateTime, Json, Long, Position},
};

const SELECT: &str = "SELECT t.*, s.name AS stream FROM tasks t JOIN streams s ON s.key = t.run WHERE 1 = 1";

/// How one execution of a task stands, in the words of the Serverless Workflow specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::TaskStatus", rename_items = "lowercase")]
pub(crate) enum TaskStatus {
    /// At work, or with children at work.
    Running,
    /// It waits for a time: a timer, or the pause before a retry.
    Waiting,
    /// The outcome of its effect is unknown.
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
    /// When it began.
    pub(crate) started_at: DateTime,
    /// When it ended.
    pub(crate) ended_at: Option<DateTime>,
    /// From start to end, in milliseconds.
    pub(crate) duration_ms: Option<Long>,
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
    /// Started in this time.
    pub(crate) started_at: Option<TimeRange>,
}

impl TaskFilter {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { run_id, status, kind, name, parent_task, started_at } = self;
        run_id.is_none()
            && status.is_none()
            && kind.is_none()
            && name.is_none()
            && parent_task.is_none()
            && started_at.is_none()
    }
}

#[ComplexObject]
impl Task {
    /// The run it belongs to.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        run::of_key(&mut reader(ctx).await?, self.run_key).await
    }
}

/// One task of a run.
pub(crate) async fn one(reader: &mut Reader, run_id: &ID, task: i32) -> Result<Option<Task>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "s.name", Some(StreamId::run(run::id_of(run_id)?).as_str().to_owned()));
    equal(&mut sql, "t.task", Some(task));
    rows(reader, &mut sql).await?.first().map(self::task).transpose()
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
    within(&mut sql, "t.started_at", filter.started_at);
    page.finish(&mut sql, "t.key");
    let position = reader.position().into();
    let tasks = rows(reader, &mut sql).await?;
    Ok(page.connect(keyed(&tasks, task, |one| one.key)?, About { total_count, position }))
}

fn task(row: &SqliteRow) -> Result<Task> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    let run_id = stream.strip_prefix("run/").unwrap_or(stream);
    let task: i32 = row.get("task")?;
    let (started_at, ended_at) = (row.time("started_at")?, row.maybe_time("ended_at")?);
    Ok(Task {
        id: format!("{run_id}/{task}").into(),
        run_id: run_id.into(),
        task,
        parent_task: row.get("parent")?,
        name: row.get("name")?,
        reference: row.get("reference")?,
        kind: row.get("kind")?,
        status: row.status("status", TaskStatus::parse)?,
        iteration: row.get("iteration")?,
        attempt: row.get("attempt")?,
        retries: row.get("retries")?,
        dispatches: row.get("dispatches")?,
        started_at,
        ended_at,
        duration_ms: duration(started_at, ended_at),
        due: row.maybe_time("due")?,
        deadline: row.maybe_time("deadline")?,
        input: row.json("input")?,
        output: row.json("output")?,
        error: run::error(&row)?,
        position: row.position("key")?,
        run_key: row.key("run")?,
        key: row.key("key")?,
    })
}
