//! Schedules of workflows.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, equal, keyed, reader, rows,
    run::{self, Run, RunFilter},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    scalar::{DateTime, Json, Long, Position},
};

/// What starts a workflow by itself. All versions of a workflow share one schedule.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Schedule {
    /// Namespace of the workflow.
    pub(crate) namespace: String,
    /// Name of the workflow.
    pub(crate) name: String,
    /// Version whose schedule is, or was last, in force.
    pub(crate) version: String,
    /// BLAKE3 of that definition, hexadecimal.
    pub(crate) digest: String,
    /// Whether it is in force.
    pub(crate) active: bool,
    /// When it starts the workflow: `{"type": "every" | "cron" | "after" | "on", ...}`.
    pub(crate) timetable: Json,
    /// What happens while a run is under way: `allow`, `skip` or `cancel`.
    pub(crate) overlap: String,
    /// What happens to missed ticks: `skip`, `latest` or `all`.
    pub(crate) missed: String,
    /// Attributes of the events that start it, one object for each alternative; empty if any event will do, null if
    /// it is no event that starts it.
    pub(crate) interests: Option<Json>,
    /// Input of the runs that a time starts.
    pub(crate) input: Option<Json>,
    /// Since when it is as it is.
    pub(crate) activated_at: DateTime,
    /// Since when it is paused.
    pub(crate) paused_at: Option<DateTime>,
    /// Why, in the words of who paused it.
    pub(crate) pause_reason: Option<String>,
    /// The newest tick.
    pub(crate) last_tick: Option<Tick>,
    /// How many runs it has started.
    pub(crate) run_count: Long,
    /// How many ticks started none.
    pub(crate) skip_count: Long,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
    #[graphql(skip)]
    key: u64,
}

/// A time that came, or events that were complete.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Tick {
    /// When it was due; null when events triggered it.
    pub(crate) due: Option<DateTime>,
    /// When it happened.
    pub(crate) at: DateTime,
    /// The newest run that the schedule started, with this tick or before it.
    pub(crate) run_id: Option<ID>,
    /// Why it started none: `overlap` or `missed`.
    pub(crate) skipped: Option<String>,
}

/// Conditions on schedules; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) active: Option<bool>,
}

#[ComplexObject]
impl Schedule {
    /// The runs that it started, newest first.
    async fn runs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
    ) -> Result<Listed<Run>> {
        let page = PageArgs { first, after, last, before }.page('r', order)?;
        let schedule = Some(format!("{}/{}", self.namespace, self.name));
        let filter = RunFilter { schedule, ..RunFilter::default() };
        run::list(&mut reader(ctx).await?, &page, filter, false).await
    }
}

/// A page of schedules.
pub(crate) async fn list(reader: &mut Reader, page: &Page, wanted: Wanted) -> Result<Listed<Schedule>> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT c.*, s.last_position FROM schedules c JOIN streams s ON s.key = c.key WHERE 1 = 1",
    );
    reader.reach().named(&mut sql, "c.namespace");
    equal(&mut sql, "c.namespace", wanted.namespace);
    equal(&mut sql, "c.name", wanted.name);
    equal(&mut sql, "c.active", wanted.active);
    page.finish(&mut sql, "c.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let schedules = keyed(&found, schedule, |one| one.key)?;
    Ok(page.connect(schedules, About { total_count: None, position }))
}

fn schedule(row: &SqliteRow) -> Result<Schedule> {
    let row = Columns(row);
    let last_tick = match row.maybe_time("last_at")? {
        Some(at) => Some(Tick {
            due: row.maybe_time("last_due")?,
            at,
            run_id: row.uuid("last_run")?.map(ID::from),
            skipped: row.get("last_skipped")?,
        }),
        None => None,
    };
    Ok(Schedule {
        namespace: row.get("namespace")?,
        name: row.get("name")?,
        version: row.get("version")?,
        digest: row.hex("digest")?,
        active: row.get("active")?,
        timetable: row.json("timetable")?.unwrap_or_else(|| Json("null".into())),
        overlap: row.get("overlap")?,
        missed: row.get("missed")?,
        interests: row.json("interests")?,
        input: row.json("input")?,
        activated_at: row.time("activated_at")?,
        paused_at: row.maybe_time("paused_at")?,
        pause_reason: row.get("pause_reason")?,
        last_tick,
        run_count: row.long("runs")?,
        skip_count: row.long("skipped")?,
        first_position: row.position("key")?,
        position: row.position("last_position")?,
        key: row.key("key")?,
    })
}
