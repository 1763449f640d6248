//! Signed checkpoints of the log: where they stand is in the read model, what they say in the log itself.

use async_graphql::{Context, Result, SimpleObject};
use openclaw_model::{
    Event,
    event::{AuditEvent, audit::AuditCheckpoint},
};
use sqlx::{QueryBuilder, Sqlite};

use super::{Columns, keyed, rows};
use crate::{
    Deps,
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    history,
    scalar::{DateTime, Long, Position},
};

/// The head of the log, signed.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Checkpoint {
    /// The newest position that it vouches for.
    pub(crate) covers: Position,
    /// What the one before vouches for; zero for the first.
    pub(crate) after: Position,
    /// Hash of the log there, hexadecimal.
    pub(crate) hash: String,
    /// Root of the tree over the records in between, hexadecimal.
    pub(crate) records: String,
    /// Which log it is about, hexadecimal.
    pub(crate) log: String,
    /// When it was signed.
    pub(crate) signed_at: DateTime,
    /// Public key (Ed25519), base 64.
    pub(crate) key: String,
    /// Signature, base 64.
    pub(crate) signature: String,
    /// Position of the event that records it.
    pub(crate) position: Position,
}

/// How far the log is signed.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AuditStatus {
    /// The newest checkpoint; none if nothing was ever signed.
    pub(crate) newest: Option<Checkpoint>,
    /// Events that no checkpoint vouches for yet, the newest checkpoint itself among them.
    pub(crate) unsigned: Long,
    /// The newest position of the log.
    pub(crate) head: Position,
}

/// A page of checkpoints. They are about the log as a whole, so only who may see all of it sees any.
pub(crate) async fn list(ctx: &Context<'_>, reader: &mut Reader, page: &Page) -> Result<Listed<Checkpoint>> {
    let about = About { total_count: None, position: reader.position().into() };
    if !reader.audit().is_everywhere() {
        return Ok(page.connect(Vec::new(), about));
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT e.position FROM events e WHERE e.type = (SELECT id FROM labels WHERE text = 'audit.checkpoint')",
    );
    page.finish(&mut sql, "e.position");
    let found = rows(reader, &mut sql).await?;
    let places = keyed(&found, |row| Columns(row).position("position"), |position| position.0)?;
    let positions = places.iter().map(|(position, _)| openclaw_model::Position(*position)).collect();
    let recorded = history::events_at(&*ctx.data::<Deps>()?.history, positions).await?;
    let checkpoints = places
        .into_iter()
        .filter_map(|(position, place)| {
            let event = recorded.get(&openclaw_model::Position(position))?.decode().ok()?;
            let Event::Audit(AuditEvent::Checkpoint(said)) = event else { return None };
            Some((position, checkpoint(said, place)))
        })
        .collect();
    Ok(page.connect(checkpoints, about))
}

/// The newest checkpoint and what it leaves out.
pub(crate) async fn status(ctx: &Context<'_>, reader: &mut Reader) -> Result<AuditStatus> {
    let page =
        PageArgs { first: Some(1), after: None, last: None, before: None }.page('q', SortOrder::Desc)?;
    let newest = list(ctx, reader, &page).await?.edges.into_iter().next().map(|edge| edge.node);
    let head = ctx.data::<Deps>()?.history.head().position;
    let covered = newest.as_ref().map_or(0, |newest| newest.covers.0);
    Ok(AuditStatus { newest, unsigned: Long(head.0.saturating_sub(covered)), head: head.into() })
}

fn checkpoint(said: AuditCheckpoint, position: Position) -> Checkpoint {
    Checkpoint {
        covers: said.position.into(),
        after: said.after.into(),
        hash: said.hash.to_string(),
        records: said.records.to_string(),
        log: said.log.to_string(),
        signed_at: DateTime(said.signed_at),
        key: said.key,
        signature: said.signature,
        position,
    }
}
