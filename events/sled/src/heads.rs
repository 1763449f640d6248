//! Where every stream of the sealed segments ends, and which commands they may hold: what would otherwise need old
//! segments to be opened. Derived from them, and rebuilt from them if it is lost or does not open.
//!
//! ```text
//! n              the position up to which sealed segments are taken in
//! h STREAM       version u64, position u64 and segment u64 of the stream's newest sealed event
//! b BASE PART    a piece of the command filter of the segment that starts at BASE; part u16 big-endian
//! ```
//!
//! Every value ends with a CRC-32. Invariant: "n" is written after everything it covers.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use openclaw_log::{ReadError, StreamHead};
use openclaw_model::{Position, StreamId, Version};

use crate::{
    db::{Db, Kind},
    disk::Disk,
    error::{OpenError, damaged},
    filter::Filter,
    layout::{Layout, Span},
    sealed::{Sealed, position_key},
};

/// Commands are found in this many sealed segments, the newest, and in all that are not sealed yet.
pub(crate) const COMMAND_WINDOW: usize = 32;

const COVERED: &[u8] = b"n";
const FILTER_PIECE: usize = 4096;

/// The end of one stream within the sealed segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedHead {
    pub(crate) version: Version,
    pub(crate) position: Position,
    /// First position of the segment that holds it.
    pub(crate) segment: Position,
}

/// The heads database.
pub(crate) struct Heads {
    db: Db,
    /// Filters that were read already, by the base of their segment.
    filters: Mutex<BTreeMap<Position, Option<Arc<Filter>>>>,
}

impl Heads {
    /// Opens the database and takes in what it does not know of `sealed` yet.
    pub(crate) fn open(layout: &Layout, sealed: &[Span], disk: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        let path = layout.heads();
        let end = sealed.last().map_or(Position::START, |span| span.last);
        let opened = Self::open_as_it_is(layout, disk).and_then(|heads| match heads.covered()? {
            covered if covered <= end => Ok((heads, covered)),
            covered => Err(damaged(covered, "the stream heads are ahead of the segments")),
        });
        let (heads, covered) = match opened {
            Ok(opened) => opened,
            Err(ReadError::Storage(reason)) => return Err(OpenError::Storage(reason)),
            Err(ReadError::Damaged { reason, .. }) => {
                tracing::warn!(%reason, "the stream heads are unusable and are built again");
                fs::remove_dir_all(&path).map_err(OpenError::io(path.display()))?;
                (Self::open_as_it_is(layout, disk)?, Position::START)
            }
        };
        for span in sealed.iter().filter(|span| span.first > covered) {
            let segment = Sealed::open(&layout.sealed(*span), *span, Arc::clone(disk))?;
            let streams = segment.streams().map(|stream| {
                let (stream, part) = stream?;
                Ok((stream, part.index.head(span.first)))
            });
            heads.take_in(*span, streams, &segment.fingerprints()?)?;
        }
        Ok(heads)
    }

    fn open_as_it_is(layout: &Layout, disk: &Arc<dyn Disk>) -> Result<Self, ReadError> {
        let db = Db::open(&layout.heads(), Kind::Heads, Arc::clone(disk))
            .map_err(|error| error.at(Position::START))?;
        Ok(Self { db, filters: Mutex::default() })
    }

    fn covered(&self) -> Result<Position, ReadError> {
        match self.get(COVERED)? {
            None => Ok(Position::START),
            Some(value) => {
                let value =
                    value.as_slice().try_into().map_err(|_| damaged(Position::START, "strange length"))?;
                Ok(Position(u64::from_le_bytes(value)))
            }
        }
    }

    /// The end of `stream` within the sealed segments.
    pub(crate) fn stream(&self, stream: &StreamId) -> Result<Option<SealedHead>, ReadError> {
        let Some(value) = self.get(&stream_key(stream))? else { return Ok(None) };
        let number = |at: usize| value.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        match (number(0), number(8), number(16)) {
            (Some(version), Some(position), Some(segment)) => Ok(Some(SealedHead {
                version: Version(version),
                position: Position(position),
                segment: Position(segment),
            })),
            _ => Err(damaged(Position::START, "a stream head cannot be read; delete the heads directory")),
        }
    }

    /// Takes in a segment that is sealed now: where its streams end and the fingerprints of its commands. Doing it
    /// twice changes nothing.
    pub(crate) fn take_in(
        &self,
        span: Span,
        streams: impl Iterator<Item = Result<(StreamId, StreamHead), ReadError>>,
        fingerprints: &[u64],
    ) -> Result<(), ReadError> {
        for stream in streams {
            let (stream, head) = stream?;
            let value =
                [head.version.0.to_le_bytes(), head.position.0.to_le_bytes(), span.first.0.to_le_bytes()];
            self.put(&stream_key(&stream), value.concat())?;
        }
        let filter = Filter::of(fingerprints.iter().copied());
        for (part, piece) in filter.to_bytes().chunks(FILTER_PIECE).enumerate() {
            self.put(&filter_key(span.first, part), piece.to_vec())?;
        }
        self.put(COVERED, span.last.0.to_le_bytes().to_vec())?;
        self.db.sync().map_err(|error| error.at(span.first))?;
        self.filters().insert(span.first, Some(Arc::new(filter)));
        Ok(())
    }

    /// Forgets command filters of segments before `oldest`, which is outside the window now.
    pub(crate) fn forget_filters_before(&self, oldest: Position) -> Result<(), ReadError> {
        let outside: Vec<_> = self
            .db
            .pairs_from(&position_key(b'b', Position::START))
            .map_while(|pair| pair.ok().map(|(key, _)| key))
            .take_while(|key| key.as_ref() < position_key(b'b', oldest).as_slice())
            .collect();
        for key in outside {
            self.db.tree().remove(key).map_err(|error| crate::db::DbError::from(error).at(oldest))?;
        }
        self.filters().retain(|base, _| *base >= oldest);
        Ok(())
    }

    /// Whether the sealed segment that starts at `base` may hold a command with `fingerprint`.
    pub(crate) fn may_hold(&self, base: Position, fingerprint: u64) -> Result<bool, ReadError> {
        let known = self.filters().get(&base).cloned();
        let filter = match known {
            Some(filter) => filter,
            None => {
                let filter = self.read_filter(base)?.map(Arc::new);
                self.filters().insert(base, filter.clone());
                filter
            }
        };
        Ok(filter.is_none_or(|filter| filter.may_hold(fingerprint)))
    }

    fn read_filter(&self, base: Position) -> Result<Option<Filter>, ReadError> {
        let mut bytes = Vec::new();
        for part in 0.. {
            match self.get(&filter_key(base, part))? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => break,
            }
        }
        Ok(Filter::from_bytes(&bytes))
    }

    fn filters(&self) -> std::sync::MutexGuard<'_, BTreeMap<Position, Option<Arc<Filter>>>> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: &[u8], mut value: Vec<u8>) -> Result<(), ReadError> {
        let checksum = crc32fast::hash(&value);
        value.extend_from_slice(&checksum.to_le_bytes());
        self.db.insert(key, &value).map_err(|error| error.at(Position::START))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(stored) = self.db.get(key).map_err(|error| error.at(Position::START))? else {
            return Ok(None);
        };
        match stored.split_last_chunk::<4>() {
            Some((value, checksum)) if crc32fast::hash(value).to_le_bytes() == *checksum => {
                Ok(Some(value.to_vec()))
            }
            _ => Err(damaged(Position::START, "a stream head is damaged; delete the heads directory")),
        }
    }
}

fn stream_key(stream: &StreamId) -> Vec<u8> {
    [b"h", stream.as_str().as_bytes()].concat()
}

fn filter_key(base: Position, part: usize) -> Vec<u8> {
    let part = u16::try_from(part).expect("a filter has few pieces");
    [position_key(b'b', base).as_slice(), &part.to_be_bytes()].concat()
}
