//! One process at a time. The lock is the operating system's and goes with the process, however it ends.

use std::fs::{self, File, TryLockError};

use crate::{error::OpenError, layout::Layout};

/// Held for as long as the log is open.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Creates the log's directory if need be and locks it.
    pub(crate) fn take(layout: &Layout) -> Result<Self, OpenError> {
        fs::create_dir_all(layout.dir()).map_err(OpenError::io(layout.dir().display()))?;
        let path = layout.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(OpenError::io(path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: layout.dir().to_owned() }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(path.display())(error)),
        }
    }
}
