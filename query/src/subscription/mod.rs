//! What may be watched.
//!
//! Events are pulled from the log by position as fast as the client takes them, so nothing is kept for a slow one
//! and nothing can be lost or doubled between history and present.

mod durable;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::{Context, ID, MergedSubscription, Result, SimpleObject, Subscription};
use async_stream::try_stream;
use futures_util::{Stream, StreamExt as _};
use openclaw_log::StreamHead;
use openclaw_model::{Recorded, StreamId, Version, access::Need, event::RunEvent};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    Deps,
    access::{Needs, needs},
    fault::{self, Code},
    homes::Onlooker,
    read::{
        event::{self, Event, EventFilter},
        freshness::{self, Projection},
        run::{self, Run},
    },
    scalar::Position,
};

/// Time between two answers of `projection`, which would otherwise come with every transaction.
const PROJECTION_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for the row of an event that is in the log.
const ROW_WAIT: Duration = Duration::from_secs(10);

/// How far a subscription has come; the transport tells it to a client that is cut off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resume(Arc<AtomicU64>);

impl Resume {
    pub(crate) fn position(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn at(&self, position: openclaw_model::Position) {
        self.0.store(position.0, Ordering::Relaxed);
    }
}

/// A change of a run.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RunUpdate {
    /// Position of the event; hand it to `after` to go on from here.
    pub(crate) position: Position,
    /// What happened.
    pub(crate) event: Event,
    /// The run as it is shown at or after that position.
    pub(crate) run: Run,
}

/// What may be watched, over WebSocket. Every answer carries its `position`; hand the last one that was handled to
/// `after` and get everything since exactly once.
#[derive(Debug, Default, MergedSubscription)]
pub(crate) struct Subscription(BasicNews, durable::DurableNews);

/// Events, runs and the worker of the read model.
#[derive(Debug, Default)]
pub(crate) struct BasicNews;

#[Subscription]
impl BasicNews {
    /// Events of the log as they are committed. `after` is exclusive: hand in the last position that was handled
    /// and get everything since exactly once; without it, only what is new.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        after: Option<Position>,
        filter: Option<EventFilter>,
    ) -> Result<impl Stream<Item = Result<Event>> + use<>> {
        let onlooker = Onlooker::of(ctx)?;
        let resume = resume(ctx);
        let wanted = filter.unwrap_or_default().wanted()?;
        let after = start(&onlooker.deps, after)?;
        resume.at(after);
        let mut batches = onlooker.deps.history.tail(after.next());
        Ok(try_stream! {
            while let Some(batch) = batches.next().await {
                for recorded in batch.map_err(|error| fault::log(&error))?.iter() {
                    resume.at(recorded.position);
                    if wanted.matches(recorded) && onlooker.sees(Need::Audit, &recorded.stream).await? {
                        yield event::of_recorded(recorded);
                    }
                }
            }
        })
    }

    /// Every event of one run, each with the run as it is shown at or after it. `after` is exclusive and a position
    /// of the log; without it, only what is new. Ends with the run.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn run(
        &self,
        ctx: &Context<'_>,
        id: ID,
        after: Option<Position>,
    ) -> Result<impl Stream<Item = Result<RunUpdate>> + use<>> {
        let onlooker = Onlooker::of(ctx)?;
        let resume = resume(ctx);
        let run_id = run::id_of(&id)?;
        let stream = StreamId::run(run_id);
        let known = known(&onlooker, &stream).await?;
        let after = start(&onlooker.deps, after)?;
        resume.at(after);
        let mut changes = onlooker.deps.views.changes();
        Ok(try_stream! {
            // Without a position from before its newest event, there is nothing of its past to show.
            let mut next = if after >= known.position { known.version.next() } else { Version(1) };
            loop {
                let mut batches = onlooker.deps.history.read_stream(&stream, next);
                while let Some(batch) = batches.next().await {
                    for recorded in batch.map_err(|error| fault::log(&error))?.iter() {
                        next = recorded.version.next();
                        if recorded.position <= after {
                            continue;
                        }
                        let run = shown(&onlooker, &id, recorded.position).await?;
                        let over = ends(recorded);
                        resume.at(recorded.position);
                        yield RunUpdate {
                            position: recorded.position.into(),
                            event: event::of_recorded(recorded),
                            run,
                        };
                        if over {
                            return;
                        }
                    }
                }
                if run_over_before(&onlooker, &id, after).await? {
                    return;
                }
                loop {
                    match changes.recv().await {
                        Ok(changed) if changed.runs.contains(&run_id) => break,
                        Ok(_) => {}
                        // Whatever was missed is in the log; it is looked at again.
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return,
                    }
                }
            }
        })
    }

    /// The worker that keeps the read model: how it is now, then every change, at most ten times a second.
    #[graphql(guard = "Needs(Need::Query)", directive = needs::apply("query".into()))]
    async fn projection(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Projection> + use<>> {
        let deps = ctx.data::<Deps>()?.clone();
        let mut news = deps.views.watch();
        Ok(async_stream::stream! {
            loop {
                let progress = news.borrow_and_update().clone();
                yield freshness::projection(&deps, progress);
                tokio::time::sleep(PROJECTION_PAUSE).await;
                if news.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

fn resume(ctx: &Context<'_>) -> Resume {
    ctx.data_opt::<Resume>().cloned().unwrap_or_default()
}

/// Where a subscription starts; the head without `after`.
fn start(deps: &Deps, after: Option<Position>) -> Result<openclaw_model::Position> {
    let head = deps.history.head().position;
    match after {
        None => Ok(head),
        Some(after) if after.0 <= head.0 => Ok(after.into()),
        Some(after) => {
            Err(Code::BadArgument.error(format!("`after` is {}, the log ends at {head}", after.0)))
        }
    }
}

/// The newest event of a run that the caller sees.
///
/// # Errors
/// `NOT_FOUND` if there is no such run, or the caller does not see it.
async fn known(onlooker: &Onlooker, stream: &StreamId) -> Result<StreamHead> {
    let known = onlooker.deps.history.stream_head(stream).map_err(|error| fault::log(&error))?;
    match known {
        Some(known) if onlooker.sees(Need::Query, stream).await? => Ok(known),
        _ => Err(Code::NotFound.error(format!("there is no run {}", stream.name()))),
    }
}

/// The run, once it is shown at or after `position`.
async fn shown(onlooker: &Onlooker, id: &ID, position: openclaw_model::Position) -> Result<Run> {
    onlooker.deps.views.reach(position, ROW_WAIT).await.map_err(|error| fault::stale(&error))?;
    let mut reader = onlooker.reader().await?;
    run::one(&mut reader, id).await?.ok_or_else(|| Code::Internal.error("the run has events and no row"))
}

/// Whether the run was over at `position` already, so that nothing will ever follow.
async fn run_over_before(onlooker: &Onlooker, id: &ID, position: openclaw_model::Position) -> Result<bool> {
    let run = shown(onlooker, id, openclaw_model::Position::START).await?;
    Ok(run.ended_at.is_some() && run.position.0 <= position.0)
}

fn ends(recorded: &Recorded) -> bool {
    matches!(
        recorded.decode(),
        Ok(openclaw_model::Event::Run(
            RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_)
        ))
    )
}
