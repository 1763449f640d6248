//! Watching decisions and waits.

use async_graphql::{Context, ID, Result, SimpleObject, Subscription};
use async_stream::try_stream;
use futures_util::{Stream, StreamExt as _};
use openclaw_model::{StreamId, StreamKind};
use tokio::sync::broadcast::error::RecvError;

use super::{ROW_WAIT, resume, shown, start};
use crate::{
    Deps,
    cursor::{Cursor, MAX_PAGE, PageArgs, SortOrder},
    fault::{self, Code},
    read::{
        approval::{self, Approval},
        event::{self, Event},
        run,
        wait::{self, Wait},
    },
    scalar::Position,
};

/// A change of an approval.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ApprovalUpdate {
    /// Position of the event; hand it to `after` to go on from here.
    pub(crate) position: Position,
    /// What happened.
    pub(crate) event: Event,
    /// The approval as it is shown at or after that position.
    pub(crate) approval: Approval,
}

/// What a run waits for.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct WaitsUpdate {
    /// It is so at least at this position.
    pub(crate) position: Position,
    /// What it waits for, the first 200.
    pub(crate) waits: Vec<Wait>,
    /// Whether there are more.
    pub(crate) more: bool,
}

/// Decisions and waits.
#[derive(Debug, Default)]
pub(crate) struct DurableNews;

#[Subscription]
impl DurableNews {
    /// Every event of approvals, each with the approval as it is shown at or after it; of one approval with `id`.
    /// `after` is exclusive and a position of the log; without it, only what is new.
    async fn approval_changed(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        after: Option<Position>,
    ) -> Result<impl Stream<Item = Result<ApprovalUpdate>> + use<>> {
        let deps = ctx.data::<Deps>()?.clone();
        let resume = resume(ctx);
        let wanted = id.as_ref().map(approval::stream_of).transpose()?;
        let after = start(&deps, after)?;
        resume.at(after);
        let mut batches = deps.history.tail(after.next());
        Ok(try_stream! {
            while let Some(batch) = batches.next().await {
                for recorded in batch.map_err(|error| fault::log(&error))?.iter() {
                    let stream = &recorded.stream;
                    let wanted = wanted.as_ref().is_none_or(|wanted| wanted == stream);
                    if wanted && stream.kind() == StreamKind::Approval {
                        let approval = decision(&deps, stream, recorded.position).await?;
                        resume.at(recorded.position);
                        yield ApprovalUpdate {
                            position: recorded.position.into(),
                            event: event::of_recorded(recorded),
                            approval,
                        };
                    } else {
                        resume.at(recorded.position);
                    }
                }
            }
        })
    }

    /// What a run waits for: now, then again whenever that has changed. Nothing is replayed after a break, what is
    /// so now says it all. Ends with the run.
    async fn waits_changed(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
    ) -> Result<impl Stream<Item = Result<WaitsUpdate>> + use<>> {
        let deps = ctx.data::<Deps>()?.clone();
        let id = run::id_of(&run_id)?;
        let stream = StreamId::run(id);
        let known = deps.history.stream_head(&stream).map_err(|error| fault::log(&error))?;
        let Some(known) = known else {
            return Err(Code::NotFound.error(format!("there is no run {id}")));
        };
        let mut changes = deps.views.changes();
        Ok(try_stream! {
            let mut told = None;
            let mut position = known.position;
            loop {
                let run = shown(&deps, &run_id, position).await?;
                let update = waits(&deps, run.key).await?;
                let so = Some(fingerprint(&update));
                if so != told {
                    told = so;
                    yield update;
                }
                if run.ended_at.is_some() {
                    return;
                }
                loop {
                    match changes.recv().await {
                        Ok(changed) if changed.runs.contains(&id) => {
                            position = changed.position;
                            break;
                        }
                        Ok(_) => {}
                        // Whatever was missed is in the rows; they are looked at again.
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return,
                    }
                }
            }
        })
    }
}

/// The approval of a stream, once it is shown at or after `position`.
async fn decision(deps: &Deps, stream: &StreamId, position: openclaw_model::Position) -> Result<Approval> {
    deps.views.reach(position, ROW_WAIT).await.map_err(|error| fault::stale(&error))?;
    let mut reader = deps.views.reader().await.map_err(|error| fault::unavailable(&error))?;
    let found = approval::one(&mut reader, &ID::from(stream.name())).await?;
    found.ok_or_else(|| Code::Internal.error("the approval has events and no row"))
}

async fn waits(deps: &Deps, run: u64) -> Result<WaitsUpdate> {
    let mut reader = deps.views.reader().await.map_err(|error| fault::unavailable(&error))?;
    let first = i32::try_from(MAX_PAGE).ok();
    let page = PageArgs { first, ..PageArgs::default() }.page('p', SortOrder::Asc)?;
    let wanted = wait::Wanted { run: Some(run), ..wait::Wanted::default() };
    let listed = wait::list_at(&mut reader, &page, &wanted, (deps.now)()).await?;
    Ok(WaitsUpdate {
        position: reader.position().into(),
        more: listed.has_next_page,
        waits: listed
            .edges
            .into_iter()
            .map(|edge: async_graphql::connection::Edge<Cursor, Wait, _>| edge.node)
            .collect(),
    })
}

/// What tells one set of waits from another.
fn fingerprint(update: &WaitsUpdate) -> Vec<(u64, wait::WaitKind, Option<i64>, i64)> {
    let one = |wait: &Wait| {
        (wait.position.0, wait.kind, wait.due.map(|due| due.0.as_micros()), wait.since.0.as_micros())
    };
    update.waits.iter().map(one).collect()
}
