//! Where every question begins.

mod audit;
mod durable;
mod policy;

use async_graphql::{Context, ID, MergedObject, Object, Result};
use openclaw_model::access::Need;

use crate::{
    Deps,
    access::{Needs, needs},
    cursor::{Listed, PageArgs, SortOrder},
    homes::Onlooker,
    read::{
        event::{self, Event, EventFilter, Range},
        freshness::{self, Freshness, Projection, Server},
        message::{self, Message, MessageFilter},
        moment, reader, reader_at,
        run::{self, Run, RunFilter},
        session::{self, Session, SessionFilter},
        stats::Stats,
        task::{self, Task, TaskFilter},
        wait_for,
        workflow::{self, Workflow, WorkflowFilter},
    },
    scalar::{Long, Position},
};

/// What may be asked. There is no mutation: whatever changes something is a command over JSON-RPC, which answers
/// with the position to hand to `minPosition` here.
///
/// A field with `minPosition` waits until the view shows every event up to there, at most `timeoutMs` (2,000 when it
/// is not given, at most 10,000), and fails with `CONSISTENCY_TIMEOUT` if it does not. Without it a field answers
/// from where the view stands; the `extensions` of every answer say where that is. Pages have 50 items when `first`
/// and `last` are not given, and at most 200.
#[derive(Debug, Default, MergedObject)]
pub(crate) struct Query(
    BasicQuestions,
    durable::DurableQuestions,
    policy::PolicyQuestions,
    audit::AuditQuestions,
);

/// Runs, tasks, conversations, definitions, the audit log.
#[derive(Debug, Default)]
pub(crate) struct BasicQuestions;

#[Object]
impl BasicQuestions {
    /// How current answers are at this moment.
    #[graphql(guard = "Needs(Need::Nothing)", directive = needs::apply("nothing".into()))]
    async fn freshness(&self, ctx: &Context<'_>) -> Result<Freshness> {
        Ok(freshness::freshness(ctx.data::<Deps>()?))
    }

    /// The worker that keeps the read model.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn projection(&self, ctx: &Context<'_>) -> Result<Projection> {
        let deps = ctx.data::<Deps>()?;
        Ok(freshness::projection(deps, deps.views.progress()))
    }

    /// The server and its log.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn server(&self, ctx: &Context<'_>) -> Result<Server> {
        Ok(freshness::server(ctx.data::<Deps>()?))
    }

    /// One run of a workflow.
    ///
    /// With `asOf` it is shown as it was when that position was the end of the log: it, its tasks, waits, effects,
    /// attempts, timeline and events. Its history is folded for that; it may have at most 20,000 events and 16 MiB
    /// up to there. Other runs that it leads to are shown as they are now.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn run(
        &self,
        ctx: &Context<'_>,
        id: ID,
        as_of: Option<Position>,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Run>> {
        wait_for(ctx, min_position, timeout_ms).await?;
        match as_of {
            Some(position) => moment::run_at(ctx, &id, position).await,
            None => run::one(&mut reader(ctx).await?, &id).await,
        }
    }

    /// Runs of workflows, newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RunFilter>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Run>> {
        let page = PageArgs { first, after, last, before }.page('r', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        run::list(&mut reader, &page, filter.unwrap_or_default(), true).await
    }

    /// One execution of a task, by its ordinal in the run.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn task(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        task: i32,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Task>> {
        task::one(&mut reader_at(ctx, min_position, timeout_ms).await?, &run_id, task).await
    }

    /// Executions of tasks over all runs, newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<TaskFilter>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Task>> {
        let page = PageArgs { first, after, last, before }.page('t', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        task::list(&mut reader, &page, filter.unwrap_or_default(), None, None).await
    }

    /// One conversation.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn session(
        &self,
        ctx: &Context<'_>,
        id: ID,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Session>> {
        session::one(&mut reader_at(ctx, min_position, timeout_ms).await?, &id).await
    }

    /// Conversations, newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<SessionFilter>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Session>> {
        let page = PageArgs { first, after, last, before }.page('s', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        session::list(&mut reader, &page, filter.unwrap_or_default()).await
    }

    /// Messages over all conversations, newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<MessageFilter>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Message>> {
        let page = PageArgs { first, after, last, before }.page('m', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        message::list(&mut reader, &page, filter.unwrap_or_default(), None, None).await
    }

    /// One version of a workflow; without `version` the highest that is not retired, or else the highest.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn workflow(
        &self,
        ctx: &Context<'_>,
        namespace: String,
        name: String,
        version: Option<String>,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Workflow>> {
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        workflow::version(&mut reader, &namespace, &name, version.as_deref()).await
    }

    /// Versions of workflows, newest registration first.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn workflows(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<WorkflowFilter>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Workflow>> {
        let page = PageArgs { first, after, last, before }.page('w', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        workflow::list(&mut reader, &page, filter.unwrap_or_default()).await
    }

    /// The event at a position, from the log itself; null beyond its end.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn event(
        &self,
        ctx: &Context<'_>,
        position: Position,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Event>> {
        wait_for(ctx, min_position, timeout_ms).await?;
        event::one(&Onlooker::of(ctx)?, position).await
    }

    /// The audit log, newest first, between two positions that both belong to it.
    #[expect(
        clippy::too_many_arguments,
        reason = "connection, filter, order and consistency are arguments each"
    )]
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<EventFilter>,
        from: Option<Position>,
        to: Option<Position>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Event>> {
        let page = PageArgs { first, after, last, before }.page('e', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        event::list_within(ctx, &mut reader, &page, filter.unwrap_or_default(), Range { from, to }).await
    }

    /// Figures about what happened.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn stats(
        &self,
        ctx: &Context<'_>,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Stats> {
        wait_for(ctx, min_position, timeout_ms).await?;
        Ok(Stats { position: ctx.data::<Deps>()?.views.progress().position.into() })
    }
}
