//! The log in memory, for tests of everything above it: a second implementation that passes the same conformance
//! suite, keeps the same stored bytes and can be told to fail.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openclaw_model::{CommandId, Digest, Position, Recorded, StreamId, Version};

use crate::{
    AppendError, Batches, EventLog, Frame, Frames, Head, Health, ReadError, StoredFrames, StreamHead, frame,
    live::{self, Live},
    record::BlobRef,
};

/// Events per batch of [`EventLog::read_stream`].
const STREAM_BATCH: usize = 256;

/// A log that lives as long as its last clone. Clones share one log.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    live: Arc<Live>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Stored bytes by order; the position of each one's first event.
    frames: Vec<(Position, Arc<[u8]>)>,
    blobs: HashMap<Digest, Arc<[u8]>>,
    streams: HashMap<StreamId, Vec<Position>>,
    commands: HashMap<CommandId, Position>,
    fail_next: Option<Arc<str>>,
    read_only: Option<Arc<str>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::with(State::default(), Head::GENESIS)
    }

    /// Makes the next append fail with a storage error; nothing of it is kept and the log is read-only from then on.
    pub fn fail_next_append(&self, reason: &str) {
        self.shared.state().fail_next = Some(reason.into());
    }

    /// What a restart would find: a writable log with the same content. The old one is closed and takes no more
    /// appends.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut state = self.shared.state();
        let found = State { fail_next: None, read_only: None, ..state.clone() };
        state.read_only = Some("the log was closed".into());
        self.shared.live.close();
        Self::with(found, self.shared.live.head())
    }

    fn with(state: State, head: Head) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(state), live: Arc::new(Live::new(head)) }) }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, frames: &[Frame], expected: Head) -> Result<Head, AppendError> {
        let mut state = self.state();
        if let Some(reason) = &state.read_only {
            return Err(AppendError::ReadOnly(Arc::clone(reason)));
        }
        let actual = self.live.head();
        if expected != actual || !frame::follow(actual, frames) {
            return Err(AppendError::WrongHead { expected, actual });
        }
        if let Some(reason) = state.fail_next.take() {
            state.read_only = Some(Arc::clone(&reason));
            return Err(AppendError::Storage(reason));
        }
        let Some(newest) = frames.last() else { return Ok(actual) };
        let head = newest.head();
        for frame in frames {
            state.frames.push((frame.first(), Arc::clone(frame.bytes())));
            for blob in frame.blobs() {
                state.blobs.insert(blob.digest, Arc::clone(&blob.content));
            }
            for event in frame.events().iter() {
                state.streams.entry(event.stream.clone()).or_default().push(event.position);
                state.commands.entry(event.command).or_insert(event.position);
            }
        }
        self.live.publish(frames.iter().map(|frame| Arc::clone(frame.events())), head);
        Ok(head)
    }

    /// Reads the frame with `position`, from the stored bytes.
    fn frame_at(&self, position: Position) -> Result<Arc<[Recorded]>, ReadError> {
        let state = self.state();
        let index = state.frames.partition_point(|(first, _)| *first <= position);
        let (first, bytes) = index
            .checked_sub(1)
            .map(|index| &state.frames[index])
            .ok_or_else(|| damaged(position, &"no frame holds it"))?;
        let parsed = Frame::parse(bytes, true).map_err(|error| damaged(*first, &error))?;
        parsed
            .records()
            .map(|record| {
                let record = record.map_err(|error| damaged(*first, &error))?;
                let position = record.event().position;
                record.resolve(|blob| {
                    state
                        .blobs
                        .get(&blob.digest)
                        .cloned()
                        .ok_or_else(|| damaged(position, &"its blob is missing"))
                })
            })
            .collect()
    }
}

fn damaged(position: Position, reason: &dyn std::fmt::Display) -> ReadError {
    ReadError::Damaged { position, reason: reason.to_string().into() }
}

impl EventLog for MemoryLog {
    fn append(
        &self,
        frames: Vec<Frame>,
        expected: Head,
    ) -> impl Future<Output = Result<Head, AppendError>> + Send {
        std::future::ready(self.shared.append(&frames, expected))
    }

    fn read(&self, from: Position) -> Batches {
        let shared = Arc::clone(&self.shared);
        let last = shared.live.head().position;
        Box::pin(async_stream::stream! {
            let mut next = from.max(Position(1));
            while next <= last {
                let item = shared.frame_at(next).map(|batch| live::since(&batch, next));
                match &item {
                    Ok(batch) => next = batch.last().expect("a frame is never empty").position.next(),
                    Err(_) => next = last.next(),
                }
                yield item;
            }
        })
    }

    fn tail(&self, from: Position) -> Batches {
        let log = self.clone();
        live::tail(Arc::clone(&self.shared.live), from, move |from| log.read(from))
    }

    fn read_stream(&self, stream: &StreamId, from: Version) -> Batches {
        let shared = Arc::clone(&self.shared);
        let skip = usize::try_from(from.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let positions: Vec<Position> =
            shared.state().streams.get(stream).into_iter().flatten().skip(skip).copied().collect();
        Box::pin(async_stream::stream! {
            for positions in positions.chunks(STREAM_BATCH) {
                let events: Result<Vec<Recorded>, ReadError> = positions
                    .iter()
                    .map(|position| {
                        let frame = shared.frame_at(*position)?;
                        let event = frame.iter().find(|event| event.position == *position);
                        event.cloned().ok_or_else(|| damaged(*position, &"its frame does not hold it"))
                    })
                    .collect();
                let failed = events.is_err();
                yield events.map(Into::into);
                if failed {
                    return;
                }
            }
        })
    }

    fn head(&self) -> Head {
        self.shared.live.head()
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        Ok(self.shared.state().streams.get(stream).map(|positions| StreamHead {
            version: Version(positions.len() as u64),
            position: *positions.last().expect("a known stream has an event"),
        }))
    }

    /// Every command of the log is found, however old.
    fn find_command(&self, command: CommandId) -> Result<Option<Position>, ReadError> {
        Ok(self.shared.state().commands.get(&command).copied())
    }

    fn health(&self) -> Health {
        self.shared.state().read_only.clone().map_or(Health::Writable, Health::ReadOnly)
    }
}

impl Frames for MemoryLog {
    fn frames(&self, from: Position) -> StoredFrames {
        let state = self.shared.state();
        let start = state.frames.partition_point(|(first, _)| *first <= from).saturating_sub(1);
        let stored: Vec<_> = state.frames.get(start..).unwrap_or_default().to_vec();
        Box::pin(futures_util::stream::iter(stored.into_iter().map(|(_, bytes)| Ok(bytes))))
    }

    fn blob(&self, position: Position, blob: BlobRef) -> Result<Arc<[u8]>, ReadError> {
        let found = self.shared.state().blobs.get(&blob.digest).cloned();
        found.ok_or_else(|| damaged(position, &"its blob is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Author};

    #[tokio::test(flavor = "multi_thread")]
    async fn it_passes_the_conformance_suite() {
        conformance::run(MemoryLog::new).await;
    }

    #[tokio::test]
    async fn a_failed_append_leaves_nothing_and_makes_the_log_read_only_until_a_restart() {
        let log = MemoryLog::new();
        let mut author = Author::new(log.head());
        let (first, expected) = author.frames(vec![("a", vec![10])]);
        log.append(first, expected).await.unwrap();
        let (second, expected) = author.frames(vec![("a", vec![10])]);
        log.fail_next_append("no space");
        assert_eq!(log.append(second.clone(), expected).await, Err(AppendError::Storage("no space".into())));
        assert_eq!(log.append(second.clone(), expected).await, Err(AppendError::ReadOnly("no space".into())));
        assert_eq!(log.health(), Health::ReadOnly("no space".into()));
        assert_eq!(log.head(), expected);

        let again = log.restart();
        assert_eq!(again.append(second, expected).await.unwrap(), author.head());
        assert_eq!(again.health(), Health::Writable);
    }
}
