//! The anchor: the last acknowledged position and its hash, in a file of its own.
//!
//! It is written after the events are durable and before they are acknowledged, so it is never ahead of the log
//! unless the log has lost something. That is how history which silently vanished from the log's end is noticed: sled
//! itself does not tell (FACTS/reliability.md 0.8).
//!
//! There are two slots, a page apart. Invariant: the slot that was synced last is not touched before the other one
//! has been synced, so whatever a power cut tears, one slot is whole. The file is synced at most every half second and
//! when a segment is closed: a process that dies leaves it exact, a power cut at most that old.
//!
//! ```text
//! slot   0  sequence  u64
//!        8  position  u64
//!       16  hash      32
//!       48  checksum  u32   CRC-32 of the above
//! ```

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use openclaw_model::{Digest, Position};

use crate::disk::Disk;

const SLOT_LEN: usize = 52;
const SLOT_DISTANCE: u64 = 4096;

/// What the anchor vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) position: Position,
    pub(crate) hash: Digest,
}

impl Anchor {
    pub(crate) const GENESIS: Self = Self { position: Position::START, hash: Digest([0; 32]) };
}

/// The anchor's file.
pub(crate) struct Tip {
    path: PathBuf,
    file: File,
    sequence: u64,
    /// Where the next write goes: not the slot that was synced last.
    slot: u64,
    unsynced: bool,
    disk: Arc<dyn Disk>,
}

impl Tip {
    /// Opens the anchor; none if it is missing or neither slot can be read.
    pub(crate) fn open(path: PathBuf, disk: Arc<dyn Disk>) -> io::Result<Option<(Self, Anchor)>> {
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let slots = [0, SLOT_DISTANCE].map(|offset| {
            let mut slot = [0; SLOT_LEN];
            file.read_exact_at(&mut slot, offset).ok().and_then(|()| decode(&slot))
        });
        let newest = (0..).zip(slots).filter_map(|(slot, read)| Some((slot, read?)));
        let newest = newest.max_by_key(|(_, (sequence, _))| *sequence);
        Ok(newest.map(|(slot, (sequence, anchor))| {
            (Self { path, file, sequence, slot: 1 - slot, unsynced: false, disk }, anchor)
        }))
    }

    /// Creates the anchor at `anchor`, durable, in place of any that is there.
    pub(crate) fn create(path: PathBuf, anchor: Anchor, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&fresh)?;
        let mut tip = Self { path: fresh.clone(), file, sequence: 0, slot: 0, unsynced: false, disk };
        for _ in 0..2 {
            tip.write(anchor)?;
            tip.sync()?;
        }
        fs::rename(&fresh, &path)?;
        if let Some(dir) = path.parent() {
            tip.disk.sync_dir(dir)?;
        }
        tip.path = path;
        Ok(tip)
    }

    /// Moves the anchor. Cost: one small write, no sync.
    pub(crate) fn write(&mut self, anchor: Anchor) -> io::Result<()> {
        self.disk.before_write(&self.path, SLOT_LEN)?;
        self.sequence += 1;
        self.file.write_all_at(&encode(self.sequence, anchor), self.slot * SLOT_DISTANCE)?;
        self.unsynced = true;
        Ok(())
    }

    /// Whether something was written since the last sync.
    pub(crate) const fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Makes the anchor survive a power cut.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.disk.sync(&self.path, &self.file)?;
            self.unsynced = false;
            self.slot = 1 - self.slot;
        }
        Ok(())
    }
}

fn encode(sequence: u64, anchor: Anchor) -> [u8; SLOT_LEN] {
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(&sequence.to_le_bytes());
    slot[8..16].copy_from_slice(&anchor.position.0.to_le_bytes());
    slot[16..48].copy_from_slice(&anchor.hash.0);
    let checksum = crc32fast::hash(&slot[..48]);
    slot[48..].copy_from_slice(&checksum.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_LEN]) -> Option<(u64, Anchor)> {
    let number = |at: usize| u64::from_le_bytes(slot[at..at + 8].try_into().expect("eight bytes"));
    let intact = crc32fast::hash(&slot[..48]).to_le_bytes() == slot[48..];
    let hash = Digest(slot[16..48].try_into().expect("32 bytes"));
    intact.then(|| (number(0), Anchor { position: Position(number(8)), hash }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn whatever_is_torn_the_anchor_that_was_synced_last_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tip");
        let anchor = |position| Anchor { position: Position(position), hash: Digest([position as u8; 32]) };
        let open = || Tip::open(path.clone(), Arc::new(OsDisk)).unwrap().map(|(_, anchor)| anchor);
        let mut tip = Tip::create(path.clone(), Anchor::GENESIS, Arc::new(OsDisk)).unwrap();
        for synced in [10, 20, 30] {
            tip.write(anchor(synced)).unwrap();
            tip.sync().unwrap();
            let safe = (1 - tip.slot) * SLOT_DISTANCE;
            for position in synced + 1..synced + 5 {
                tip.write(anchor(position)).unwrap();
                assert_eq!(open(), Some(anchor(position)));
            }
            tip.file.write_all_at(&[0xff; 20], SLOT_DISTANCE - safe + 10).unwrap();
            assert_eq!(open(), Some(anchor(synced)));
        }
        tip.file.write_all_at(&[0xff; 20], 10).unwrap();
        tip.file.write_all_at(&[0xff; 20], SLOT_DISTANCE + 10).unwrap();
        assert_eq!(open(), None);
    }
}
