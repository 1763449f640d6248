//! The steps on which durability rests, behind a trait, so that tests can fail them, count them and know exactly
//! what a power cut would leave.

use std::{fs::File, io, path::Path};

/// The durability steps of the operating system. The defaults are the real ones; a test overrides what it wants to
/// see or break.
///
/// Invariant: the log calls [`sync`](Self::sync) or [`sync_dir`](Self::sync_dir) for everything that it relies on
/// after a power cut, and never calls one of them again after it has failed.
pub trait Disk: Send + Sync + 'static {
    /// Called before about `bytes` bytes are written to `path` or below it. An error stands for a failed write.
    ///
    /// # Errors
    /// What the write shall fail with.
    fn before_write(&self, path: &Path, bytes: usize) -> io::Result<()> {
        let _ = (path, bytes);
        Ok(())
    }

    /// Makes the content and size of `file`, which lies at `path`, survive a power cut.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
        let _ = path;
        file.sync_data()
    }

    /// Makes the names in the directory `dir` survive a power cut.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    /// Bytes that may still be written to the file system of `dir`.
    ///
    /// # Errors
    /// The operating system's.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {}
