//! The few file operations a vault is written with, so that tests can cut the power between any two.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use crate::{
    error::{Error, Problem},
    format::MAX_FILE,
};

/// A directory with a handful of small files. Names have no slashes.
pub trait Files: Send + 'static {
    /// Holds the directory for one process until it is dropped.
    type Lock: Send + 'static;

    /// Takes the lock, or says [`Error::InUse`].
    ///
    /// # Errors
    /// As said, and those of the disk.
    fn lock(&self) -> Result<Self::Lock, Error>;

    /// All of a file; none if there is none. Refuses what others could have written or read.
    ///
    /// # Errors
    /// [`Error::Untrusted`], and those of the disk.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// A new file with these bytes, which only its owner can use. Nothing says yet that they are on the disk.
    ///
    /// # Errors
    /// Those of the disk; a file of this name is one.
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Returns when the bytes of the file are on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Puts a file in the place of another, at once and wholly.
    ///
    /// # Errors
    /// Those of the disk.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names of the directory are on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes a file away; it need not be there.
    ///
    /// # Errors
    /// Those of the disk.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A real directory, of mode 700, that belongs to the user who asks. Links in it are never followed.
pub struct Disk {
    path: PathBuf,
    directory: OwnedFd,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.path).finish()
    }
}

/// Name of the file that is locked; the vault's own file is replaced and cannot be.
const LOCK: &str = "lock";

impl Disk {
    /// Opens the directory, and makes it if it is not there.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if others may use it or it is a link, [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { doing: "opening its directory", source };
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => {
                // Its name has to be on the disk before a file in it is.
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)?;
                }
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(io(error.into())),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let untrusted = |problem| Error::Untrusted { path: path.to_owned(), problem };
        let directory = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => return Err(untrusted(Problem::Kind)),
            Err(error) => return Err(io(error.into())),
        };
        let stat = rustix::fs::fstat(&directory).map_err(|error| io(error.into()))?;
        check(stat.st_mode, stat.st_uid).map_err(untrusted)?;
        Ok(Self { path: path.to_owned(), directory })
    }

    fn at(&self, name: &str, flags: OFlags) -> rustix::io::Result<fs::File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR).map(fs::File::from)
    }

    /// A file that is what it should be; none if there is none.
    fn trusted(&self, name: &str, flags: OFlags) -> Result<Option<fs::File>, Error> {
        let io = |source| Error::Io { doing: "opening it", source };
        let untrusted = |problem| Error::Untrusted { path: self.path.join(name), problem };
        let file = match self.at(name, flags) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(untrusted(Problem::Kind)),
            Err(error) => return Err(io(error.into())),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| io(error.into()))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(untrusted(Problem::Kind));
        }
        check(stat.st_mode, stat.st_uid).map_err(untrusted)?;
        if u64::try_from(stat.st_size).unwrap_or(0) > MAX_FILE as u64 {
            return Err(untrusted(Problem::Size));
        }
        Ok(Some(file))
    }
}

/// Whether only its owner, who is this user, may use it.
fn check(mode: u32, owner: u32) -> Result<(), Problem> {
    let own = rustix::process::geteuid().as_raw();
    if owner != own {
        Err(Problem::Owner { found: owner, own })
    } else if mode & 0o077 != 0 {
        Err(Problem::Mode(mode & 0o777))
    } else {
        Ok(())
    }
}

impl Files for Disk {
    type Lock = fs::File;

    fn lock(&self) -> Result<fs::File, Error> {
        let io = |source| Error::Io { doing: "locking it", source };
        let file = self.trusted(LOCK, OFlags::RDWR | OFlags::CREATE)?.expect("it is made if it is not there");
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse),
            Err(error) => Err(io(error.into())),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.trusted(name, OFlags::RDONLY)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_FILE as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Io { doing: "reading it", source })?;
        Ok(Some(bytes))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.at(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?.write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.at(name, OFlags::RDONLY)?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
