//! The log, from the reader's side.

use std::collections::HashMap;

use async_graphql::Result;
use futures_util::StreamExt as _;
use openclaw_log::{Batches, EventLog, Head, Health, ReadError, StreamHead};
use openclaw_model::{Position, Recorded, StreamId, Version};

use crate::fault;

/// Unwanted events that are read over rather than begun anew after.
const GAP: u64 = 64;

/// The reading half of [`EventLog`], for use behind a pointer.
pub trait History: Send + Sync + 'static {
    /// See [`EventLog::read`].
    fn read(&self, from: Position) -> Batches;
    /// See [`EventLog::tail`].
    fn tail(&self, from: Position) -> Batches;
    /// See [`EventLog::read_stream`].
    fn read_stream(&self, stream: &StreamId, from: Version) -> Batches;
    /// See [`EventLog::stream_head`].
    ///
    /// # Errors
    /// See [`ReadError`].
    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError>;
    /// See [`EventLog::head`].
    fn head(&self) -> Head;
    /// See [`EventLog::health`].
    fn health(&self) -> Health;
}

impl<L: EventLog> History for L {
    fn read(&self, from: Position) -> Batches {
        EventLog::read(self, from)
    }

    fn tail(&self, from: Position) -> Batches {
        EventLog::tail(self, from)
    }

    fn read_stream(&self, stream: &StreamId, from: Version) -> Batches {
        EventLog::read_stream(self, stream, from)
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        EventLog::stream_head(self, stream)
    }

    fn head(&self) -> Head {
        EventLog::head(self)
    }

    fn health(&self) -> Health {
        EventLog::health(self)
    }
}

/// The events at `positions`, which are in the log. Neighbours are read together.
pub(crate) async fn events_at(
    history: &dyn History,
    mut positions: Vec<Position>,
) -> Result<HashMap<Position, Recorded>> {
    positions.sort_unstable();
    positions.dedup();
    let mut found = HashMap::with_capacity(positions.len());
    let mut wanted = positions.into_iter().peekable();
    while let Some(first) = wanted.peek().copied() {
        let mut batches = history.read(first);
        'reading: while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| fault::log(&error))?;
            for recorded in batch.iter() {
                while wanted.next_if(|wanted| *wanted < recorded.position).is_some() {}
                if wanted.next_if_eq(&recorded.position).is_some() {
                    found.insert(recorded.position, recorded.clone());
                }
            }
            let last = batch.last().expect("a batch is never empty").position;
            match wanted.peek() {
                Some(next) if next.0 <= last.0.saturating_add(GAP) => {}
                _ => break 'reading,
            }
        }
        // Nothing at or after `first`: the log ends before it, so it ends before all that is left.
        if wanted.peek() == Some(&first) {
            break;
        }
    }
    Ok(found)
}
