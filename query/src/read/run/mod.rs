//! Runs of workflows.

mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::{Version, access::Need};
use openclaw_projection::Moment;

pub(crate) use self::list::{id_of, list, of_key, one};
use super::{
    Columns, TimeRange,
    effect::{self, EffectState, LedgerEntry},
    event::{self, Event, EventFilter},
    reader, reader_of,
    task::{self, Task, TaskFilter},
    timeline::{self, TimelineEntry},
    wait::{self, Concurrency, Wait, WaitKind},
    workflow,
};
use crate::{
    Deps,
    access::{Needs, needs},
    cursor::{Listed, PageArgs, SortOrder},
    fault,
    scalar::{DateTime, Json, Long, Position},
};

/// How a run stands, in the words of the Serverless Workflow specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::RunStatus", rename_items = "lowercase")]
pub(crate) enum RunStatus {
    /// Accepted, its input is not validated yet.
    Pending,
    /// At work.
    Running,
    /// All that is open waits for a time, an event or people.
    Waiting,
    /// It is paused, or somebody has to decide about an effect or a failed task.
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

/// A text to find a run by.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Label {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

/// A label that a run has to have.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct LabelFilter {
    /// Its name.
    pub(crate) name: String,
    /// Its value; any, if it is not given.
    pub(crate) value: Option<String>,
}

/// A request to stop a run.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CancelRequest {
    /// When.
    pub(crate) at: DateTime,
    /// Why, in the caller's words.
    pub(crate) reason: Option<String>,
    /// Whether it stops without compensation.
    pub(crate) kill: bool,
}

/// An error in the form of the specification (RFC 7807).
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
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
    /// What becomes of it when nobody waits for it any more: `cancel`, `kill` or `abandon`; null if nobody does.
    pub(crate) parent_close: Option<String>,
    /// Texts to find it by.
    pub(crate) labels: Vec<Label>,
    /// Among runs that wait for the same thing the highest goes first.
    pub(crate) priority: i32,
    /// With which runs it may not all be under way.
    pub(crate) concurrency: Option<Concurrency>,
    /// Its first task does not start before this.
    pub(crate) not_before: Option<DateTime>,
    /// The schedule that started it, `namespace/name`.
    pub(crate) schedule: Option<String>,
    /// The tick of that schedule.
    pub(crate) schedule_due: Option<DateTime>,
    /// The run it was forked from.
    pub(crate) forked_from_id: Option<ID>,
    /// The newest event of that run that both have in common, by its version.
    pub(crate) fork_version: Option<Long>,
    /// Whether the history of that run is still being copied.
    pub(crate) copying: bool,
    /// How often failed tasks of it were started again by `run.retry`.
    pub(crate) retries: i32,
    /// Since when it is paused.
    pub(crate) paused_at: Option<DateTime>,
    /// Why, in the words of who paused it.
    pub(crate) pause_reason: Option<String>,
    /// Whether somebody asked it to stop.
    pub(crate) cancel_request: Option<CancelRequest>,
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
    /// The past that it is shown as of; none for now.
    #[graphql(skip)]
    pub(crate) moment: Option<Moment>,
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
    /// Forked from this run.
    pub(crate) forked_from_id: Option<ID>,
    /// Started by this schedule, `namespace/name`.
    pub(crate) schedule: Option<String>,
    /// With this concurrency key.
    pub(crate) concurrency_key: Option<String>,
    /// Paused, or not.
    pub(crate) paused: Option<bool>,
    /// With all of these labels.
    pub(crate) labels: Option<Vec<LabelFilter>>,
    /// Started in this time.
    pub(crate) started_at: Option<TimeRange>,
    /// Ended in this time.
    pub(crate) ended_at: Option<TimeRange>,
    /// Not started after this position.
    #[graphql(skip)]
    pub(crate) until: Option<Position>,
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
        let mut reader = reader_of(ctx, self.moment.as_ref()).await?;
        task::list(&mut reader, &page, filter, Some(self.key), total).await
    }

    /// Its events.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
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
        event::list(ctx, &mut reader_of(ctx, self.moment.as_ref()).await?, &page, filter).await
    }

    /// What happened in it, one entry after the other.
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<TimelineEntry>> {
        let page = PageArgs { first, after, last, before }.page('e', order)?;
        timeline::list(ctx, &mut reader_of(ctx, self.moment.as_ref()).await?, &page, self).await
    }

    /// What it waits for. Nothing, once it is over.
    async fn waits(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        kind: Option<Vec<WaitKind>>,
    ) -> Result<Listed<Wait>> {
        let page = PageArgs { first, after, last, before }.page('p', SortOrder::Asc)?;
        let wanted = wait::Wanted { kind, due_before: None, run: Some(self.key) };
        wait::list(ctx, &mut reader_of(ctx, self.moment.as_ref()).await?, &page, &wanted).await
    }

    /// What it did to the world.
    async fn effects(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        state: Option<Vec<EffectState>>,
    ) -> Result<Listed<LedgerEntry>> {
        let page = PageArgs { first, after, last, before }.page('t', SortOrder::Asc)?;
        let wanted = effect::Wanted { state, kind: None, run: Some(self.key) };
        effect::list(&mut reader_of(ctx, self.moment.as_ref()).await?, &page, &wanted).await
    }

    /// The runs it waits or waited for. With `asOf`, those that had been started, as they are now.
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
        let filter =
            RunFilter { parent_id: Some(self.id.clone()), until: self.until(), ..RunFilter::default() };
        list(&mut reader(ctx).await?, &page, filter, false).await
    }

    /// The runs that were forked from it. With `asOf`, those that had been started, as they are now.
    async fn forks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Run>> {
        let page = PageArgs { first, after, last, before }.page('r', order)?;
        let filter =
            RunFilter { forked_from_id: Some(self.id.clone()), until: self.until(), ..RunFilter::default() };
        list(&mut reader(ctx).await?, &page, filter, false).await
    }

    /// The run it was forked from, as it is now.
    async fn forked_from(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        match &self.forked_from_id {
            Some(id) => one(&mut reader(ctx).await?, id).await,
            None => Ok(None),
        }
    }

    /// The run that waits for it, as it is now.
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

impl Run {
    fn until(&self) -> Option<Position> {
        self.moment.as_ref().map(|moment| moment.position().into())
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

/// The error column of a run or a task.
pub(crate) fn error(row: &Columns<'_>) -> Result<Option<WorkflowError>> {
    let Some(text) = row.get::<Option<&str>>("error")? else { return Ok(None) };
    let error: openclaw_model::event::run::WorkflowError =
        serde_json::from_str(text).map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?;
    Ok(Some(error.into()))
}

impl From<openclaw_model::event::run::WorkflowError> for WorkflowError {
    fn from(error: openclaw_model::event::run::WorkflowError) -> Self {
        Self {
            r#type: error.r#type,
            status: error.status.into(),
            title: error.title,
            detail: error.detail,
            instance: error.instance,
        }
    }
}

/// Where a stream's events begin.
pub(crate) const FIRST: Version = Version(1);
