//! Reading ahead: events are read and decoded while the rows of those before them are written.

use futures_util::{FutureExt as _, StreamExt as _};
use openclaw_log::Batches;
use openclaw_model::Position;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{Failure, store::Portion};

/// Most events of one transaction.
pub(crate) const PORTION_EVENTS: usize = 2_000;
/// Bytes of event data after which a portion is complete.
const PORTION_BYTES: usize = 4 << 20;
/// Portions that are read ahead.
const AHEAD: usize = 1;

/// A task that reads ahead. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Feed {
    portions: mpsc::Receiver<Portion>,
    _task: JoinSet<()>,
}

impl Feed {
    /// Begins to read `batches`, the first event of which follows `before`.
    pub(crate) fn start(batches: Batches, before: Position) -> Self {
        let (sender, portions) = mpsc::channel(AHEAD);
        let mut task = JoinSet::new();
        task.spawn(feed(batches, before, sender));
        Self { portions, _task: task }
    }

    /// The next portion; none at the end of the batches. Never empty, unless it carries a failure. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Portion> {
        self.portions.recv().await
    }
}

async fn feed(mut batches: Batches, before: Position, to: mpsc::Sender<Portion>) {
    let mut reading = Reading { portion: Portion::default(), bytes: 0, last: before };
    loop {
        // Whatever is there already goes into one portion; nothing waits for more.
        let next = if reading.portion.events.is_empty() {
            batches.next().await
        } else {
            match batches.next().now_or_never() {
                Some(next) => next,
                None => {
                    if to.send(reading.take()).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
        };
        match next {
            Some(Ok(batch)) => {
                for recorded in batch.iter() {
                    match recorded.decode() {
                        Ok(event) => {
                            reading.bytes += recorded.data.len();
                            reading.last = recorded.position;
                            reading.portion.events.push((recorded.clone(), event));
                        }
                        Err(error) => {
                            let reason = error.to_string().into();
                            let poison = Failure::Poison { position: recorded.position, reason };
                            return reading.end(Some(poison), &to).await;
                        }
                    }
                    if reading.is_full() && to.send(reading.take()).await.is_err() {
                        return;
                    }
                }
            }
            Some(Err(error)) => {
                let failure = Failure::log(reading.last, &error);
                return reading.end(Some(failure), &to).await;
            }
            None => return reading.end(None, &to).await,
        }
    }
}

struct Reading {
    portion: Portion,
    bytes: usize,
    last: Position,
}

impl Reading {
    fn is_full(&self) -> bool {
        self.portion.events.len() >= PORTION_EVENTS || self.bytes >= PORTION_BYTES
    }

    fn take(&mut self) -> Portion {
        self.bytes = 0;
        std::mem::take(&mut self.portion)
    }

    async fn end(mut self, failure: Option<Failure>, to: &mpsc::Sender<Portion>) {
        self.portion.failure = failure;
        if !self.portion.events.is_empty() || self.portion.failure.is_some() {
            // Nobody listens any more when this fails, so nobody misses it.
            let _ = to.send(self.portion).await;
        }
    }
}
