//! Turns an unsealed segment into a sealed one.
//!
//! Invariant: the sealed segment is complete and durable under its final name before the unsealed one is given up,
//! and what is sealed has been verified while it was read: hashes, chain and positions.

use std::{fs, sync::Arc};

use openclaw_log::{Frame, Head, ReadError, record};
use openclaw_model::{Position, StreamId};

use crate::{
    db::{self, Db, DbError, Kind},
    disk::Disk,
    error::damaged,
    heads::Heads,
    index::{Index, StreamIndex},
    layout::{Layout, Span},
    sealed::{self, fingerprint, position_key},
    stretch::{self, Stretch},
    unsealed::{self, Unsealed, check_follows},
};

/// Records are compressed together up to about this many bytes: larger packs better, smaller seeks faster.
const CHUNK: usize = 16 << 10;
/// Of sled's limit for a value in a sealed segment (15,418 bytes), with a margin.
const MAX_COMPRESSED: usize = 15_000;
const FRAMES_PER_VALUE: usize = 200;
const OFFSETS_PER_VALUE: usize = 1_500;
const COMMANDS_PER_VALUE: usize = 600;

/// Writes the sealed form of `source` next to it and gives it its name. Returns what it covers.
pub(crate) fn seal(
    layout: &Layout,
    source: &Unsealed,
    heads: &Heads,
    compression: i32,
    disk: &Arc<dyn Disk>,
) -> Result<Span, ReadError> {
    let base = source.base();
    let storage = |error: std::io::Error| ReadError::Storage(format!("sealing at {base}: {error}").into());
    let path = layout.sealing(base);
    if path.exists() {
        fs::remove_dir_all(&path).map_err(storage)?;
    }
    let end = {
        let target = Db::open(&path, Kind::Sealed, Arc::clone(disk)).map_err(|error| error.at(base))?;
        let mut writer = Writer::new(&target, base, compression)?;
        let end = writer.frames(source)?;
        let index = source.index();
        writer.streams(&index, heads)?;
        writer.commands(&index)?;
        writer.put(sealed::HEADS, &[unsealed::encode(source.before()), unsealed::encode(end)].concat())?;
        target.sync().map_err(|error| error.at(base))?;
        target.check_no_spill().map_err(|error| error.at(base))?;
        end
    };
    Db::settle(&path, Kind::Sealed, Arc::clone(disk)).map_err(|error| error.at(base))?;
    db::sync_files(&path, &**disk).map_err(storage)?;
    let span = Span { first: base, last: end.position };
    fs::rename(&path, layout.sealed(span)).map_err(storage)?;
    disk.sync_dir(&layout.segments()).map_err(storage)?;
    Ok(span)
}

struct Writer<'a> {
    db: &'a Db,
    base: Position,
    compressor: zstd::bulk::Compressor<'static>,
    /// Records that wait to be compressed, and where each of them begins.
    chunk: Vec<u8>,
    starts: Vec<(Position, usize)>,
    /// Where chunks go, and how many are there.
    stretch: Option<(Stretch, u32)>,
}

impl<'a> Writer<'a> {
    fn new(db: &'a Db, base: Position, compression: i32) -> Result<Self, ReadError> {
        let compressor = zstd::bulk::Compressor::new(compression)
            .map_err(|error| ReadError::Storage(format!("zstd: {error}").into()))?;
        let chunk = Vec::with_capacity(2 * CHUNK);
        Ok(Self { db, base, compressor, chunk, starts: Vec::new(), stretch: None })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.db.insert(key, value).map_err(|error| error.at(self.base))
    }

    /// Writes the records and the list of frames; returns the head at the segment's end.
    fn frames(&mut self, source: &Unsealed) -> Result<Head, ReadError> {
        let mut head = source.before();
        let mut list: Vec<u8> = Vec::new();
        let mut list_start = self.base;
        for frame in source.frames(self.base) {
            let (header, bytes) = frame?;
            check_follows(head, &header)?;
            let frame = Frame::parse(&bytes, true).map_err(|bad| damaged(header.first, bad))?;
            let at = self.records(header.first, header.last(), frame.records)?;
            head = Head { position: header.last(), hash: header.hash, at: at.unwrap_or(head.at) };
            list.extend_from_slice(&header.count.to_le_bytes());
            list.extend_from_slice(&header.hash.0);
            if list.len() >= FRAMES_PER_VALUE * sealed::FRAME_ENTRY {
                self.put(&position_key(b'f', list_start), &list)?;
                list.clear();
                list_start = head.position.next();
            }
        }
        if !list.is_empty() {
            self.put(&position_key(b'f', list_start), &list)?;
        }
        self.flush_chunk()?;
        Ok(head)
    }

    fn records(
        &mut self,
        first: Position,
        last: Position,
        mut rest: &[u8],
    ) -> Result<Option<openclaw_model::Timestamp>, ReadError> {
        let mut at = None;
        for position in first.0..=last.0 {
            let position = Position(position);
            let record = record::peek(rest).map_err(|bad| damaged(position, bad))?;
            if !self.chunk.is_empty() && self.chunk.len() + record.length > CHUNK {
                self.flush_chunk()?;
            }
            self.starts.push((position, self.chunk.len()));
            self.chunk.extend_from_slice(&rest[..record.length]);
            rest = &rest[record.length..];
            at = Some(record.at);
        }
        Ok(at)
    }

    fn flush_chunk(&mut self) -> Result<(), ReadError> {
        let starts = std::mem::take(&mut self.starts);
        let chunk = std::mem::take(&mut self.chunk);
        self.compress(&starts, &chunk)?;
        self.chunk = chunk;
        self.chunk.clear();
        Ok(())
    }

    /// Writes the records that begin at `starts` as one chunk, or as two if that packs too badly for sled.
    fn compress(&mut self, starts: &[(Position, usize)], chunk: &[u8]) -> Result<(), ReadError> {
        let Some((first, start)) = starts.first().copied() else { return Ok(()) };
        let raw = &chunk[start..];
        let mut value = Vec::with_capacity(raw.len() / 2);
        value.push(sealed::CHUNK_V1);
        value.extend_from_slice(&u32::try_from(raw.len()).expect("a chunk is short").to_le_bytes());
        let packed = self
            .compressor
            .compress(raw)
            .map_err(|error| ReadError::Storage(format!("zstd: {error}").into()))?;
        if packed.len() > MAX_COMPRESSED && starts.len() > 1 {
            let (left, right) = starts.split_at(starts.len() / 2);
            self.compress(left, &chunk[..right[0].1])?;
            return self.compress(right, chunk);
        }
        value.extend_from_slice(&packed);
        self.put_chunk(first, &value).map_err(|error| error.at(self.base))
    }

    fn put_chunk(&mut self, first: Position, value: &[u8]) -> Result<(), DbError> {
        let (stretch, chunks) = match self.stretch.take() {
            Some((stretch, chunks)) if chunks < stretch::CHANGES => (stretch, chunks),
            _ => (Stretch::open(self.db, first)?, 0),
        };
        self.db.insert_into(&stretch.tree, &stretch::key(first), value)?;
        self.stretch = Some((stretch, chunks + 1));
        Ok(())
    }

    fn streams(&self, index: &Index, heads: &Heads) -> Result<(), ReadError> {
        // In order of their keys, which sled stores best.
        let mut streams: Vec<(&StreamId, &StreamIndex)> = index.streams.iter().collect();
        streams.sort_unstable_by_key(|(stream, _)| stream.as_str());
        for (stream, StreamIndex { first, offsets }) in streams {
            let previous = heads.stream(stream)?.map_or(Position::START, |head| head.segment);
            let prefix = sealed::stream_prefix(stream);
            for (part, offsets) in offsets.chunks(OFFSETS_PER_VALUE).enumerate() {
                let part = u16::try_from(part).expect("a segment has fewer events than parts have numbers");
                let mut value = Vec::with_capacity(16 + 4 * offsets.len());
                if part == 0 {
                    value.extend_from_slice(&first.0.to_le_bytes());
                    value.extend_from_slice(&previous.0.to_le_bytes());
                }
                offsets.iter().for_each(|offset| value.extend_from_slice(&offset.to_le_bytes()));
                self.put(&[prefix.as_slice(), &part.to_be_bytes()].concat(), &value)?;
            }
        }
        Ok(())
    }

    fn commands(&self, index: &Index) -> Result<(), ReadError> {
        let mut commands: Vec<(u64, u32)> =
            index.commands.iter().map(|(command, offset)| (fingerprint(*command), *offset)).collect();
        commands.sort_unstable();
        for commands in commands.chunks(COMMANDS_PER_VALUE) {
            let mut value = Vec::with_capacity(sealed::COMMAND_ENTRY * commands.len());
            for (fingerprint, offset) in commands {
                value.extend_from_slice(&fingerprint.to_le_bytes());
                value.extend_from_slice(&offset.to_le_bytes());
            }
            self.put(&sealed::fingerprint_key(commands[0].0), &value)?;
        }
        Ok(())
    }
}
