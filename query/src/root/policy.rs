//! Questions about tool policies.

use async_graphql::{Context, Object, Result};
use openclaw_model::access::Need;

use crate::{
    access::{Needs, needs},
    cursor::{Listed, PageArgs, SortOrder},
    read::{
        policy::{self, Decision, DecisionFilter, Policy},
        reader_at,
    },
    scalar::{Long, Position},
};

/// Tool policies.
#[derive(Debug, Default)]
pub(crate) struct PolicyQuestions;

#[Object]
#[expect(
    clippy::too_many_arguments,
    reason = "connection, conditions, order and consistency are arguments each"
)]
impl PolicyQuestions {
    /// Tool policies, newest first.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn policies(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        removed: Option<bool>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Policy>> {
        let page = PageArgs { first, after, last, before }.page('y', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        policy::policies(&mut reader, &page, removed).await
    }

    /// What policies said about the use of tools, newest first.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn decisions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default)] filter: DecisionFilter,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Decision>> {
        let page = PageArgs { first, after, last, before }.page('i', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        policy::decisions(&mut reader, &page, filter).await
    }
}
