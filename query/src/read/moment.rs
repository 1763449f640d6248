//! Runs as they were at a position of the log.

use std::sync::Arc;

use async_graphql::{Context, ID, Result};
use openclaw_model::{StreamId, access::Need};
use openclaw_projection::{FoldError, FoldLimits, Moment};
use tokio::sync::Semaphore;

use super::{
    reader,
    run::{self, FIRST, Run},
};
use crate::{
    Deps,
    access::Reader,
    caller::Caller,
    fault::{self, Code},
    homes::Onlooker,
    scalar::Position,
};

/// What one question may fold of a run's history.
const LIMITS: FoldLimits = FoldLimits { events: 20_000, bytes: 16 << 20 };
/// Histories that are folded at the same time; each may take a few times [`LIMITS`] of memory meanwhile.
const AT_ONCE: usize = 2;

/// Bounds how many histories are folded at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Folding(Arc<Semaphore>);

impl Default for Folding {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A connection to the rows of `moment`; to those of now if there is none.
pub(crate) async fn reader_of(ctx: &Context<'_>, moment: Option<&Moment>) -> Result<Reader> {
    match moment {
        Some(moment) => {
            let rows = moment.reader().await.map_err(fault::database)?;
            Ok(Reader::new(rows, ctx.data::<Caller>()?.grants.clone()))
        }
        None => reader(ctx).await,
    }
}

/// A run as it was when `position` was the end of the log; null if it had not been started.
pub(crate) async fn run_at(ctx: &Context<'_>, id: &ID, position: Position) -> Result<Option<Run>> {
    let deps = ctx.data::<Deps>()?;
    let stream = StreamId::run(run::id_of(id)?);
    let head = deps.history.head().position;
    if position.0 > head.0 {
        let message = format!("`asOf` is {}, the log ends at {head}", position.0);
        return Err(Code::BadArgument.error(message));
    }
    // What the caller does not see is not there, however long its history is.
    if !Onlooker::of(ctx)?.sees(Need::Query, &stream).await? {
        return Ok(None);
    }
    let folding = ctx.data::<Folding>()?;
    let _turn = folding.0.acquire().await.map_err(|_| Code::Internal.error("nothing is folded any more"))?;
    let history = deps.history.read_stream(&stream, FIRST);
    let moment = Moment::fold(history, position.into(), LIMITS).await.map_err(refused)?;
    run::one(&mut reader_of(ctx, Some(&moment)).await?, id).await
}

fn refused(error: FoldError) -> async_graphql::Error {
    match error {
        FoldError::TooLong(limits) => Code::RunTooLarge.error(format!(
            "the run has more than {} events or {} bytes of them up to there",
            limits.events, limits.bytes
        )),
        FoldError::Log(error) => fault::log(&error),
        FoldError::Storage(error) => fault::database(error),
        FoldError::Poison { position, reason } => {
            tracing::error!(%position, reason, "an event of a run cannot be shown");
            Code::Internal.error(format!("the event at position {position} cannot be shown"))
        }
    }
}
