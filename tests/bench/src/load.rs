//! Load on an engine, and logs that a load has left behind.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use openclaw_log::EventLog;
use openclaw_model::Position;
use tokio::{task::JoinSet, time::Instant};

use crate::engine::Engine;

/// What the callers of a load do again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs of ten tasks with an effect each.
    Runs,
    /// Conversations of sixteen messages.
    Sessions,
    /// One conversation for every two runs.
    Mixed,
}

/// Callers that each wait for the end of one thing before they begin the next.
pub(crate) struct Load {
    callers: JoinSet<anyhow::Result<()>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Load {
    /// Starts this many callers.
    pub(crate) fn start(engine: &Arc<Engine>, kind: Kind, callers: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let (engine, stop, done) = (Arc::clone(engine), Arc::clone(&stop), Arc::clone(&done));
            tasks.spawn(async move {
                for turn in caller.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match kind {
                        Kind::Runs => engine.run().await?,
                        Kind::Sessions => engine.converse().await?,
                        Kind::Mixed if turn % 3 == 0 => engine.converse().await?,
                        Kind::Mixed => engine.run().await?,
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { callers: tasks, stop, done }
    }

    /// How many runs or conversations have ended.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Lets the callers finish what they are at, and tells what went wrong, if anything did.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Fills the log in `dir` with runs and conversations until it has this many events, then stops cleanly. Returns
/// where it ends. `progress` is told every few seconds how many there are.
pub(crate) async fn fill(dir: &Path, events: u64, progress: impl Fn(u64)) -> anyhow::Result<Position> {
    let engine = Arc::new(Engine::start(dir).await?);
    let load = Load::start(&engine, Kind::Mixed, 128);
    let mut told = Instant::now();
    while engine.log.head().position.0 < events && !load.callers.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            progress(engine.log.head().position.0);
        }
    }
    load.stop().await?;
    let end = engine.log.head().position;
    Arc::into_inner(engine).expect("the callers have ended").stop().await;
    Ok(end)
}
