//! Reading in steps. A step is a blocking piece of work of bounded size; the async streams run one step after the
//! other on tokio's blocking threads and hold no thread while their consumer is slow.
//!
//! Invariant: what is returned has been checked: checksums, positions without a gap, blobs by their hash. Nothing is
//! skipped; the first thing that is wrong ends the stream.

use std::sync::Arc;

use openclaw_log::{
    Batch, Batches, Frame, ReadError,
    frame::BadFrame,
    record::{self, Record},
};
use openclaw_model::{Position, Recorded, StreamId, Version};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    error::damaged,
    index::StreamIndex,
    shared::{Segment, Shared},
};

/// A step reads about this many bytes.
pub(crate) const STEP_BYTES: usize = 1 << 20;
/// Events of a stream per batch.
const STREAM_BATCH: usize = 256;

/// Events from `from` to `last`, both inclusive.
pub(crate) fn history(shared: Arc<Shared>, from: Position, last: Position) -> Batches {
    Box::pin(async_stream::stream! {
        let mut next = from;
        if next > last {
            return;
        }
        if let Some(recent) = shared.live.recent_from(next) {
            for batch in recent {
                if let Some(batch) = until(&batch, last) {
                    yield Ok(batch);
                }
            }
            return;
        }
        let mut reading = step_later(&shared, next, last);
        loop {
            let batches = match joined(reading.await) {
                Ok(batches) => batches,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            next = batches.last().and_then(|batch| batch.last()).expect("a step reads something").position.next();
            let more = next <= last;
            // The next step is on its way while this one is consumed.
            reading = if more { step_later(&shared, next, last) } else { spawn_blocking(|| Ok(Vec::new())) };
            for batch in batches {
                yield Ok(batch);
            }
            if !more {
                return;
            }
        }
    })
}

/// The part of `batch` up to `last`, if there is any.
fn until(batch: &Batch, last: Position) -> Option<Batch> {
    let count = batch.partition_point(|event| event.position <= last);
    match count {
        0 => None,
        all if all == batch.len() => Some(Arc::clone(batch)),
        some => Some(batch[..some].into()),
    }
}

fn step_later(
    shared: &Arc<Shared>,
    from: Position,
    last: Position,
) -> JoinHandle<Result<Vec<Batch>, ReadError>> {
    let shared = Arc::clone(shared);
    spawn_blocking(move || step(&shared, from, last))
}

pub(crate) fn joined<T>(
    result: Result<Result<T, ReadError>, tokio::task::JoinError>,
) -> Result<T, ReadError> {
    result.unwrap_or_else(|error| Err(ReadError::Storage(format!("a read was broken off: {error}").into())))
}

/// Reads on from `from`, at most to `last` and at most to the end of its segment. Never empty.
pub(crate) fn step(shared: &Shared, from: Position, last: Position) -> Result<Vec<Batch>, ReadError> {
    let mut steps = Steps { shared, next: from, last, bytes: 0, batches: Vec::new() };
    match shared.segment_at(from)? {
        Segment::Unsealed(segment) => {
            for frame in segment.frames(from) {
                let (header, bytes) = frame?;
                if header.first > last {
                    break;
                }
                let frame = Frame::parse(&bytes, false).map_err(|bad| damaged(header.first, bad))?;
                if steps.take(frame.records, header.first)? {
                    break;
                }
            }
        }
        Segment::Sealed(segment) => {
            for chunk in segment.chunks(from) {
                let chunk = chunk?;
                if steps.take(&chunk.records, chunk.first)? {
                    break;
                }
            }
            if steps.next > segment.span().last {
                shared.close_sealed(segment.span());
            }
        }
    }
    if steps.batches.is_empty() {
        return Err(damaged(from, "the event is missing"));
    }
    Ok(steps.batches)
}

struct Steps<'a> {
    shared: &'a Shared,
    next: Position,
    last: Position,
    bytes: usize,
    batches: Vec<Batch>,
}

impl Steps<'_> {
    /// Takes a run of records that starts at `first` as one batch; says whether this is enough for a step.
    fn take(&mut self, mut records: &[u8], first: Position) -> Result<bool, ReadError> {
        let mut events = Vec::with_capacity(records.len() / 256 + 1);
        let mut position = first;
        while !records.is_empty() && position <= self.last {
            if position < self.next {
                let length = record::peek(records).map_err(|bad| damaged(position, bad))?.length;
                records = &records[length..];
            } else {
                let (event, length) = decode(self.shared, records, position)?;
                if position != self.next {
                    return Err(damaged(self.next, format_args!("the log goes on with {position}")));
                }
                self.bytes += length + if event.data.len() > length { event.data.len() } else { 0 };
                self.next = position.next();
                events.push(event);
                records = &records[length..];
            }
            position = position.next();
        }
        if !events.is_empty() {
            self.batches.push(events.into());
        }
        Ok(self.next > self.last || self.bytes >= STEP_BYTES)
    }
}

/// Reads the record at the start of `records`, which has to be the one of `position`, with its payload.
fn decode(shared: &Shared, records: &[u8], position: Position) -> Result<(Recorded, usize), ReadError> {
    let (record, length) = record::decode(records).map_err(|bad| damaged(position, bad))?;
    if record.event().position != position {
        return Err(damaged(position, BadFrame::Count));
    }
    Ok((whole(shared, record)?, length))
}

fn whole(shared: &Shared, record: Record) -> Result<Recorded, ReadError> {
    let position = record.event().position;
    record.resolve(|blob| shared.blobs.load(position, blob))
}

/// The events of `stream` from version `from` on, up to position `last`.
pub(crate) fn stream(shared: Arc<Shared>, stream: StreamId, from: Version, last: Position) -> Batches {
    Box::pin(async_stream::stream! {
        let planning = {
            let shared = Arc::clone(&shared);
            spawn_blocking(move || plan(&shared, &stream, from, last))
        };
        let positions: Arc<[Position]> = match joined(planning.await) {
            Ok(positions) => positions.into(),
            Err(error) => {
                yield Err(error);
                return;
            }
        };
        for start in (0..positions.len()).step_by(STREAM_BATCH) {
            let (shared, positions) = (Arc::clone(&shared), Arc::clone(&positions));
            let reading = spawn_blocking(move || {
                let end = positions.len().min(start + STREAM_BATCH);
                pick(&shared, &positions[start..end])
            });
            let item = joined(reading.await);
            let failed = item.is_err();
            yield item.map(Into::into);
            if failed {
                return;
            }
        }
    })
}

/// Where the events of `stream` from version `from` on lie, up to `last`, in order.
fn plan(
    shared: &Shared,
    stream: &StreamId,
    from: Version,
    last: Position,
) -> Result<Vec<Position>, ReadError> {
    // The order of these two matters: a segment that is sealed meanwhile is still in the list, or it is in the heads.
    let segments = shared.segments();
    let heads = shared.heads()?;
    let first_unsealed = segments.unsealed.first().map_or(Position(u64::MAX), |segment| segment.base());
    let mut runs: Vec<Vec<Position>> = Vec::new();
    let mut reached = false;
    let mut add = |base: Position, index: &StreamIndex| {
        runs.push(index.since(from).iter().map(|offset| Position(base.0 + u64::from(*offset))).collect());
        index.first <= from
    };
    for segment in segments.unsealed.iter().rev() {
        if let Some(index) = segment.index().streams.get(stream) {
            reached = add(segment.base(), index);
        }
        if reached {
            break;
        }
    }
    let mut at = if reached { None } else { heads.stream(stream)?.map(|head| head.segment) };
    while let Some(base) = at {
        let part = shared.sealed_at(base)?.stream(stream)?;
        let part = part.ok_or_else(|| damaged(base, "the segment does not hold a stream that it should"))?;
        at = part.previous.filter(|previous| *previous < base);
        // Sealed a moment ago: its events came from the unsealed segment above.
        if base < first_unsealed && add(base, &part.index) {
            break;
        }
    }
    Ok(runs.into_iter().rev().flatten().take_while(|position| *position <= last).collect())
}

/// Reads the events at `positions`, which are in order.
fn pick(shared: &Shared, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
    let mut events = Vec::with_capacity(positions.len());
    let mut wanted = positions.iter().copied().peekable();
    while let Some(position) = wanted.peek().copied() {
        let (first, records) = run_with(shared, position)?;
        let mut rest = records.as_slice();
        let mut at = first;
        while let Some(position) = wanted.peek().copied()
            && !rest.is_empty()
        {
            if at == position {
                let (event, length) = decode(shared, rest, position)?;
                events.push(event);
                wanted.next();
                rest = &rest[length..];
            } else {
                rest = &rest[record::peek(rest).map_err(|bad| damaged(at, bad))?.length..];
            }
            at = at.next();
        }
        if at <= position {
            return Err(damaged(position, "the event is missing"));
        }
    }
    Ok(events)
}

/// The records that are stored together with the one at `position`, and the position of the first of them.
fn run_with(shared: &Shared, position: Position) -> Result<(Position, Vec<u8>), ReadError> {
    let missing = || damaged(position, "the event is missing");
    match shared.segment_at(position)? {
        Segment::Unsealed(segment) => {
            let (header, bytes) = segment.frames(position).next().ok_or_else(missing)??;
            let frame = Frame::parse(&bytes, false).map_err(|bad| damaged(header.first, bad))?;
            Ok((header.first, frame.records.to_vec()))
        }
        Segment::Sealed(segment) => {
            let chunk = segment.chunks(position).next().ok_or_else(missing)??;
            Ok((chunk.first, chunk.records))
        }
    }
}

/// The event at `position`.
pub(crate) fn one(shared: &Shared, position: Position) -> Result<Recorded, ReadError> {
    let mut events = pick(shared, &[position])?;
    Ok(events.pop().expect("pick returns every event or an error"))
}
