//! A segment as it is written: frames under their first positions, in one small sled database.
//!
//! ```text
//! tree   key        value
//! -      m          header: format u8, position u64, hash 32, time i64 of the log before, checksum u32
//! FIRST  POSITION   a frame, exactly as it was packed
//! ```
//!
//! Positions in keys and names are u64 big-endian. A tree holds the frames of a stretch of the log (stretch.rs).
//!
//! Invariant: the header is durable before the first frame, so a segment without one was never used.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use openclaw_log::{Frame, Head, ReadError, frame::Header, record};
use openclaw_model::{Digest, Position, Timestamp};

use crate::{
    db::{Db, DbError, Kind},
    disk::Disk,
    error::damaged,
    index::Index,
    layout::Layout,
    stretch::{self, Stretch},
};

const HEADER: &[u8] = b"m";
const HEADER_LEN: usize = 53;
const FORMAT_V1: u8 = 1;

/// A stretch of the log is begun anew when it has so many bytes and as many frames as sled writes once. Small frames are
/// left to sled: a tree has its price too.
const STRETCH_BYTES: usize = 128 << 10;

/// A segment that is being written, or waits to be sealed.
pub(crate) struct Unsealed {
    base: Position,
    /// The head of the log before this segment.
    before: Head,
    db: Db,
    stretches: RwLock<Vec<Stretch>>,
    /// Frames and bytes in the last stretch; none if the next frame begins one.
    filling: Mutex<Option<(u32, usize)>>,
    index: RwLock<Index>,
}

impl Unsealed {
    /// Creates the segment that follows `before`, durable.
    pub(crate) fn create(layout: &Layout, before: Head, disk: Arc<dyn Disk>) -> Result<Self, DbError> {
        let base = before.position.next();
        let db = Db::open(&layout.active(base), Kind::Active, disk)?;
        db.insert(HEADER, &encode(before))?;
        db.sync_all()?;
        Ok(Self::new(before, db, Vec::new()))
    }

    fn new(before: Head, db: Db, stretches: Vec<Stretch>) -> Self {
        let base = before.position.next();
        let index = RwLock::new(Index::new(base));
        Self { base, before, db, stretches: RwLock::new(stretches), filling: Mutex::new(None), index }
    }

    /// Opens a segment and reads it through: chain, positions and checksums are verified, the index is built. With
    /// `known`, an index that a clean stop left, only the last frame is read if it is the one the index ends with.
    /// None if the segment was never used. Returns the head that it ends with.
    pub(crate) fn open(
        layout: &Layout,
        base: Position,
        known: Option<(Index, Digest)>,
        disk: Arc<dyn Disk>,
    ) -> Result<Option<(Self, Head)>, ReadError> {
        let db = Db::open(&layout.active(base), Kind::Active, disk).map_err(|error| error.at(base))?;
        let stretches = Stretch::all(&db).map_err(|error| error.at(base))?;
        let Some(header) = db.get(HEADER).map_err(|error| error.at(base))? else {
            let unused = stretches.is_empty();
            return if unused { Ok(None) } else { Err(damaged(base, "the segment's header is missing")) };
        };
        let before = decode(&header)
            .filter(|before| before.position.next() == base)
            .ok_or_else(|| damaged(base, "the segment's header cannot be read"))?;
        let mut segment = Self::new(before, db, stretches);
        if let Some((index, end)) = known
            && let Some(head) = segment.end_if(end)?
        {
            segment.index = RwLock::new(index);
            return Ok(Some((segment, head)));
        }
        let head = segment.scan()?;
        Ok(Some((segment, head)))
    }

    /// The head that the segment ends with, if its last frame has hash `end`.
    fn end_if(&self, end: Digest) -> Result<Option<Head>, ReadError> {
        let newest = self.stretches().iter().rev().find_map(|stretch| stretch.tree.iter().next_back());
        let Some(pair) = newest else {
            return Ok((end == self.before.hash).then_some(self.before));
        };
        let (_, bytes) = pair.map_err(|error| DbError::from(error).at(self.base))?;
        let Ok(frame) = Frame::parse(&bytes, true) else { return Ok(None) };
        let newest = frame.records().last().and_then(Result::ok);
        Ok(newest.filter(|_| frame.header.hash == end).map(|record| Head {
            position: frame.header.last(),
            hash: end,
            at: record.event().at,
        }))
    }

    fn scan(&mut self) -> Result<Head, ReadError> {
        let mut index = Index::new(self.base);
        let mut head = self.before;
        for frame in self.frames(self.base) {
            let (header, bytes) = frame?;
            check_follows(head, &header)?;
            let frame = Frame::parse(&bytes, true).map_err(|bad| damaged(header.first, bad))?;
            let mut rest = frame.records;
            for position in header.first.0..=header.last().0 {
                let position = Position(position);
                let record = record::peek(rest).map_err(|bad| damaged(position, bad))?;
                if record.position != position {
                    return Err(damaged(position, "the frame holds another position"));
                }
                index.add_stored(&record).map_err(|bad| damaged(position, bad))?;
                rest = &rest[record.length..];
                head.at = record.at;
            }
            head = Head { position: header.last(), hash: header.hash, at: head.at };
            index.bytes += bytes.len() as u64;
        }
        self.index = RwLock::new(index);
        Ok(head)
    }

    /// Position of the first event, whether it is there yet or not.
    pub(crate) const fn base(&self) -> Position {
        self.base
    }

    /// The head of the log before this segment.
    pub(crate) const fn before(&self) -> Head {
        self.before
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a frame; durable after the database's sync. Only the writer does this.
    pub(crate) fn insert(&self, frame: &Frame) -> Result<(), DbError> {
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let length = frame.bytes().len();
        *filling = match *filling {
            Some((frames, bytes)) if frames < stretch::CHANGES || bytes < STRETCH_BYTES => {
                Some((frames + 1, bytes + length))
            }
            _ => {
                let begun = Stretch::open(&self.db, frame.first())?;
                self.stretches.write().unwrap_or_else(PoisonError::into_inner).push(begun);
                Some((1, length))
            }
        };
        let last = self.stretches().last().cloned().expect("begun above");
        self.db.insert_into(&last.tree, &stretch::key(frame.first()), frame.bytes())
    }

    /// The frames from the one that holds `from` on, with their headers; durable or not. Hashes are not verified.
    pub(crate) fn frames(
        &self,
        from: Position,
    ) -> impl Iterator<Item = Result<(Header, sled::IVec), ReadError>> + use<> {
        stretch::values(&self.stretches(), from).map(move |pair| {
            let (position, bytes) = pair?;
            let position = position.ok_or_else(|| damaged(from, "a frame has a strange key"))?;
            let header = Frame::parse(&bytes, false).map_err(|bad| damaged(position, bad))?.header;
            if header.first != position {
                return Err(damaged(position, "a frame stands at another position than its own"));
            }
            Ok((header, bytes))
        })
    }

    fn stretches(&self) -> RwLockReadGuard<'_, Vec<Stretch>> {
        self.stretches.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the frame with `header` continues a log that ends at `head`.
pub(crate) fn check_follows(head: Head, header: &Header) -> Result<(), ReadError> {
    let expected = head.position.next();
    if header.first != expected {
        return Err(damaged(expected, format_args!("the next frame starts at {}", header.first)));
    }
    if header.prev != head.hash {
        return Err(damaged(expected, "the frame does not continue the chain of hashes"));
    }
    Ok(())
}

/// The header of a segment that follows `before`; also the form in which sealed segments keep a head.
pub(crate) fn encode(head: Head) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[0] = FORMAT_V1;
    out[1..9].copy_from_slice(&head.position.0.to_le_bytes());
    out[9..41].copy_from_slice(&head.hash.0);
    out[41..49].copy_from_slice(&head.at.as_micros().to_le_bytes());
    let checksum = crc32fast::hash(&out[..49]);
    out[49..].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Reads [`encode`].
pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
    let bytes: &[u8; HEADER_LEN] = bytes.try_into().ok()?;
    let intact = bytes[0] == FORMAT_V1 && crc32fast::hash(&bytes[..49]).to_le_bytes() == bytes[49..];
    intact.then(|| Head {
        position: Position(u64::from_le_bytes(bytes[1..9].try_into().expect("eight bytes"))),
        hash: Digest(bytes[9..41].try_into().expect("32 bytes")),
        at: Timestamp::from_micros(i64::from_le_bytes(bytes[41..49].try_into().expect("eight bytes"))),
    })
}
