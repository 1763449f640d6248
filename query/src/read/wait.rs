//! What open runs wait for, and why.
//!
//! There is no table of waits: what waits is a task or a run, and its row says for what.

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject};
use openclaw_model::Timestamp;
use openclaw_projection::Moment;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, any_of,
    approval::{self, Approval},
    keyed, reader, reader_of, rows,
    run::{self, Run, WorkflowError},
    task::{self, Task},
};
use crate::{
    Deps,
    access::{Reach, Reader},
    cursor::{About, Listed, Page},
    fault,
    scalar::{DateTime, Json, Long, Position},
};

/// What something waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(rename_items = "snake_case")]
pub(crate) enum WaitKind {
    /// A `wait` task: its time.
    Timer,
    /// A `try`: the time of its next attempt.
    Backoff,
    /// A `listen` task: events.
    Event,
    /// A decision of people.
    Approval,
    /// The end of a child run.
    Child,
    /// The outcome of another effect.
    Effect,
    /// Somebody who says what became of an effect.
    UnknownEffect,
    /// A task that failed: somebody who retries it or lets the error go on.
    Held,
    /// A run: somebody who resumes it.
    Paused,
    /// A run: the time before which it may not start.
    StartTime,
    /// A run: an end of another run with the same concurrency key.
    Concurrency,
}

impl WaitKind {
    const ALL: [Self; 11] = [
        Self::Timer,
        Self::Backoff,
        Self::Event,
        Self::Approval,
        Self::Child,
        Self::Effect,
        Self::UnknownEffect,
        Self::Held,
        Self::Paused,
        Self::StartTime,
        Self::Concurrency,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Backoff => "backoff",
            Self::Event => "event",
            Self::Approval => "approval",
            Self::Child => "child",
            Self::Effect => "effect",
            Self::UnknownEffect => "unknown_effect",
            Self::Held => "held",
            Self::Paused => "paused",
            Self::StartTime => "start_time",
            Self::Concurrency => "concurrency",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// One thing that an open run waits for.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Wait {
    /// What for.
    pub(crate) kind: WaitKind,
    /// The run that waits.
    pub(crate) run_id: ID,
    /// Ordinal of the task that waits; null when it is the run itself.
    pub(crate) task_id: Option<i32>,
    /// Where that task stands in its run.
    pub(crate) path: Option<String>,
    /// Since when.
    pub(crate) since: DateTime,
    /// Until when at most.
    pub(crate) due: Option<DateTime>,
    /// Attributes of the events that are waited for, one object for each alternative; empty if any event will do.
    pub(crate) interests: Option<Json>,
    /// The decision that is waited for.
    pub(crate) approval_id: Option<ID>,
    /// The run whose end is waited for.
    pub(crate) child_id: Option<ID>,
    /// What bounds the runs of its key.
    pub(crate) concurrency: Option<Concurrency>,
    /// Why it was paused, in the words of who paused it.
    pub(crate) reason: Option<String>,
    /// The error of a task that is held, or the last one before a back-off.
    pub(crate) error: Option<WorkflowError>,
    /// Position of the event that started the task, or of the one that started or paused the run.
    pub(crate) position: Position,
    #[graphql(skip)]
    run_key: u64,
    #[graphql(skip)]
    moment: Option<Moment>,
}

/// A bound on how many runs of one key are under way.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Concurrency {
    /// Common to the runs that are counted together.
    pub(crate) key: String,
    /// How many of them may be under way.
    pub(crate) limit: i32,
    /// The namespace in which they are counted.
    pub(crate) namespace: String,
}

#[ComplexObject]
impl Concurrency {
    /// How many of them are under way now.
    async fn running(&self, ctx: &Context<'_>) -> Result<Long> {
        // Runs of one key are counted within their namespace.
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT count(*) FROM runs WHERE status IN ('running', 'waiting', 'suspended') AND concurrency_key = ",
        );
        sql.push_bind(self.key.clone()).push(" AND namespace = ").push_bind(self.namespace.clone());
        let mut reader = reader(ctx).await?;
        let count = sql.build_query_scalar().fetch_one(&mut *reader).await;
        count.map(Long::of).map_err(fault::database)
    }
}

#[ComplexObject]
impl Wait {
    /// The run that waits.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        run::of_key(&mut reader_of(ctx, self.moment.as_ref()).await?, self.run_key).await
    }

    /// The task that waits.
    async fn task(&self, ctx: &Context<'_>) -> Result<Option<Task>> {
        let Some(task) = self.task_id else { return Ok(None) };
        task::one(&mut reader_of(ctx, self.moment.as_ref()).await?, &self.run_id, task).await
    }

    /// The decision that is waited for, as it is now.
    async fn approval(&self, ctx: &Context<'_>) -> Result<Option<Approval>> {
        match &self.approval_id {
            Some(id) => approval::one(&mut reader(ctx).await?, id).await,
            None => Ok(None),
        }
    }

    /// The run whose end is waited for, as it is now.
    async fn child(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        match &self.child_id {
            Some(id) => run::one(&mut reader(ctx).await?, id).await,
            None => Ok(None),
        }
    }
}

/// Conditions on waits; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) kind: Option<Vec<WaitKind>>,
    pub(crate) due_before: Option<DateTime>,
    pub(crate) run: Option<u64>,
}

const TASK_KIND: &str = "CASE status \
    WHEN 'waiting' THEN CASE \
        WHEN effect_kind = 'approval' OR (effect IS NOT NULL AND dispatches = 0) THEN 'approval' \
        WHEN kind = 'wait' THEN 'timer' \
        WHEN kind = 'try' THEN 'backoff' ELSE 'event' END \
    WHEN 'suspended' THEN CASE WHEN effect = 'unknown' THEN 'unknown_effect' ELSE 'held' END \
    ELSE CASE WHEN effect_kind = 'run' THEN 'child' ELSE 'effect' END END";

/// A page of waits. Each place that a wait can stand in is looked up by its own index and cut to the page.
pub(crate) async fn list(
    ctx: &Context<'_>,
    reader: &mut Reader,
    page: &Page,
    wanted: &Wanted,
) -> Result<Listed<Wait>> {
    let now = match reader.moment() {
        Some(moment) => moment.at(),
        None => (ctx.data::<Deps>()?.now)(),
    };
    list_at(reader, page, wanted, now).await
}

/// The same, for a time that counts as now.
pub(crate) async fn list_at(
    reader: &mut Reader,
    page: &Page,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Listed<Wait>> {
    let reach = reader.reach();
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT w.*, s.name AS stream, (SELECT text FROM labels WHERE id = s.namespace) AS namespace FROM (",
    );
    for (index, status) in ["waiting", "suspended", "running"].into_iter().enumerate() {
        sql.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push(format_args!(
            "SELECT * FROM (SELECT key, {TASK_KIND} AS wait, run, task, path, coalesce(since, started_at) AS since, \
             due, detail, NULL AS reason, NULL AS concurrency_key, NULL AS concurrency_limit, error FROM tasks "
        ));
        // The index by status leaves completed tasks out; SQLite uses it only when told that none is wanted. Within a
        // run, its own index is the better one.
        let column = if wanted.run.is_some() { "+status" } else { "status" };
        sql.push(format_args!("WHERE {column} = '{status}' AND status <> 'completed'"));
        if status == "running" {
            sql.push(" AND effect IN ('intended', 'redispatched')");
        }
        finish(&mut sql, &reach, wanted, "tasks.run", page)?;
    }
    sql.push(
        " UNION ALL SELECT * FROM (SELECT * FROM (SELECT paused AS key, 'paused' AS wait, key AS run, NULL, NULL, \
         paused_at AS since, NULL AS due, NULL, pause_reason, NULL, NULL, NULL FROM runs WHERE paused IS NOT NULL AND ended_at IS NULL",
    );
    finish(&mut sql, &reach, wanted, "runs.key", page)?;
    sql.push(" UNION ALL SELECT * FROM (SELECT * FROM (SELECT key, CASE WHEN not_before > ");
    sql.push_bind(now.as_micros()).push(
        " THEN 'start_time' ELSE 'concurrency' END AS wait, key AS run, NULL, NULL, started_at AS since, \
         not_before AS due, NULL, NULL, concurrency_key, concurrency_limit, NULL FROM runs \
         WHERE status = 'pending' AND (concurrency_key IS NOT NULL OR not_before > ",
    );
    sql.push_bind(now.as_micros()).push(")");
    finish(&mut sql, &reach, wanted, "runs.key", page)?;
    sql.push(") AS w JOIN streams s ON s.key = w.run ");
    page.sort(&mut sql, "w.key");
    let (position, moment) = (reader.position().into(), reader.moment().cloned());
    let found = rows(reader, &mut sql).await?;
    let waits = keyed(&found, |row| wait(row, moment.clone()), |one| one.position.0)?;
    Ok(page.connect(waits, About { total_count: None, position }))
}

/// Ends one branch: its conditions, and the page. The inner two selects are closed.
fn finish(
    sql: &mut QueryBuilder<Sqlite>,
    reach: &Reach,
    wanted: &Wanted,
    run: &str,
    page: &Page,
) -> Result<()> {
    reach.of_stream(sql, run);
    if let Some(key) = wanted.run {
        sql.push(format_args!(" AND {run} = ")).push_bind(i64::try_from(key).unwrap_or(i64::MAX));
    }
    sql.push(") WHERE 1 = 1");
    let kinds = wanted.kind.as_ref().map(|kinds| kinds.iter().map(|kind| kind.name()).collect());
    any_of(sql, "wait", "kind", kinds)?;
    if let Some(before) = wanted.due_before {
        sql.push(" AND due <= ").push_bind(before.0.as_micros());
    }
    page.finish(sql, "key");
    sql.push(")");
    Ok(())
}

fn wait(row: &SqliteRow, moment: Option<Moment>) -> Result<Wait> {
    #[derive(Default, serde::Deserialize)]
    struct Detail {
        interests: Option<Box<serde_json::value::RawValue>>,
        approval: Option<String>,
        run: Option<String>,
    }
    let row = Columns(row);
    let kind = row.status("wait", WaitKind::parse)?;
    let detail: Detail = match row.get::<Option<&str>>("detail")? {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?
        }
        None => Detail::default(),
    };
    let concurrency = match (kind, row.get::<Option<String>>("concurrency_key")?) {
        (WaitKind::Concurrency, Some(key)) => {
            Some(Concurrency { key, limit: row.get("concurrency_limit")?, namespace: row.get("namespace")? })
        }
        _ => None,
    };
    let stream: &str = row.get("stream")?;
    let due = row.maybe_time("due")?;
    Ok(Wait {
        kind,
        run_id: stream.strip_prefix("run/").unwrap_or(stream).into(),
        task_id: row.get("task")?,
        path: row.get("path")?,
        since: row.time("since")?,
        due: due.filter(|_| kind != WaitKind::Concurrency),
        interests: detail.interests.map(|text| Json(text.get().into())),
        approval_id: detail.approval.map(ID::from),
        child_id: detail.run.map(ID::from),
        concurrency,
        reason: row.get("reason")?,
        error: run::error(&row)?,
        position: row.position("key")?,
        run_key: row.key("run")?,
        moment,
    })
}
