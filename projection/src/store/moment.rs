//! The rows of one stream as they were at a position of the log: the views' own fold, into a database in memory that
//! has the same tables, so that whatever reads the read model can read the past.

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt as _;
use openclaw_log::{Batches, ReadError};
use openclaw_model::{Position, Recorded, StreamId, Timestamp};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::Mutex;

use super::write;
use crate::{
    Reader, schema,
    views::{self, Changes, audit::Labels},
};

/// How much history one question may fold.
#[derive(Clone, Copy, Debug)]
pub struct FoldLimits {
    /// Events.
    pub events: usize,
    /// Bytes of their data.
    pub bytes: usize,
}

/// Why the past cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// There is more history than one question may fold. `OC-PRJ-009`.
    #[error("[OC-PRJ-009] the history up to there has more than {} events or {} bytes", .0.events, .0.bytes)]
    TooLong(FoldLimits),
    /// An event cannot be read, or contradicts the history of its stream. `OC-PRJ-001`.
    #[error("[OC-PRJ-001] event at position {position} cannot be shown: {reason}")]
    Poison {
        /// The event.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// The log could not be read. `OC-PRJ-003`.
    #[error("[OC-PRJ-003] the log could not be read")]
    Log(#[from] ReadError),
    /// The database in memory could not be filled. `OC-PRJ-008`.
    #[error("[OC-PRJ-008] the read model cannot be read")]
    Storage(#[from] sqlx::Error),
}

/// Rows as they were. Clones are one; it takes about twice the bytes of its events until the last is dropped.
#[derive(Clone, Debug)]
pub struct Moment {
    connection: Arc<Mutex<SqliteConnection>>,
    position: Position,
    at: Timestamp,
}

impl Moment {
    /// Folds the events of `history` up to `until`. Each of its streams has to begin with its first event. Costs
    /// about 20 microseconds an event.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub async fn fold(mut history: Batches, until: Position, limits: FoldLimits) -> Result<Self, FoldError> {
        let mut fold = Fold::default();
        'reading: while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                if recorded.position > until {
                    break 'reading;
                }
                fold.apply(recorded, limits)?;
            }
        }
        let options = SqliteConnectOptions::new().in_memory(true).pragma("temp_store", "memory");
        let mut connection = SqliteConnection::connect_with(&options).await?;
        for statement in schema::tables() {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let labels = fold.labels.take_fresh();
        write::commit(&mut connection, &fold.changes, labels, until, fold.at).await?;
        sqlx::query("PRAGMA query_only = on").execute(&mut connection).await?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), position: until, at: fold.at })
    }

    /// The position that the rows show.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Time of the newest of its events.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The connection, for one question. Waits until nobody else has it.
    ///
    /// # Errors
    /// When its database is gone, which is an error of this program.
    pub async fn reader(&self) -> sqlx::Result<Reader> {
        Reader::of_moment(Arc::clone(&self.connection).lock_owned().await, self.clone()).await
    }
}

#[derive(Default)]
struct Fold {
    known: HashMap<Box<str>, views::Known>,
    labels: Labels,
    changes: Changes,
    at: Timestamp,
    events: usize,
    bytes: usize,
}

impl Fold {
    fn apply(&mut self, recorded: &Recorded, limits: FoldLimits) -> Result<(), FoldError> {
        self.events += 1;
        self.bytes += recorded.data.len();
        if self.events > limits.events || self.bytes > limits.bytes {
            return Err(FoldError::TooLong(limits));
        }
        let poison = |reason| FoldError::Poison { position: recorded.position, reason };
        let event = recorded.decode().map_err(|error| poison(error.to_string()))?;
        let of_known = &self.known;
        let of = |stream: &StreamId| of_known.get(stream.as_str()).map(|known| known.namespace);
        let home = views::home(&recorded.stream, &event, &mut self.labels, of);
        let known = self.known.get_mut(recorded.stream.as_str());
        let began = views::apply(known, home, recorded, event, &mut self.labels, &mut self.changes)
            .map_err(|broken| poison(broken.0))?;
        if let Some(known) = began {
            self.known.insert(recorded.stream.as_str().into(), known);
        }
        self.at = recorded.at;
        Ok(())
    }
}
