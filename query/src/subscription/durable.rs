//! Watching decisions and waits.

use async_graphql::{Context, ID, Result, SimpleObject, Subscription};
use async_stream::try_stream;
use futures_util::{Stream, StreamExt as _};
use openclaw_model::{StreamId, StreamKind, access::Need};
use tokio::sync::broadcast::error::RecvError;

use super::{ROW_WAIT, known, resume, shown, start};
use crate::{
    access::{Needs, needs},
    cursor::{Cursor, MAX_PAGE, PageArgs, SortOrder},
    fault::{self, Code},
    homes::Onlooker,
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
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn approval_changed(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        after: Option<Position>,
    ) -> Result<impl Stream<Item = Result<ApprovalUpdate>> + use<>> {
        let onlooker = Onlooker::of(ctx)?;
        let resume = resume(ctx);
        let wanted = id.as_ref().map(approval::stream_of).transpose()?;
        let after = start(&onlooker.deps, after)?;
        resume.at(after);
        let mut batches = onlooker.deps.history.tail(after.next());
        Ok(try_stream! {
            while let Some(batch) = batches.next().await {
                for recorded in batch.map_err(|error| fault::log(&error))?.iter() {
                    let stream = &recorded.stream;
                    let wanted = wanted.as_ref().is_none_or(|wanted| wanted == stream);
                    let wanted = wanted && stream.kind() == StreamKind::Approval;
                    if wanted && onlooker.sees(Need::Query, stream).await? {
                        let approval = decision(&onlooker, stream, recorded.position).await?;
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
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn waits_changed(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
    ) -> Result<impl Stream<Item = Result<WaitsUpdate>> + use<>> {
        let onlooker = Onlooker::of(ctx)?;
        let id = run::id_of(&run_id)?;
        let known = known(&onlooker, &StreamId::run(id)).await?;
        let mut changes = onlooker.deps.views.changes();
        Ok(try_stream! {
            let mut told = None;
            let mut position = known.position;
            loop {
                let run = shown(&onlooker, &run_id, position).await?;
                let update = waits(&onlooker, run.key).await?;
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
async fn decision(
    onlooker: &Onlooker,
    stream: &StreamId,
    position: openclaw_model::Position,
) -> Result<Approval> {
    onlooker.deps.views.reach(position, ROW_WAIT).await.map_err(|error| fault::stale(&error))?;
    let mut reader = onlooker.reader().await?;
    let found = approval::one(&mut reader, &ID::from(stream.name())).await?;
    found.ok_or_else(|| Code::Internal.error("the approval has events and no row"))
}

async fn waits(onlooker: &Onlooker, run: u64) -> Result<WaitsUpdate> {
    let mut reader = onlooker.reader().await?;
    let first = i32::try_from(MAX_PAGE).ok();
    let page = PageArgs { first, ..PageArgs::default() }.page('p', SortOrder::Asc)?;
    let wanted = wait::Wanted { run: Some(run), ..wait::Wanted::default() };
    let listed = wait::list_at(&mut reader, &page, &wanted, (onlooker.deps.now)()).await?;
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
