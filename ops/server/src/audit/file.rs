//! Two small files of lines: checkpoints outside the data directory, and the public keys that signed any.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use openclaw_audit::{Checkpoint, PublicKey};
use openclaw_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Checkpoints that were kept in a file.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// In the order of the file.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// Lines that are none: a write that a power cut tore, or something else's.
    pub(crate) unreadable: usize,
}

/// Reads a file of checkpoints.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn kept(path: &Path) -> io::Result<Kept> {
    let mut kept = Kept::default();
    for line in String::from_utf8_lossy(&fs::read(path)?).lines().filter(|line| !line.trim().is_empty()) {
        match Checkpoint::from_line(line) {
            Ok(checkpoint) => kept.checkpoints.push(checkpoint),
            Err(_) => kept.unreadable += 1,
        }
    }
    Ok(kept)
}

/// A public key that signed checkpoints, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrustedKey {
    /// Its short name.
    pub(crate) id: String,
    /// The key.
    pub(crate) key: PublicKey,
    /// When it signed first.
    pub(crate) since: Timestamp,
}

/// The public keys that a server has signed with, oldest first; none if there is no such file.
///
/// # Errors
/// When it is there and cannot be read.
pub(crate) fn trusted(path: &Path) -> io::Result<Vec<TrustedKey>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}

/// Refuses a file of checkpoints that lies in the data directory: whoever can change the log there could change the file.
///
/// # Errors
/// With the reason, when it does, or its directory is none.
pub(crate) fn keep_outside(path: &Path, data: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().ok_or_else(|| format!("{} names no file", path.display()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = directory.canonicalize().map_err(|error| format!("{}: {error}", directory.display()))?;
    // A link would lead elsewhere.
    let real = directory.join(name);
    let real = real.canonicalize().unwrap_or(real);
    let data = data.canonicalize().map_err(|error| format!("{}: {error}", data.display()))?;
    if real.starts_with(&data) {
        return Err(format!("{} lies in the data directory", path.display()));
    }
    Ok(real)
}

/// A file that is only appended to.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
}

impl Lines {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, durably. A line that was torn before is ended first.
    pub(super) fn append(&self, line: &str) -> io::Result<()> {
        let new = !self.path.exists();
        let mut file =
            fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let mut text = Vec::with_capacity(line.len() + 2);
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push(b'\n');
            }
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_data()?;
        if new && let Some(directory) = self.path.parent() {
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

/// The public keys of this data directory.
#[derive(Debug)]
pub(super) struct TrustFile {
    lines: Lines,
    known: BTreeSet<PublicKey>,
}

impl TrustFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let known = trusted(&path)?.into_iter().map(|trusted| trusted.key).collect();
        Ok(Self { lines: Lines::new(path), known })
    }

    /// Notes a key, if it is new. Says whether it is.
    pub(super) fn note(&mut self, key: PublicKey, since: Timestamp) -> io::Result<bool> {
        if self.known.contains(&key) {
            return Ok(false);
        }
        let line = serde_json::to_string(&TrustedKey { id: key.id(), key, since })?;
        self.lines.append(&line)?;
        self.known.insert(key);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_data_directory_is_refused_however_it_is_named() {
        let data = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("sub")).unwrap();
        for inside in ["c", "sub/c", "sub/../c"] {
            assert!(keep_outside(&data.path().join(inside), data.path()).is_err(), "{inside}");
        }
        let link = other.path().join("link");
        std::os::unix::fs::symlink(data.path(), &link).unwrap();
        assert!(keep_outside(&link.join("c"), data.path()).is_err(), "through a link");
        fs::write(data.path().join("c"), "").unwrap();
        let file = other.path().join("file");
        std::os::unix::fs::symlink(data.path().join("c"), &file).unwrap();
        assert!(keep_outside(&file, data.path()).is_err(), "a link to a file in it");
        assert!(keep_outside(&other.path().join("c"), data.path()).is_ok());
        assert!(keep_outside(&other.path().join("no/c"), data.path()).is_err(), "no such directory");
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let lines = Lines::new(directory.path().join("lines"));
        lines.append("one").unwrap();
        fs::OpenOptions::new().append(true).open(lines.path()).unwrap().write_all(b"tw").unwrap();
        lines.append("three").unwrap();
        assert_eq!(fs::read_to_string(lines.path()).unwrap(), "one\ntw\nthree\n");
        let found = kept(lines.path()).unwrap();
        assert_eq!((found.checkpoints.len(), found.unreadable), (0, 3));
    }

    #[test]
    fn a_key_is_noted_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let (one, two) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let now = Timestamp::from_micros(5);
        let mut file = TrustFile::open(path.clone()).unwrap();
        assert!(file.note(one, now).unwrap() && !file.note(one, now).unwrap());
        let mut again = TrustFile::open(path.clone()).unwrap();
        assert!(!again.note(one, now).unwrap() && again.note(two, now).unwrap());
        let ids: Vec<_> = trusted(&path).unwrap().into_iter().map(|trusted| trusted.key).collect();
        assert_eq!(ids, [one, two]);
    }
}
