//! The one thread that writes. It takes all appends that wait, makes them durable with one fsync, and answers them.
//!
//! A commit: check heads, store blobs, insert frames, flush and fsync, move the anchor, update the index, publish to
//! readers, answer. Invariant: nothing is published or answered before the fsync and the anchor; after any error
//! nothing is written again and no fsync is retried.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::Duration,
};

use openclaw_log::{AppendError, Frame, Head, Health, frame};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    db::DbError,
    shared::Shared,
    space,
    tip::{Anchor, Tip},
    unsealed::Unsealed,
};

/// A commit takes waiting appends until it has this many bytes.
const COMMIT_BYTES: usize = 2 << 20;
/// How old the anchor may be after a power cut.
const ANCHOR_SYNC: Duration = Duration::from_millis(500);

/// An append that waits for its turn.
pub(crate) struct Job {
    pub(crate) frames: Vec<Frame>,
    pub(crate) expected: Head,
    pub(crate) answer: oneshot::Sender<Result<Head, AppendError>>,
}

/// The writing side of the log.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: Arc<Unsealed>,
    /// The durable head.
    pub(crate) head: Head,
    pub(crate) tip: Tip,
    /// Closed segments on their way to the sealer. Its bound holds the writer back when sealing cannot keep up.
    pub(crate) sealer: SyncSender<Arc<Unsealed>>,
}

impl Writer {
    /// Writes until the last sender is gone.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let mut synced = Instant::now();
        loop {
            let job = if self.tip.is_unsynced() {
                match jobs.recv_timeout(ANCHOR_SYNC.saturating_sub(synced.elapsed())) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            } else {
                match jobs.recv() {
                    Ok(job) => Some(job),
                    Err(_) => break,
                }
            };
            if let Some(job) = job {
                let group = gather(job, jobs);
                self.commit(group);
            }
            if self.tip.is_unsynced() && synced.elapsed() >= ANCHOR_SYNC {
                self.sync_anchor();
                synced = Instant::now();
            }
        }
        self.sync_anchor();
    }

    fn sync_anchor(&mut self) {
        if self.shared.health() == Health::Writable
            && let Err(error) = self.tip.sync()
        {
            self.shared.make_read_only(&format!("the anchor could not be synced: {error}"));
        }
    }

    fn commit(&mut self, group: Vec<Job>) {
        if let Health::ReadOnly(reason) = self.shared.health() {
            return answer(group, || Err(AppendError::ReadOnly(Arc::clone(&reason))));
        }
        let (accepted, refused, after) = self.judge(group);
        if accepted.iter().any(|job| !job.frames.is_empty()) {
            if let Some(reason) = self.shortage() {
                answer(refused, || Err(AppendError::ReadOnly(Arc::clone(&reason))));
                return answer(accepted, || Err(AppendError::ReadOnly(Arc::clone(&reason))));
            }
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&accepted, after)));
            let failure = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("sled panicked while writing".to_owned()),
            };
            if let Some(failure) = failure {
                let reason = self.shared.make_read_only(&failure);
                answer(refused, || Err(AppendError::ReadOnly(Arc::clone(&reason))));
                return answer(accepted, || Err(AppendError::Storage(Arc::clone(&reason))));
            }
            self.head = after;
        }
        for job in accepted {
            let head = job.frames.last().map_or(job.expected, Frame::head);
            // Nobody waits any more if the receiver is gone; the events stand all the same.
            let _ = job.answer.send(Ok(head));
        }
        let actual = self.head;
        for job in refused {
            let _ = job.answer.send(Err(AppendError::WrongHead { expected: job.expected, actual }));
        }
        let options = &self.shared.options;
        let full = {
            let index = self.active.index();
            index.bytes >= options.segment_bytes || index.events() >= options.segment_events
        };
        if full {
            self.roll();
        }
    }

    /// Splits a group into appends that follow each other from the head on, and those that do not.
    fn judge(&self, group: Vec<Job>) -> (Vec<Job>, Vec<Job>, Head) {
        let mut after = self.head;
        let (mut accepted, mut refused) = (Vec::with_capacity(group.len()), Vec::new());
        for job in group {
            if job.expected == after && frame::follow(after, &job.frames) {
                after = job.frames.last().map_or(after, Frame::head);
                accepted.push(job);
            } else {
                refused.push(job);
            }
        }
        (accepted, refused, after)
    }

    fn shortage(&self) -> Option<Arc<str>> {
        let reason = match space::shortage(&self.shared.layout, &self.shared.options) {
            Ok(None) => return None,
            Ok(Some(reason)) => reason,
            Err(error) => format!("free disk space cannot be told: {error}"),
        };
        Some(self.shared.make_read_only(&reason))
    }

    fn write(&mut self, jobs: &[Job], after: Head) -> Result<(), DbError> {
        let frames = || jobs.iter().flat_map(|job| &job.frames);
        self.shared.blobs.store(frames().flat_map(Frame::blobs))?;
        let mut bytes = 0;
        for frame in frames() {
            self.active.insert(frame)?;
            bytes += frame.bytes().len() as u64;
        }
        let started = Instant::now();
        self.active.db().sync()?;
        self.shared.metrics.fsync_seconds.record(started.elapsed());
        self.tip.write(Anchor { position: after.position, hash: after.hash })?;

        let events = after.position.0 - self.head.position.0;
        let mut index = self.active.index_mut();
        index.bytes += bytes;
        frames().flat_map(|frame| frame.events().iter()).for_each(|event| index.add(event));
        drop(index);
        self.shared.live.publish(frames().map(|frame| Arc::clone(frame.events())), after);
        self.shared.metrics.commit_events.record(events as f64);
        self.shared.metrics.events_total.increment(events);
        self.shared.metrics.bytes_total.increment(bytes);
        Ok(())
    }

    /// Closes the active segment and begins the next one.
    fn roll(&mut self) {
        let next =
            self.tip.sync().map_err(DbError::from).and_then(|()| self.active.db().check_no_spill()).and_then(
                |()| {
                    let disk = Arc::clone(&self.shared.options.disk);
                    catch_unwind(AssertUnwindSafe(|| Unsealed::create(&self.shared.layout, self.head, disk)))
                        .unwrap_or_else(|_| {
                            Err(DbError::Corrupt("sled panicked while creating a segment".into()))
                        })
                },
            );
        let next = match next {
            Ok(next) => Arc::new(next),
            Err(error) => {
                self.shared.make_read_only(&format!("the next segment could not be created: {error}"));
                return;
            }
        };
        let closed = std::mem::replace(&mut self.active, Arc::clone(&next));
        self.shared.change_segments(|segments| segments.unsealed.push(next));
        if self.sealer.send(closed).is_err() {
            self.shared.make_read_only("the thread that seals segments is gone");
        }
    }
}

/// Takes what waits behind `first`, up to a commit's worth.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let size = |job: &Job| job.frames.iter().map(|frame| frame.bytes().len()).sum::<usize>();
    let mut bytes = size(&first);
    let mut group = vec![first];
    while bytes < COMMIT_BYTES
        && let Ok(job) = jobs.try_recv()
    {
        bytes += size(&job);
        group.push(job);
    }
    group
}

fn answer(jobs: Vec<Job>, mut with: impl FnMut() -> Result<Head, AppendError>) {
    for job in jobs {
        let _ = job.answer.send(with());
    }
}
