//! The files of the read model: one SQLite database per generation, and a pointer to the one that serves.
//!
//! Invariant: the pointer names a generation that was complete and on disk before the pointer was.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};

use openclaw_model::Position;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::OwnedMutexGuard;

use crate::{schema::Digest, store::Moment};

const POINTER: &str = "current";
const EXTENSION: &str = ".sqlite";
/// Connections that read at the same time.
const READERS: u32 = 4;
/// Virtual machine instructions of SQLite that one reader may spend, about a second.
const BUDGET_STEPS: u32 = 4_000;
const STEP: i32 = 10_000;

/// Names one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) digest: Digest,
    pub(crate) number: u32,
}

impl Name {
    fn parse(file: &str) -> Option<Self> {
        let (digest, number) = file.strip_suffix(EXTENSION)?.split_once('-')?;
        Some(Self { digest: Digest::parse(digest)?, number: number.parse().ok()? })
    }

    pub(crate) fn file(&self) -> String {
        format!("{}-{}{EXTENSION}", self.digest.as_str(), self.number)
    }
}

/// The directory of all generations.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self, name: &Name) -> PathBuf {
        self.0.join(name.file())
    }

    /// The generation that serves; none when there is no pointer, or it says nothing sensible or points at nothing.
    pub(crate) fn current(&self) -> Option<Name> {
        let name = Name::parse(fs::read_to_string(self.0.join(POINTER)).ok()?.trim())?;
        self.path(&name).is_file().then_some(name)
    }

    /// A name that no file has yet.
    pub(crate) fn next(&self) -> io::Result<Name> {
        let mut number = 0;
        for name in self.names()? {
            number = number.max(name.number);
        }
        Ok(Name { digest: Digest::current(), number: number + 1 })
    }

    /// Makes `name` the one that serves. Its file is on disk when this returns, and so is the pointer.
    pub(crate) fn switch(&self, name: &Name) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()?;
        let fresh = self.0.join("current.new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{}", name.file())?;
        file.sync_all()?;
        fs::rename(&fresh, self.0.join(POINTER))?;
        File::open(&self.0)?.sync_all()
    }

    /// Removes every generation but `keep`, with what SQLite keeps beside it.
    pub(crate) fn remove_others(&self, keep: Option<&Name>) -> io::Result<()> {
        for name in self.names()? {
            if keep != Some(&name) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes one generation.
    pub(crate) fn remove(&self, name: &Name) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            match fs::remove_file(self.0.join(name.file() + suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().to_str().and_then(Name::parse));
        }
        Ok(names)
    }
}

/// A generation that serves readers.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) name: Name,
    pool: SqlitePool,
}

impl Generation {
    /// Offers a generation to readers. Nothing is opened before the first one comes.
    pub(crate) fn new(directory: &Directory, name: Name) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(directory.path(&name))
            .read_only(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("query_only", "on")
            .pragma("temp_store", "memory")
            .pragma("cache_size", "-2048")
            .statement_cache_capacity(64);
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(Duration::from_secs(60))
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Self { name, pool }
    }

    /// A connection for one question. Waits up to 5 s for a free one.
    pub(crate) async fn reader(&self, position: Position) -> sqlx::Result<Reader> {
        Reader::new(Held::Pooled(self.pool.acquire().await?), position).await
    }
}

/// A read-only connection for one question.
///
/// It has a budget of about a second of SQLite's work; a statement that would exceed it fails with
/// `SQLITE_INTERRUPT` (see [`Reader::is_exhausted`]).
#[derive(Debug)]
pub struct Reader {
    held: Held,
    position: Position,
}

#[derive(Debug)]
enum Held {
    Pooled(PoolConnection<Sqlite>),
    Moment(OwnedMutexGuard<SqliteConnection>, Moment),
}

impl Reader {
    async fn new(held: Held, position: Position) -> sqlx::Result<Self> {
        let mut reader = Self { held, position };
        let mut steps = 0;
        reader.lock_handle().await?.set_progress_handler(STEP, move || {
            steps += 1;
            steps < BUDGET_STEPS
        });
        Ok(reader)
    }

    /// Reads the rows of a moment.
    pub(crate) async fn of_moment(
        connection: OwnedMutexGuard<SqliteConnection>,
        moment: Moment,
    ) -> sqlx::Result<Self> {
        let position = moment.position();
        Self::new(Held::Moment(connection, moment), position).await
    }

    /// The moment it reads; none if it reads what is so now.
    #[must_use]
    pub const fn moment(&self) -> Option<&Moment> {
        match &self.held {
            Held::Pooled(_) => None,
            Held::Moment(_, moment) => Some(moment),
        }
    }

    /// What is read shows at least every event up to here.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether `error` says that the budget of the reader is spent.
    #[must_use]
    pub fn is_exhausted(error: &sqlx::Error) -> bool {
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "9")
    }
}

impl Deref for Reader {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.held {
            Held::Pooled(connection) => connection,
            Held::Moment(connection, _) => connection,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.held {
            Held::Pooled(connection) => connection,
            Held::Moment(connection, _) => connection,
        }
    }
}
