//! The log on one machine: a row of small sled databases by position.
//!
//! One *active* segment is written; older ones are *sealed*: compressed, with an index of their streams and commands
//! (layout.rs). A derived database knows where streams end, an anchor file knows where the log ended. One thread
//! writes, one seals, everybody reads (writer.rs, sealer.rs, reader.rs). One big sled would do neither: start fast,
//! bound its memory, give space back (DESIGN section 4).
//!
//! Invariant: an event is seen by readers and acknowledged only after sled's flush, an fsync of our own and a write
//! of the anchor, in this order.

mod blobs;
mod db;
pub mod disk;
mod error;
mod filter;
#[doc(hidden)]
pub mod fuzz;
mod heads;
mod index;
mod layout;
mod lock;
mod lookup;
mod metrics;
mod options;
mod reader;
mod recover;
mod seal;
mod sealed;
mod sealer;
mod shared;
mod space;
mod stored;
mod stretch;
mod tip;
mod unsealed;
mod verify;
mod writer;

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use openclaw_log::{
    AppendError, Batches, EventLog, Frame, Frames, Head, Health, ReadError, StoredFrames, StreamHead, live,
    record::BlobRef,
};
use openclaw_model::{CommandId, Position, StreamId, Version};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    db::{Db, Kind},
    layout::Layout,
    lock::Lock,
    recover::Recovered,
    shared::Shared,
    unsealed::Unsealed,
    writer::{Job, Writer},
};
pub use crate::{
    error::{Break, OpenError, VerifyError},
    options::Options,
    verify::{Verified, accept, verify, verify_each},
};

/// The log in one directory. Open for as long as it lives; [`SledLog::close`] makes the next start fast.
///
/// Reading wants a tokio runtime: it runs on its blocking threads.
pub struct SledLog {
    shared: Arc<Shared>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Option<Threads>>,
    stop_sealing: Arc<AtomicBool>,
}

struct Threads {
    writer: JoinHandle<()>,
    sealer: JoinHandle<()>,
    lock: Lock,
}

impl SledLog {
    /// Opens the log in `dir`, or creates it. Blocks: some tens of milliseconds after a clean stop, longer after a
    /// crash, when the unsealed segments are read through.
    ///
    /// A log that starts with too little disk space is read-only from the start.
    ///
    /// # Errors
    /// See [`OpenError`]. Damage and missing history are never repaired silently.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let Recovered { shared, active, head, tip, lock, shortage } =
            recover::recover(Layout::new(dir), options)?;
        let shared = Arc::new(shared);
        if let Some(shortage) = shortage {
            shared.make_read_only(&shortage);
        }
        let stop_sealing = Arc::new(AtomicBool::new(false));
        let waiting: Vec<Arc<Unsealed>> = {
            let segments = shared.segments();
            let closed = segments.unsealed.split_last().map_or(&[][..], |(_, closed)| closed);
            closed.to_vec()
        };
        let (to_sealer, closed) = mpsc::sync_channel(sealer::QUEUE.max(waiting.len()));
        for segment in waiting {
            to_sealer.try_send(segment).expect("the queue was made long enough");
        }
        let failed = OpenError::io("a thread could not be started");
        let sealer = {
            let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop_sealing));
            thread::Builder::new()
                .name("log-sealer".into())
                .spawn(move || sealer::run(&shared, &closed, &stop))
                .map_err(failed)?
        };
        let writer = Writer { shared: Arc::clone(&shared), active, head, tip, sealer: to_sealer };
        let (jobs, waiting) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run(&waiting))
            .map_err(OpenError::io("a thread could not be started"))?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            threads: Mutex::new(Some(Threads { writer, sealer, lock })),
            stop_sealing,
        })
    }

    /// Stops: waits for appends that were accepted and for closed segments to be sealed, and leaves the files so that
    /// the next start is fast. Tails end. Later appends are refused, later reads fail. Blocks for up to some seconds
    /// after heavy writing; doing it twice changes nothing.
    pub fn close(&self) {
        let Some(_lock) = self.stop() else { return };
        let head = self.shared.live.head();
        let writable = self.shared.health() == Health::Writable;
        let Some(active) = self.shared.close().pop() else { return };
        if !writable {
            return;
        }
        let layout = &self.shared.layout;
        let disk = &self.shared.options.disk;
        let path = layout.active(active.base());
        let index = active.index().to_bytes(head.hash.0);
        drop(active);
        let left = Db::settle(&path, Kind::Active, Arc::clone(disk))
            .and_then(|()| Db::settle(&layout.heads(), Kind::Heads, Arc::clone(disk)))
            .and_then(|()| Ok(leave_index(layout, &index)?));
        if let Err(error) = left {
            tracing::warn!(%error, "the log could not be settled; the next start will be slower");
        }
    }

    /// Ends both threads; the lock is still held.
    fn stop(&self) -> Option<Lock> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A thread that panicked has said so, and there is nothing of it to wait for.
        let _ = threads.writer.join();
        let _ = threads.sealer.join();
        Some(threads.lock)
    }

    fn send(&self, job: Job) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

impl Drop for SledLog {
    /// Ends both threads without the work that makes the next start fast.
    fn drop(&mut self) {
        self.stop_sealing.store(true, Ordering::Relaxed);
        let lock = self.stop();
        self.shared.live.close();
        drop(lock);
    }
}

/// Saves the active segment's index for the next start. No sync: it is checked when it is read.
fn leave_index(layout: &Layout, index: &[u8]) -> io::Result<()> {
    let path = layout.index();
    let fresh = path.with_extension("new");
    fs::write(&fresh, index)?;
    fs::rename(fresh, path)
}

impl EventLog for SledLog {
    /// Appends that wait together and follow each other share an fsync. The caller bounds how many it has in flight.
    fn append(
        &self,
        frames: Vec<Frame>,
        expected: Head,
    ) -> impl Future<Output = Result<Head, AppendError>> + Send {
        let started = Instant::now();
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Job { frames, expected, answer });
        let seconds = self.shared.metrics.append_seconds.clone();
        async move {
            if !sent {
                return Err(AppendError::ReadOnly("the log was closed".into()));
            }
            let gone = || AppendError::Storage("the thread that writes is gone".into());
            let result = answered.await.unwrap_or_else(|_| Err(gone()));
            seconds.record(started.elapsed());
            result
        }
    }

    fn read(&self, from: Position) -> Batches {
        let last = self.shared.live.head().position;
        reader::history(Arc::clone(&self.shared), from.max(Position(1)), last)
    }

    fn tail(&self, from: Position) -> Batches {
        let shared = Arc::clone(&self.shared);
        live::tail(Arc::clone(&self.shared.live), from, move |from| {
            let last = shared.live.head().position;
            reader::history(Arc::clone(&shared), from, last)
        })
    }

    fn read_stream(&self, stream: &StreamId, from: Version) -> Batches {
        let last = self.shared.live.head().position;
        reader::stream(Arc::clone(&self.shared), stream.clone(), from, last)
    }

    fn head(&self) -> Head {
        self.shared.live.head()
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        lookup::stream_head(&self.shared, stream)
    }

    /// Finds commands in the active segment, in closed ones and in the newest 32 sealed ones: the last million events if
    /// they are of half a kilobyte each, fewer if they are larger.
    fn find_command(&self, command: CommandId) -> Result<Option<Position>, ReadError> {
        lookup::find_command(&self.shared, command)
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
}

impl Frames for SledLog {
    fn frames(&self, from: Position) -> StoredFrames {
        let last = self.shared.live.head().position;
        stored::frames(Arc::clone(&self.shared), from.max(Position(1)), last)
    }

    fn blob(&self, position: Position, blob: BlobRef) -> Result<Arc<[u8]>, ReadError> {
        self.shared.blobs.load(position, blob)
    }
}
