//! One process at a time. The lock is the operating system's and goes with the process, however it ends.

use std::{
    fs::{self, File, TryLockError},
    thread,
    time::Duration,
};

use crate::{error::OpenError, layout::Layout};

/// How often a lock that is held is tried again, and after which pause: a second in all. A process that was killed
/// while it started another one leaves its open files to that one until it has become a program of its own, so a
/// restart at once could find the lock held by nobody who has the log open.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Held for as long as the log is open.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Creates the log's directory if need be and locks it. Blocks for a second before it gives up.
    pub(crate) fn take(layout: &Layout) -> Result<Self, OpenError> {
        fs::create_dir_all(layout.dir()).map_err(OpenError::io(layout.dir().display()))?;
        let path = layout.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(OpenError::io(path.display()))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::Locked { dir: layout.dir().to_owned() });
                }
                Err(TryLockError::Error(error)) => return Err(OpenError::io(path.display())(error)),
            }
        }
        Ok(Self { _file: file })
    }
}
