//! The thread that seals closed segments, one after the other, and closes sealed ones that nobody reads.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use openclaw_log::{Health, ReadError};
use openclaw_model::Position;
use tokio::time::Instant;

use crate::{heads::COMMAND_WINDOW, seal, sealed::fingerprint, shared::Shared, unsealed::Unsealed};

/// Closed segments that may wait: more would fill the memory when the log is written faster than it is sealed.
pub(crate) const QUEUE: usize = 2;
/// Sealed segments are closed when they have not been read for this long.
const IDLE: Duration = Duration::from_secs(15);
/// Sealing gives way to everything else.
const NICE: i32 = 19;

/// Seals until the last sender is gone, or until `stop` is set and the segment at hand is done.
pub(crate) fn run(shared: &Shared, closed: &Receiver<Arc<Unsealed>>, stop: &AtomicBool) {
    // On Linux this is the priority of the calling thread alone. Without the right to it sealing works as well.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "segments are sealed at normal priority");
    }
    loop {
        match closed.recv_timeout(IDLE) {
            Ok(segment) if !stop.load(Ordering::Relaxed) && shared.health() == Health::Writable => {
                let started = Instant::now();
                let base = segment.base();
                match catch_unwind(AssertUnwindSafe(|| seal_one(shared, segment))) {
                    Ok(Ok(())) => shared.metrics.seal_seconds.record(started.elapsed()),
                    Ok(Err(error)) => {
                        shared.make_read_only(&format!("the segment at {base} could not be sealed: {error}"));
                    }
                    Err(_) => {
                        shared
                            .make_read_only(&format!("sled panicked while the segment at {base} was sealed"));
                    }
                }
            }
            // It stays as it is and is sealed after the next start.
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        shared.close_idle(IDLE);
    }
}

fn seal_one(shared: &Shared, segment: Arc<Unsealed>) -> Result<(), ReadError> {
    let heads = shared.heads()?;
    let disk = &shared.options.disk;
    let span = seal::seal(&shared.layout, &segment, &heads, shared.options.compression, disk)?;
    shared.change_segments(|segments| segments.sealed.push(span));
    {
        let index = segment.index();
        let streams =
            index.streams.iter().map(|(stream, index)| Ok((stream.clone(), index.head(span.first))));
        let fingerprints: Vec<u64> = index.commands.keys().map(|command| fingerprint(*command)).collect();
        heads.take_in(span, streams, &fingerprints)?;
    }
    let oldest = {
        let segments = shared.segments();
        let outside = segments.sealed.len().saturating_sub(COMMAND_WINDOW);
        segments.sealed.get(outside).map_or(Position::START, |span| span.first)
    };
    heads.forget_filters_before(oldest)?;
    shared.change_segments(|segments| segments.unsealed.retain(|unsealed| unsealed.base() != span.first));
    drop(segment);
    let path = shared.layout.active(span.first);
    fs::remove_dir_all(&path)
        .map_err(|error| ReadError::Storage(format!("{}: {error}", path.display()).into()))
}
