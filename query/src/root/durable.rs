//! Questions about durable work: waits, decisions, effects, schedules, webhooks, and comparing runs.

use async_graphql::{Context, ID, Object, Result};
use openclaw_model::access::Need;

use crate::{
    access::{Needs, needs},
    cursor::{Listed, PageArgs, SortOrder},
    read::{
        approval::{self, Approval, ApprovalState},
        diff::{self, RunDiff},
        effect::{self, EffectState, LedgerEntry},
        published::{self, PublishedEvent},
        reader_at,
        schedule::{self, Schedule},
        wait::{self, Wait, WaitKind},
        webhook::{self, Webhook},
    },
    scalar::{DateTime, Long, Position},
};

/// Durable work.
#[derive(Debug, Default)]
pub(crate) struct DurableQuestions;

#[Object]
#[expect(
    clippy::too_many_arguments,
    reason = "connection, conditions, order and consistency are arguments each"
)]
impl DurableQuestions {
    /// What open runs wait for, and why; oldest first. `dueBefore` leaves what is due at or before that time.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn waits(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        kind: Option<Vec<WaitKind>>,
        due_before: Option<DateTime>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Wait>> {
        let page = PageArgs { first, after, last, before }.page('p', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        wait::list(ctx, &mut reader, &page, &wait::Wanted { kind, due_before, run: None }).await
    }

    /// One decision of people.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn approval(
        &self,
        ctx: &Context<'_>,
        id: ID,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Option<Approval>> {
        approval::one(&mut reader_at(ctx, min_position, timeout_ms).await?, &id).await
    }

    /// Decisions of people, newest first. With `assignee` or `role`, those that this person, or somebody in one of
    /// these roles, may decide; what everybody may decide is among them.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn approvals(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        state: Option<Vec<ApprovalState>>,
        assignee: Option<String>,
        role: Option<Vec<String>>,
        run_id: Option<ID>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Approval>> {
        let page = PageArgs { first, after, last, before }.page('g', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        approval::list(&mut reader, &page, approval::Wanted { state, assignee, role, run_id }).await
    }

    /// The effect ledger: what runs did to the world, newest first.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn effects(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        state: Option<Vec<EffectState>>,
        kind: Option<Vec<String>>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<LedgerEntry>> {
        let page = PageArgs { first, after, last, before }.page('t', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        effect::list(&mut reader, &page, &effect::Wanted { state, kind, run: None }).await
    }

    /// Schedules of workflows, newest first.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        namespace: Option<String>,
        name: Option<String>,
        active: Option<bool>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Schedule>> {
        let page = PageArgs { first, after, last, before }.page('c', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        schedule::list(&mut reader, &page, schedule::Wanted { namespace, name, active }).await
    }

    /// Receivers of events outside, newest first.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        name: Option<String>,
        removed: Option<bool>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Webhook>> {
        let page = PageArgs { first, after, last, before }.page('h', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        webhook::list(&mut reader, &page, webhook::Wanted { name, removed }).await
    }

    /// CloudEvents that somebody outside published or that runs emitted, newest first.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn published_events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        r#type: Option<Vec<String>>,
        source: Option<String>,
        run_id: Option<ID>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<PublishedEvent>> {
        let page = PageArgs { first, after, last, before }.page('u', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        published::list(&mut reader, &page, published::Wanted { r#type, source, run_id }).await
    }

    /// Compares two runs: a fork and its origin, or any two of one workflow. Each may have at most 5,000 tasks with
    /// 16 MiB of data.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn run_diff(
        &self,
        ctx: &Context<'_>,
        a: ID,
        b: ID,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<RunDiff> {
        diff::compare(&mut reader_at(ctx, min_position, timeout_ms).await?, &a, &b).await
    }
}
