//! The SQLite file of one generation, from the writer's side.
//!
//! A store has one connection and remembers what it must know of the streams that were active lately; the rest it
//! reads back from its own rows when a stream stirs again.

mod bulk;
mod load;
mod moment;
mod write;

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use lru::LruCache;
use openclaw_model::{Event, EventId, Position, Recorded, RunId, StreamId, Timestamp, Version};
use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::Instant;
use uuid::Uuid;

pub use moment::{FoldError, FoldLimits, Moment};

use crate::{
    Failure, metrics, schema,
    views::{self, Changes, Known, audit::Labels},
};

/// Streams that a serving store remembers; a run with a handful of open tasks takes about 500 bytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
/// Streams that a build remembers: history holds more streams at once than the present does.
const REMEMBERED_IN_BUILD: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// Bytes of a page. A task with input and output of 1 KB each takes half a page of SQLite's default size and a bit more,
/// so that each would have a page to itself and leave half of it empty.
const PAGE: u32 = 16 << 10;

/// Events that are read and decoded, in log order.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pub(crate) events: Vec<(Recorded, Event)>,
    /// Why there is nothing after them.
    pub(crate) failure: Option<Failure>,
}

/// The writer of one generation.
#[derive(Debug)]
pub(crate) struct Store {
    connection: SqliteConnection,
    known: LruCache<StreamId, Known>,
    labels: Labels,
    position: Position,
    at: Timestamp,
}

impl Store {
    /// Opens a finished generation for writing.
    ///
    /// # Errors
    /// When it is no database, or has not the tables of this program.
    pub(crate) async fn open(path: &Path) -> sqlx::Result<Self> {
        let options = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may take the newest transactions, whole; the log still has their events.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", "16777216")
            .pragma("cache_size", "-4096");
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let (position, at) = load::checkpoint(&mut connection).await?;
        let labels = load::labels(&mut connection).await?;
        Ok(Self { connection, known: LruCache::new(REMEMBERED), labels, position, at })
    }

    /// Makes the file of a new generation, with tables and without indexes or crash safety.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub(crate) async fn create(path: &Path) -> sqlx::Result<Self> {
        let options = options(path)
            .create_if_missing(true)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-32768");
        let mut connection = SqliteConnection::connect_with(&options).await?;
        for statement in schema::tables() {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(Self {
            connection,
            known: LruCache::new(REMEMBERED_IN_BUILD),
            labels: Labels::default(),
            position: Position::START,
            at: Timestamp::default(),
        })
    }

    /// The newest event whose rows are committed.
    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// Time of that event.
    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Id of the event at the checkpoint, none for an empty store.
    ///
    /// # Errors
    /// When the file cannot be read, or its index does not hold its own checkpoint.
    pub(crate) async fn newest(&mut self) -> sqlx::Result<Option<EventId>> {
        if self.position == Position::START {
            return Ok(None);
        }
        let id: Vec<u8> = sqlx::query_scalar("SELECT id FROM events WHERE position = ?1")
            .bind(write::int(self.position.0))
            .fetch_one(&mut self.connection)
            .await?;
        Uuid::from_slice(&id).map(|id| Some(EventId(id))).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    /// Applies a portion: its rows and the new checkpoint in one transaction. Returns the runs that changed.
    ///
    /// # Errors
    /// [`Failure::Poison`] for an event that cannot be shown; the events before it are committed.
    /// [`Failure::Storage`] when nothing of the portion is committed; the store must not be used after that.
    pub(crate) async fn apply(&mut self, portion: Portion) -> Result<Arc<[RunId]>, Failure> {
        let began = Instant::now();
        let count = portion.events.len();
        let (position, at) = (self.position, self.at);
        load::missing(&mut self.connection, &mut self.known, &portion.events)
            .await
            .map_err(|error| Failure::storage(position, &error))?;
        let (changes, failure) = self.fold(portion);
        if self.position > position {
            let labels = self.labels.take_fresh();
            let written = write::commit(&mut self.connection, &changes, labels, self.position, self.at).await;
            if let Err(error) = written {
                (self.position, self.at) = (position, at);
                return Err(Failure::storage(position, &error));
            }
            metrics::applied(count, began.elapsed());
        }
        match failure {
            Some(failure) => Err(failure),
            None => Ok(changes.runs.touched.into_values().collect()),
        }
    }

    /// Folds a portion in memory, up to the first event that cannot be shown.
    fn fold(&mut self, portion: Portion) -> (Changes, Option<Failure>) {
        let mut changes = Changes::default();
        for (recorded, event) in portion.events {
            if let Err(reason) = self.fold_one(&recorded, event, &mut changes) {
                let reason = format!("{} in {}: {reason}", recorded.event_type, recorded.stream).into();
                return (changes, Some(Failure::Poison { position: recorded.position, reason }));
            }
            (self.position, self.at) = (recorded.position, recorded.at);
        }
        (changes, portion.failure)
    }

    fn fold_one(&mut self, recorded: &Recorded, event: Event, changes: &mut Changes) -> Result<(), String> {
        if recorded.position != self.position.next() {
            return Err(format!("the event before it has position {}", self.position));
        }
        let home = if recorded.version == Version(1) {
            let known = &self.known;
            let of = |stream: &StreamId| known.peek(stream).map(|known| known.namespace);
            views::home(&recorded.stream, &event, &mut self.labels, of)
        } else {
            views::NOWHERE
        };
        let known = self.known.get_mut(&recorded.stream);
        let began = views::apply(known, home, recorded, event, &mut self.labels, changes)
            .map_err(|broken| broken.0)?;
        if let Some(known) = began {
            self.known.put(recorded.stream.clone(), known);
        }
        Ok(())
    }

    /// Makes the indexes of a loaded build and checks the whole file.
    ///
    /// # Errors
    /// [`Failure::Verification`] names the check that failed.
    pub(crate) async fn complete(&mut self) -> Result<(), Failure> {
        let position = self.position;
        let failed = |error: sqlx::Error| Failure::storage(position, &error);
        for statement in schema::indexes() {
            sqlx::query(statement).execute(&mut self.connection).await.map_err(failed)?;
        }
        match load::fault(&mut self.connection, position).await.map_err(failed)? {
            Some(reason) => Err(Failure::Verification { position, reason: reason.into() }),
            None => Ok(()),
        }
    }

    /// Closes the connection, so that the file is complete.
    ///
    /// # Errors
    /// When what SQLite still held could not be written.
    pub(crate) async fn close(self) -> sqlx::Result<()> {
        self.connection.close().await
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(5))
        .pragma("temp_store", "memory")
        .statement_cache_capacity(64)
}
