//! Questions about what proves the log.

use async_graphql::{Context, Object, Result};
use openclaw_model::access::Need;

use crate::{
    access::{Needs, needs},
    cursor::{Listed, PageArgs, SortOrder},
    read::{
        checkpoint::{self, AuditStatus, Checkpoint},
        reader_at,
    },
    scalar::{Long, Position},
};

/// What proves the log.
#[derive(Debug, Default)]
pub(crate) struct AuditQuestions;

#[Object]
#[expect(clippy::too_many_arguments, reason = "connection, order and consistency are arguments each")]
impl AuditQuestions {
    /// How far the log is signed.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn audit_status(
        &self,
        ctx: &Context<'_>,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<AuditStatus> {
        checkpoint::status(ctx, &mut reader_at(ctx, min_position, timeout_ms).await?).await
    }

    /// Signed checkpoints of the log, newest first.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn checkpoints(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
        min_position: Option<Position>,
        timeout_ms: Option<Long>,
    ) -> Result<Listed<Checkpoint>> {
        let page = PageArgs { first, after, last, before }.page('q', order)?;
        let mut reader = reader_at(ctx, min_position, timeout_ms).await?;
        checkpoint::list(ctx, &mut reader, &page).await
    }
}
