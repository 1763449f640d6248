//! Payloads that are too large for a frame: one file each, named by the BLAKE3 of its content.
//!
//! Invariant: a blob is durable, name and content, before the frame that names it is written. A blob that no frame
//! names (its append failed) is harmless and is used when the same payload comes again.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use openclaw_log::{ReadError, frame::Blob, record::BlobRef};
use openclaw_model::Position;

use crate::{disk::Disk, error::damaged, layout::Layout};

/// The blobs of one log.
pub(crate) struct Blobs {
    layout: Layout,
    disk: Arc<dyn Disk>,
}

impl Blobs {
    pub(crate) fn new(layout: Layout, disk: Arc<dyn Disk>) -> Self {
        Self { layout, disk }
    }

    /// Makes `blobs` durable. Those that are there already, whole, cost a read instead of a write.
    pub(crate) fn store<'a>(&self, blobs: impl Iterator<Item = &'a Blob>) -> io::Result<()> {
        let mut dirs = BTreeSet::new();
        for blob in blobs {
            let path = self.layout.blob(blob.digest);
            let dir = path.parent().expect("a blob lies in a directory").to_owned();
            if fs::read(&path).is_ok_and(|there| BlobRef::to(&there).digest == blob.digest) {
                // Its name may still be unsynced if the process died in between.
                dirs.insert(dir);
                continue;
            }
            if !dir.exists() {
                fs::create_dir_all(&dir)?;
                self.disk.sync_dir(&self.layout.blobs())?;
                self.disk.sync_dir(self.layout.dir())?;
            }
            let fresh: PathBuf = path.with_extension("new");
            self.disk.before_write(&fresh, blob.content.len())?;
            let mut file = File::create(&fresh)?;
            file.write_all(&blob.content)?;
            self.disk.sync(&fresh, &file)?;
            fs::rename(&fresh, &path)?;
            dirs.insert(dir);
        }
        dirs.iter().try_for_each(|dir| self.disk.sync_dir(dir))
    }

    /// The payload of the event at `position`. Cost: one file read and one BLAKE3 over it.
    pub(crate) fn load(&self, position: Position, blob: BlobRef) -> Result<Arc<[u8]>, ReadError> {
        let path = self.layout.blob(blob.digest);
        let content = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => damaged(position, format_args!("blob {} is missing", blob.digest)),
            _ => ReadError::Storage(format!("{}: {error}", path.display()).into()),
        })?;
        if !blob.matches(&content) {
            return Err(damaged(position, format_args!("blob {} is not what was written", blob.digest)));
        }
        Ok(content.into())
    }
}
