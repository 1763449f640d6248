//! A sealed segment: compressed, indexed by stream and command, never changed again.
//!
//! ```text
//! tree FIRST: POSITION   a chunk: format u8, raw length u32, zstd of the records from POSITION on (stretch.rs)
//!
//! a                  the head before the segment, and the head at its end, each as unsealed::encode
//! e POSITION         a chunk, in segments that were sealed before there were such trees
//! f POSITION         frames from POSITION on: count u32 and hash 32 for each, so that every frame's bytes can be
//!                    restored from the records and the chain verified over them
//! s STREAM 0 PART    where a stream's events lie; part u16. Part 0 starts with the first version u64 and the base of
//!                    the segment that holds the stream's events before, u64, zero if there is none; offsets u32 follow
//! c FINGERPRINT      commands from FINGERPRINT on, sorted: fingerprint u64 and offset u32 of the first event of each
//! ```
//!
//! Numbers in keys are big-endian, all others little-endian. Offsets count from the segment's first position.
//!
//! Invariant: every value is short enough for sled to keep it in its log (db.rs).

use std::{path::Path, sync::Arc};

use openclaw_log::{Head, ReadError};
use openclaw_model::{CommandId, Digest, Position, StreamId, Version};

use crate::{
    db::{Db, Kind},
    disk::Disk,
    error::damaged,
    index::StreamIndex,
    layout::Span,
    stretch::{self, Stretch},
    unsealed,
};

pub(crate) const HEADS: &[u8] = b"a";
pub(crate) const CHUNK_V1: u8 = 1;
/// No chunk's records take more than this; a corrupt length cannot make us allocate more.
pub(crate) const MAX_CHUNK: usize = 64 << 10;
pub(crate) const FRAME_ENTRY: usize = 36;
pub(crate) const COMMAND_ENTRY: usize = 12;

/// An open sealed segment.
pub(crate) struct Sealed {
    span: Span,
    before: Head,
    end: Head,
    db: Db,
    stretches: Vec<Stretch>,
}

/// Where one stream's events lie in a sealed segment.
pub(crate) struct StreamPart {
    pub(crate) index: StreamIndex,
    /// The segment that holds the events before.
    pub(crate) previous: Option<Position>,
}

/// Records that are compressed together.
pub(crate) struct Chunk {
    pub(crate) first: Position,
    pub(crate) records: Vec<u8>,
}

impl Sealed {
    pub(crate) fn open(path: &Path, span: Span, disk: Arc<dyn Disk>) -> Result<Self, ReadError> {
        let db = Db::open(path, Kind::Sealed, disk).map_err(|error| error.at(span.first))?;
        let heads = db.get(HEADS).map_err(|error| error.at(span.first))?;
        let heads = heads.as_ref().and_then(|heads| {
            let (before, end) = heads.split_at_checked(heads.len() / 2)?;
            Some((unsealed::decode(before)?, unsealed::decode(end)?))
        });
        match heads {
            Some((before, end)) if before.position.next() == span.first && end.position == span.last => {
                let stretches = Stretch::all(&db).map_err(|error| error.at(span.first))?;
                Ok(Self { span, before, end, db, stretches })
            }
            _ => Err(damaged(span.first, "the sealed segment's header is missing or wrong")),
        }
    }

    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// The head of the log before this segment.
    pub(crate) const fn before(&self) -> Head {
        self.before
    }

    /// The head of the log after this segment.
    pub(crate) const fn end(&self) -> Head {
        self.end
    }

    /// The chunks from the one that holds `from` on.
    pub(crate) fn chunks(&self, from: Position) -> impl Iterator<Item = Result<Chunk, ReadError>> + use<> {
        let mut inflater = Inflater::default();
        let old = self.stretches.is_empty().then(|| self.old_chunks(from)).into_iter().flatten();
        stretch::values(&self.stretches, from).chain(old).map(move |pair| {
            let (first, value) = pair?;
            let first = first.ok_or_else(|| damaged(from, "a chunk has a strange key"))?;
            Ok(Chunk { first, records: inflater.inflate(first, &value)? })
        })
    }

    /// As [`stretch::values`], in a segment without stretches.
    fn old_chunks(
        &self,
        from: Position,
    ) -> impl Iterator<Item = Result<(Option<Position>, sled::IVec), ReadError>> + use<> {
        let start = match self.db.at_or_before(&position_key(b'e', from)) {
            Ok(Some((start, _))) => start.to_vec(),
            Ok(None) | Err(_) => position_key(b'e', from).to_vec(),
        };
        self.db.pairs_from(&start).map(move |pair| {
            let (key, value) = pair.map_err(|error| error.at(from))?;
            Ok((position_of(&key), value))
        })
    }

    /// Count and hash of every frame, in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Result<(u32, Digest), ReadError>> + use<> {
        let base = self.span.first;
        self.db.pairs_from(&position_key(b'f', Position(0))).flat_map(move |pair| {
            let entries: Vec<_> = match pair {
                Err(error) => vec![Err(error.at(base))],
                Ok((_, value)) => {
                    let (entries, rest) = value.as_chunks::<FRAME_ENTRY>();
                    let bad = (!rest.is_empty()).then(|| Err(damaged(base, "a list of frames is cut off")));
                    let split = |entry: &[u8; FRAME_ENTRY]| {
                        let (count, hash) = entry.split_first_chunk::<4>().expect("36 bytes");
                        (u32::from_le_bytes(*count), Digest(hash.try_into().expect("32 bytes")))
                    };
                    entries.iter().map(|entry| Ok(split(entry))).chain(bad).collect()
                }
            };
            entries
        })
    }

    /// Where the events of `stream` lie, if it has any here.
    pub(crate) fn stream(&self, stream: &StreamId) -> Result<Option<StreamPart>, ReadError> {
        let mut found: Option<StreamPart> = None;
        let prefix = stream_prefix(stream);
        for pair in self.db.pairs_from(&prefix) {
            let (key, value) = pair.map_err(|error| error.at(self.span.first))?;
            if !key.starts_with(&prefix) {
                break;
            }
            self.add_part(&mut found, &value)?;
        }
        Ok(found)
    }

    /// All streams with events here.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Result<(StreamId, StreamPart), ReadError>> + '_ {
        let mut parts = self.db.pairs_from(b"s").peekable();
        std::iter::from_fn(move || {
            let first = self.span.first;
            let mut found = None;
            let mut prefix: Option<Vec<u8>> = None;
            while let Some(next) = parts.peek() {
                if let (Ok((key, _)), Some(prefix)) = (next, &prefix)
                    && !key.starts_with(prefix)
                {
                    break;
                }
                let (key, value) = match parts.next().expect("peeked") {
                    Ok(pair) => pair,
                    Err(error) => return Some(Err(error.at(first))),
                };
                prefix.get_or_insert_with(|| key[..key.len().saturating_sub(2)].to_vec());
                if let Err(error) = self.add_part(&mut found, &value) {
                    return Some(Err(error));
                }
            }
            let prefix = prefix?;
            let name = prefix.get(1..prefix.len() - 1).and_then(|name| std::str::from_utf8(name).ok());
            let stream = name.and_then(|name| name.parse().ok());
            let part = found?;
            Some(
                stream
                    .map(|stream| (stream, part))
                    .ok_or_else(|| damaged(first, "a stream has a strange name")),
            )
        })
    }

    fn add_part(&self, found: &mut Option<StreamPart>, value: &[u8]) -> Result<(), ReadError> {
        let bad = || damaged(self.span.first, "a stream's index cannot be read");
        let offsets = match found {
            Some(_) => value,
            None => {
                let (first, rest) = value.split_first_chunk::<8>().ok_or_else(bad)?;
                let (previous, rest) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
                let previous = Position(u64::from_le_bytes(*previous));
                let index = StreamIndex { first: Version(u64::from_le_bytes(*first)), offsets: Vec::new() };
                *found =
                    Some(StreamPart { index, previous: (previous != Position::START).then_some(previous) });
                rest
            }
        };
        let (offsets, rest) = offsets.as_chunks::<4>();
        let part = found.as_mut().expect("set above");
        part.index.offsets.extend(offsets.iter().map(|offset| u32::from_le_bytes(*offset)));
        if rest.is_empty() && !part.index.offsets.is_empty() { Ok(()) } else { Err(bad()) }
    }

    /// Positions at which a command with `fingerprint` may start.
    pub(crate) fn commands(&self, fingerprint: u64) -> Result<Vec<Position>, ReadError> {
        let base = self.span.first;
        let mut positions = Vec::new();
        let key = fingerprint_key(fingerprint);
        // Equal fingerprints may run over the end of a value: from the value before on, until a greater one is seen.
        let start = self.db.at_or_before(&key).map_err(|error| error.at(base))?;
        let start = start.map_or_else(|| key.to_vec(), |(start, _)| start.to_vec());
        for pair in self.db.pairs_from(&start) {
            let (_, value) = pair.map_err(|error| error.at(base))?;
            let entries = command_entries(&value);
            positions.extend(
                entries
                    .clone()
                    .filter(|(found, _)| *found == fingerprint)
                    .map(|(_, offset)| Position(base.0 + u64::from(offset))),
            );
            if entries.last().is_none_or(|(last, _)| last > fingerprint) {
                break;
            }
        }
        Ok(positions)
    }

    /// The fingerprints of all commands.
    pub(crate) fn fingerprints(&self) -> Result<Vec<u64>, ReadError> {
        let mut all = Vec::new();
        for pair in self.db.pairs_from(b"c") {
            let (_, value) = pair.map_err(|error| error.at(self.span.first))?;
            all.extend(command_entries(&value).map(|(fingerprint, _)| fingerprint));
        }
        Ok(all)
    }
}

fn command_entries(value: &[u8]) -> impl Iterator<Item = (u64, u32)> + Clone + '_ {
    value.as_chunks::<COMMAND_ENTRY>().0.iter().map(|entry| {
        let (fingerprint, offset) = entry.split_first_chunk::<8>().expect("12 bytes");
        (u64::from_le_bytes(*fingerprint), u32::from_le_bytes(offset.try_into().expect("4 bytes")))
    })
}

/// What stands for a command in the index of a sealed segment.
pub(crate) fn fingerprint(command: CommandId) -> u64 {
    u64::from_be_bytes(*command.0.first_chunk().expect("a command id has 16 bytes"))
}

pub(crate) fn position_key(kind: u8, position: Position) -> [u8; 9] {
    let mut key = [kind; 9];
    key[1..].copy_from_slice(&position.0.to_be_bytes());
    key
}

pub(crate) fn fingerprint_key(fingerprint: u64) -> [u8; 9] {
    position_key(b'c', Position(fingerprint))
}

/// The key of a stream without its part. Stream ids have no control characters, so none is the beginning of another.
pub(crate) fn stream_prefix(stream: &StreamId) -> Vec<u8> {
    [b"s", stream.as_str().as_bytes(), b"\0"].concat()
}

fn position_of(key: &[u8]) -> Option<Position> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes).map(Position)
}

/// Reuses one decompression context for all chunks of a walk.
#[derive(Default)]
pub(crate) struct Inflater {
    context: Option<zstd::bulk::Decompressor<'static>>,
}

impl Inflater {
    pub(crate) fn inflate(&mut self, first: Position, value: &[u8]) -> Result<Vec<u8>, ReadError> {
        let bad = |reason: &str| damaged(first, format_args!("a compressed chunk cannot be read: {reason}"));
        let (head, compressed) = value.split_first_chunk::<5>().ok_or_else(|| bad("it is cut off"))?;
        let [format, length @ ..] = *head;
        let length = u32::from_le_bytes(length) as usize;
        if format != CHUNK_V1 || length > MAX_CHUNK {
            return Err(bad("its header is wrong"));
        }
        if self.context.is_none() {
            let context = zstd::bulk::Decompressor::new();
            self.context = Some(context.map_err(|error| ReadError::Storage(error.to_string().into()))?);
        }
        let context = self.context.as_mut().expect("set above");
        let records = context.decompress(compressed, length).map_err(|error| bad(&error.to_string()))?;
        if records.len() == length { Ok(records) } else { Err(bad("its length is wrong")) }
    }
}
