//! One sled database, opened and synced the way 0.34.7 needs it.
//!
//! sled alone is not enough (FACTS/storage.md 0, 1 and 5): `flush` is no barrier to a power cut, leftovers of a crash
//! keep it from opening, it panics on some damage, it lets go of its file lock late, and it moves values above a
//! threshold into files that it never syncs. Everything here is about one of these.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use openclaw_log::ReadError;

use crate::disk::Disk;

/// What a database is used for. sled stores the segment size, so a kind's size never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Frames of up to 56 KiB.
    Active,
    /// Chunks and index pages.
    Sealed,
    /// Small values.
    Heads,
}

impl Kind {
    /// A leaf holds up to 17 values and must stay below a quarter of this, or sled writes it to a file that it never
    /// syncs: values may have (size / 4 - 20) / 17 bytes.
    const fn segment_size(self) -> usize {
        match self {
            Self::Active => 4 << 20,
            Self::Sealed => 1 << 20,
            Self::Heads => 512 << 10,
        }
    }

    const fn cache(self) -> u64 {
        match self {
            Self::Active => 32 << 20,
            Self::Sealed => 8 << 20,
            Self::Heads => 8 << 20,
        }
    }

    /// The longest value that may be stored.
    pub(crate) const fn max_value(self) -> usize {
        (self.segment_size() / 4 - 20) / 17
    }
}

/// Why a database does not work.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// Its content is not what was written.
    #[error("{0}")]
    Corrupt(String),
    /// The operating system refused.
    #[error("{0}")]
    Io(String),
}

impl From<sled::Error> for DbError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error.to_string()),
            sled::Error::Corruption { .. } => {
                Self::Corrupt("sled found a page that does not match its checksum".into())
            }
            other => Self::Corrupt(format!("sled: {other}")),
        }
    }
}

impl From<io::Error> for DbError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl DbError {
    /// As an error of a read at `position`.
    pub(crate) fn at(self, position: openclaw_model::Position) -> ReadError {
        match self {
            Self::Corrupt(reason) => ReadError::Damaged { position, reason: reason.into() },
            Self::Io(reason) => ReadError::Storage(reason.into()),
        }
    }
}

/// An open database.
pub(crate) struct Db {
    /// None only while being dropped.
    tree: Option<sled::Db>,
    /// Our own handle of sled's file, for the barrier that sled leaves out.
    file: File,
    dir: PathBuf,
    kind: Kind,
    disk: Arc<dyn Disk>,
}

const LOCK_RETRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

impl Db {
    /// Opens the database in `dir`, or creates it. Cost: some milliseconds, and a replay of what was written since it
    /// was last opened.
    pub(crate) fn open(dir: &Path, kind: Kind, disk: Arc<dyn Disk>) -> Result<Self, DbError> {
        disk.before_write(dir, 0)?;
        remove_leftovers(dir)?;
        let config = sled::Config::new()
            .path(dir)
            .segment_size(kind.segment_size())
            .cache_capacity(kind.cache())
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let mut retries = 0;
        let tree = loop {
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(tree)) => break tree,
                Ok(Err(sled::Error::Io(error)))
                    if retries < LOCK_RETRIES && error.to_string().contains("could not acquire lock") =>
                {
                    retries += 1;
                    thread::sleep(LOCK_PAUSE);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(DbError::Corrupt("sled panicked while opening".into())),
            }
        };
        let file = File::options().read(true).write(true).open(dir.join("db"))?;
        let db = Self { tree: Some(tree), file, dir: dir.to_owned(), kind, disk };
        db.check_no_spill()?;
        Ok(db)
    }

    /// Closes the database and opens it once more, so that sled leaves a snapshot at its end and the next open has
    /// nothing to replay. Gives up silently while somebody else still reads it: the next open is slower, that is all.
    pub(crate) fn settle(dir: &Path, kind: Kind, disk: Arc<dyn Disk>) -> Result<(), DbError> {
        Self::open(dir, kind, disk).map(drop)
    }

    pub(crate) fn tree(&self) -> &sled::Db {
        self.tree.as_ref().expect("taken only by drop")
    }

    /// Writes one value; visible to readers at once, durable after [`Self::sync`].
    pub(crate) fn insert(&self, key: &[u8], value: &[u8]) -> Result<(), DbError> {
        self.insert_into(self.tree(), key, value)
    }

    /// [`Self::insert`] into a tree that [`Self::open_tree`] gave.
    pub(crate) fn insert_into(&self, tree: &sled::Tree, key: &[u8], value: &[u8]) -> Result<(), DbError> {
        assert!(value.len() <= self.kind.max_value(), "sled keeps only short values in its log");
        self.disk.before_write(&self.dir, value.len())?;
        tree.insert(key, value)?;
        Ok(())
    }

    /// Opens or creates a tree beside the default one.
    pub(crate) fn open_tree(&self, name: &[u8]) -> Result<sled::Tree, DbError> {
        Ok(self.tree().open_tree(name)?)
    }

    /// The names of all trees.
    pub(crate) fn tree_names(&self) -> Vec<sled::IVec> {
        self.tree().tree_names()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, DbError> {
        Ok(self.tree().get(key)?)
    }

    /// The greatest key that is at most `key` and starts with its first byte.
    pub(crate) fn at_or_before(&self, key: &[u8]) -> Result<Option<(sled::IVec, sled::IVec)>, DbError> {
        Ok(self.tree().range(&key[..1]..=key).next_back().transpose()?)
    }

    /// All pairs from `key` on, in order, that start with its first byte.
    pub(crate) fn pairs_from(
        &self,
        key: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(sled::IVec, sled::IVec), DbError>> + use<> {
        let end = [key[0] + 1];
        self.tree().range(key..end.as_slice()).map(|pair| pair.map_err(DbError::from))
    }

    /// Makes everything written so far durable: sled's flush, which is not a barrier, and then a barrier.
    pub(crate) fn sync(&self) -> Result<(), DbError> {
        self.tree().flush()?;
        self.disk.sync(&self.dir.join("db"), &self.file)?;
        Ok(())
    }

    /// [`Self::sync`] and everything around it, so that a database that was just created survives a power cut.
    pub(crate) fn sync_all(&self) -> Result<(), DbError> {
        self.sync()?;
        sync_files(&self.dir, &*self.disk)?;
        Ok(())
    }

    /// Values that sled moved out of its log would not survive a power cut.
    pub(crate) fn check_no_spill(&self) -> Result<(), DbError> {
        let spilled = fs::read_dir(self.dir.join("blobs"))?.next().is_some();
        if spilled { Err(DbError::Corrupt("sled has moved values out of its log".into())) } else { Ok(()) }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let tree = self.tree.take();
        // sled syncs in its drop and panics if that fails.
        if catch_unwind(AssertUnwindSafe(|| drop(tree))).is_err() {
            tracing::warn!(dir = %self.dir.display(), "sled panicked while closing");
        }
    }
}

/// Syncs every file of a database that nobody writes, and its directories.
pub(crate) fn sync_files(dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            disk.sync(&entry.path(), &File::open(entry.path())?)?;
        }
    }
    disk.sync_dir(&dir.join("blobs"))?;
    disk.sync_dir(dir)?;
    disk.sync_dir(dir.parent().expect("a database lies in the log's directory"))
}

/// Removes what a crash may leave and what sled would trip over (FACTS/reliability.md 0.7).
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    let conf = dir.join("conf");
    if !dir.join("db").exists() && conf.exists() {
        fs::remove_file(conf)?;
    }
    Ok(())
}
