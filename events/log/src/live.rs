//! What was appended last, kept in memory, so that readers who have caught up are served without the storage.
//!
//! Every implementation owns one [`Live`], publishes each durable append to it, and builds its `tail` on
//! [`tail`]. Invariant: only durable events are published, in order and without a gap.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::StreamExt;
use openclaw_model::{Position, Recorded};
use tokio::sync::watch;

use crate::{Batch, Batches, Head};

/// How much is kept: about this many bytes, whatever the number of readers.
const KEEP_BYTES: usize = 4 << 20;
/// A guess of what an event takes beside its payload.
const EVENT_OVERHEAD: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Published {
    head: Head,
    closed: bool,
}

/// The durable head, the newest batches, and whoever waits for more.
#[derive(Debug)]
pub struct Live {
    recent: Mutex<Recent>,
    published: watch::Sender<Published>,
}

#[derive(Debug, Default)]
struct Recent {
    batches: VecDeque<Batch>,
    bytes: usize,
}

/// What [`Live`] knows from a position on.
enum Next {
    /// These batches.
    Batches(Vec<Batch>),
    /// Nothing was appended there yet.
    CaughtUp,
    /// It is no longer kept: the storage has it.
    TooOld,
}

impl Live {
    /// For a log that ends at `head`.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { recent: Mutex::default(), published: watch::Sender::new(Published { head, closed: false }) }
    }

    /// The durable end of the log.
    #[must_use]
    pub fn head(&self) -> Head {
        self.published.borrow().head
    }

    /// Shows `batches`, which are durable now and end at `head`, to all readers.
    pub fn publish(&self, batches: impl IntoIterator<Item = Batch>, head: Head) {
        {
            let mut recent = self.recent();
            for batch in batches {
                recent.bytes += weight(&batch);
                recent.batches.push_back(batch);
            }
            while recent.bytes > KEEP_BYTES && recent.batches.len() > 1 {
                let oldest = recent.batches.pop_front().expect("there is more than one");
                recent.bytes -= weight(&oldest);
            }
        }
        self.published.send_modify(|published| published.head = head);
    }

    /// Ends every tail once it has yielded what was published.
    pub fn close(&self) {
        self.published.send_modify(|published| published.closed = true);
    }

    /// The batches from `from` (inclusive) to the head, if all of them are still in memory.
    #[must_use]
    pub fn recent_from(&self, from: Position) -> Option<Vec<Batch>> {
        match self.next(from) {
            Next::Batches(batches) => Some(batches),
            Next::CaughtUp => Some(Vec::new()),
            Next::TooOld => None,
        }
    }

    fn next(&self, from: Position) -> Next {
        let recent = self.recent();
        // Under the lock, so that the head is never older than the batches that are looked at.
        let head = self.head().position;
        if from > head {
            return Next::CaughtUp;
        }
        let starts = |batch: &Batch| batch[0].position;
        match recent.batches.front() {
            Some(oldest) if starts(oldest) <= from => {}
            _ => return Next::TooOld,
        }
        let index = recent.batches.partition_point(|batch| starts(batch) <= from) - 1;
        let mut batches: Vec<Batch> = Vec::with_capacity(recent.batches.len() - index);
        // Batches after the head are being published at this moment; their reader is woken in a moment.
        for batch in recent.batches.range(index..).take_while(|batch| starts(batch) <= head) {
            batches.push(since(batch, from));
        }
        Next::Batches(batches)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// History from `from` through `history`, then what is published to `live`, without a seam. The stream ends when the
/// log is closed, or after the first error of the history.
pub fn tail(
    live: Arc<Live>,
    from: Position,
    history: impl Fn(Position) -> Batches + Send + Sync + 'static,
) -> Batches {
    Box::pin(async_stream::stream! {
        let mut next = from.max(Position(1));
        let mut published = live.published.subscribe();
        loop {
            match live.next(next) {
                Next::Batches(batches) => {
                    for batch in batches {
                        next = after(&batch);
                        yield Ok(batch);
                    }
                }
                Next::TooOld => {
                    let mut history = history(next);
                    while let Some(item) = history.next().await {
                        let Ok(batch) = &item else {
                            yield item;
                            return;
                        };
                        next = after(batch);
                        yield item;
                    }
                }
                Next::CaughtUp => {
                    let more = match published.wait_for(|now| now.closed || now.head.position >= next).await {
                        Ok(now) => now.head.position >= next,
                        Err(_) => false,
                    };
                    if !more {
                        return;
                    }
                }
            }
        }
    })
}

/// The part of `batch` from `from` (inclusive) on.
#[must_use]
pub fn since(batch: &Batch, from: Position) -> Batch {
    let skip = batch.partition_point(|event| event.position < from);
    if skip == 0 { Arc::clone(batch) } else { batch[skip..].into() }
}

fn after(batch: &Batch) -> Position {
    batch.last().expect("a batch is never empty").position.next()
}

fn weight(batch: &[Recorded]) -> usize {
    batch.iter().map(|event| EVENT_OVERHEAD + event.data.len()).sum()
}
