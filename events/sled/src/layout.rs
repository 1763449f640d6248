//! Where everything lies.
//!
//! ```text
//! DIR/lock                            held for as long as the log is open
//! DIR/tip                             the anchor, see tip.rs
//! DIR/reserve                         space that a start on a full disk gives back, see space.rs
//! DIR/index                           what a clean stop leaves so that the next start need not scan
//! DIR/segments/FIRST.active           sled: an unsealed segment; the last one is written
//! DIR/segments/FIRST-LAST.sealed      sled: a sealed segment
//! DIR/segments/FIRST.sealing          a seal in progress; worthless after a crash
//! DIR/heads                           sled: stream heads of the sealed segments; derived, may be deleted
//! DIR/blobs/ab/HEX                    payloads by their BLAKE3
//! ```
//!
//! Positions in names have twenty digits, so that names sort as numbers do. A sealed segment tells its last position
//! by its name, so that a missing one is noticed without opening any.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use openclaw_model::{Digest, Position};

/// The paths of one log.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

/// The positions that a segment covers, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Position,
    pub(crate) last: Position,
}

/// The segments that lie on disk, in order of position.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sealed: Vec<Span>,
    pub(crate) unsealed: Vec<Position>,
    /// Leftovers of an interrupted seal.
    pub(crate) leftovers: Vec<PathBuf>,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn tip(&self) -> PathBuf {
        self.dir.join("tip")
    }

    pub(crate) fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    pub(crate) fn heads(&self) -> PathBuf {
        self.dir.join("heads")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.dir.join("segments")
    }

    pub(crate) fn active(&self, first: Position) -> PathBuf {
        self.segments().join(format!("{:020}.active", first.0))
    }

    pub(crate) fn sealing(&self, first: Position) -> PathBuf {
        self.segments().join(format!("{:020}.sealing", first.0))
    }

    pub(crate) fn sealed(&self, span: Span) -> PathBuf {
        self.segments().join(format!("{:020}-{:020}.sealed", span.first.0, span.last.0))
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    pub(crate) fn blob(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.blobs().join(&name[..2]).join(name)
    }

    /// What lies in the segments directory. Names that are none of ours are left alone.
    pub(crate) fn scan(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for entry in fs::read_dir(self.segments())? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((stem, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            let position = |digits: &str| digits.parse().map(Position).ok();
            match (kind, stem.split_once('-')) {
                ("active", None) => found.unsealed.extend(position(stem)),
                ("sealing", None) => found.leftovers.push(entry.path()),
                ("sealed", Some((first, last))) => {
                    if let (Some(first), Some(last)) = (position(first), position(last)) {
                        found.sealed.push(Span { first, last });
                    }
                }
                _ => {}
            }
        }
        found.sealed.sort_unstable_by_key(|span| span.first);
        found.unsealed.sort_unstable();
        Ok(found)
    }
}
