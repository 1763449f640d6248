//! Frames as they were stored, for whoever verifies them. Those of sealed segments are put together again from records
//! and hashes; one that was changed shows, since its hash no longer fits.

use std::sync::Arc;

use openclaw_log::{
    ReadError, StoredFrames,
    frame::{self, Header},
};
use openclaw_model::Position;
use tokio::task::spawn_blocking;

use crate::{
    error::damaged,
    reader::{STEP_BYTES, joined},
    sealed::Sealed,
    shared::{Segment, Shared},
    verify::{count_records, length_of},
};

/// The frames from the one that holds `from` on, up to the one that holds `last`.
pub(crate) fn frames(shared: Arc<Shared>, from: Position, last: Position) -> StoredFrames {
    Box::pin(async_stream::stream! {
        let mut next = from;
        while next <= last {
            let reading = {
                let shared = Arc::clone(&shared);
                spawn_blocking(move || step(&shared, next, last))
            };
            match joined(reading.await) {
                Ok(Step { frames, next: after, .. }) => {
                    for bytes in frames {
                        yield Ok(bytes);
                    }
                    next = after;
                }
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
        }
    })
}

/// Frames from the one that holds `from` on, at most to the end of its segment, and the position after them.
fn step(shared: &Shared, from: Position, last: Position) -> Result<Step, ReadError> {
    let mut step = Step { frames: Vec::new(), bytes: 0, next: from };
    match shared.segment_at(from)? {
        Segment::Unsealed(segment) => {
            for frame in segment.frames(from) {
                let (header, bytes) = frame?;
                if header.first > last || step.take(&header, bytes.as_ref().into()) {
                    break;
                }
            }
        }
        Segment::Sealed(segment) => {
            restore(&segment, from, &mut step)?;
            if step.next > segment.span().last {
                shared.close_sealed(segment.span());
            }
        }
    }
    if step.frames.is_empty() {
        return Err(damaged(from, "the event is missing"));
    }
    Ok(step)
}

struct Step {
    frames: Vec<Arc<[u8]>>,
    bytes: usize,
    next: Position,
}

impl Step {
    /// Takes a frame; says whether this is enough for a step.
    fn take(&mut self, header: &Header, bytes: Arc<[u8]>) -> bool {
        self.bytes += bytes.len();
        self.next = header.last().next();
        self.frames.push(bytes);
        self.bytes >= STEP_BYTES
    }
}

/// Puts the frames of a sealed segment together again, from the one that holds `from` on.
fn restore(segment: &Sealed, from: Position, step: &mut Step) -> Result<(), ReadError> {
    let mut prev = segment.before().hash;
    let mut first = segment.span().first;
    let mut open = None;
    let mut records: Vec<u8> = Vec::new();
    for frame in segment.frames() {
        let (count, hash) = frame?;
        let header = Header { first, count, prev, hash };
        if count == 0 || header.last() > segment.span().last {
            return Err(damaged(first, "the list of frames does not fit the segment"));
        }
        (prev, first) = (hash, header.last().next());
        if header.last() < from {
            continue;
        }
        let (chunks, reached) = match &mut open {
            Some(open) => open,
            None => open.insert((segment.chunks(header.first), Position::START)),
        };
        while *reached <= header.last() {
            let chunk = chunks.next().ok_or_else(|| damaged(header.first, "the event is missing"))??;
            // The first chunk may begin before the first frame that is wanted.
            let skip =
                if *reached == Position::START { header.first.0.saturating_sub(chunk.first.0) } else { 0 };
            let start = length_of(&chunk.records, chunk.first, skip)?;
            *reached = Position(chunk.first.0 + count_records(&chunk.records, chunk.first)?);
            records.extend_from_slice(&chunk.records[start..]);
        }
        let length = length_of(&records, header.first, u64::from(header.count))?;
        let enough = step.take(&header, frame::restore(&header, &records[..length]).into());
        records.drain(..length);
        if enough {
            break;
        }
    }
    Ok(())
}
