//! What is known of an unsealed segment without reading it: where each stream's events and each command lie.
//!
//! Invariant: it holds durable events only.

use std::collections::HashMap;

use openclaw_log::{
    StreamHead,
    record::{Invalid, Peeked},
};
use openclaw_model::{CommandId, Position, Recorded, StreamId, Version};

/// Where one stream's events lie in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamIndex {
    /// Version of the first of them.
    pub(crate) first: Version,
    /// Distance of each from the segment's first position.
    pub(crate) offsets: Vec<u32>,
}

impl StreamIndex {
    /// The offsets of the events from version `from` (inclusive) on.
    pub(crate) fn since(&self, from: Version) -> &[u32] {
        let skip = usize::try_from(from.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        self.offsets.get(skip..).unwrap_or_default()
    }

    /// The end of the stream, if this is its last segment, which starts at `base`.
    pub(crate) fn head(&self, base: Position) -> StreamHead {
        let last = *self.offsets.last().expect("a stream in the index has an event");
        StreamHead {
            version: Version(self.first.0 + self.offsets.len() as u64 - 1),
            position: Position(base.0 + u64::from(last)),
        }
    }
}

/// The index of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    base: Position,
    events: u32,
    /// Bytes of the frames in the segment.
    pub(crate) bytes: u64,
    pub(crate) streams: HashMap<StreamId, StreamIndex>,
    pub(crate) commands: HashMap<CommandId, u32>,
}

impl Index {
    pub(crate) fn new(base: Position) -> Self {
        Self { base, events: 0, bytes: 0, streams: HashMap::new(), commands: HashMap::new() }
    }

    /// First position of the segment.
    pub(crate) fn base(&self) -> Position {
        self.base
    }

    pub(crate) fn events(&self) -> u32 {
        self.events
    }

    /// Takes in the next event.
    pub(crate) fn add(&mut self, event: &Recorded) {
        let offset = self.next_offset();
        match self.streams.get_mut(&event.stream) {
            Some(stream) => stream.offsets.push(offset),
            None => self.add_stream(event.stream.clone(), event.version, offset),
        }
        self.commands.entry(event.command).or_insert(offset);
    }

    /// Takes in the next event, as it is stored.
    pub(crate) fn add_stored(&mut self, record: &Peeked<'_>) -> Result<(), Invalid> {
        let stream: StreamId = record.stream.parse().map_err(|_| Invalid::Field("stream"))?;
        let offset = self.next_offset();
        match self.streams.get_mut(&stream) {
            Some(stream) => stream.offsets.push(offset),
            None => self.add_stream(stream, record.version, offset),
        }
        self.commands.entry(record.command).or_insert(offset);
        Ok(())
    }

    fn next_offset(&mut self) -> u32 {
        self.events += 1;
        self.events - 1
    }

    fn add_stream(&mut self, stream: StreamId, first: Version, offset: u32) {
        self.streams.insert(stream, StreamIndex { first, offsets: vec![offset] });
    }

    /// Position of the first event of `command`.
    pub(crate) fn command(&self, command: CommandId) -> Option<Position> {
        self.commands.get(&command).map(|offset| Position(self.base.0 + u64::from(*offset)))
    }

    /// The file that a clean stop leaves: this index, valid for a segment that ends with `end`.
    pub(crate) fn to_bytes(&self, end: [u8; 32]) -> Vec<u8> {
        let mut out = vec![FORMAT_V1];
        out.extend_from_slice(&end);
        out.extend_from_slice(&self.base.0.to_le_bytes());
        out.extend_from_slice(&self.events.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&len(self.streams.len()));
        for (stream, StreamIndex { first, offsets }) in &self.streams {
            out.extend_from_slice(&len(stream.as_str().len()));
            out.extend_from_slice(stream.as_str().as_bytes());
            out.extend_from_slice(&first.0.to_le_bytes());
            out.extend_from_slice(&len(offsets.len()));
            offsets.iter().for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
        }
        out.extend_from_slice(&len(self.commands.len()));
        for (command, offset) in &self.commands {
            out.extend_from_slice(&command.0);
            out.extend_from_slice(&offset.to_le_bytes());
        }
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        out
    }

    /// Reads [`Self::to_bytes`]: the index and the hash of the frame that it ends with. None for anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<(Self, [u8; 32])> {
        let (mut rest, hash) = bytes.split_last_chunk::<32>()?;
        if blake3::hash(rest).as_bytes() != hash {
            return None;
        }
        let rest = &mut rest;
        if array::<1>(rest)? != [FORMAT_V1] {
            return None;
        }
        let end = array(rest)?;
        let mut index = Self::new(Position(u64::from_le_bytes(array(rest)?)));
        index.events = number(rest)?;
        index.bytes = u64::from_le_bytes(array(rest)?);
        for _ in 0..number(rest)? {
            let length = number(rest)? as usize;
            let (name, more) = rest.split_at_checked(length)?;
            *rest = more;
            let first = Version(u64::from_le_bytes(array(rest)?));
            let offsets = (0..number(rest)?).map(|_| number(rest)).collect::<Option<Vec<u32>>>()?;
            let stream = std::str::from_utf8(name).ok()?.parse().ok()?;
            index.streams.insert(stream, StreamIndex { first, offsets });
        }
        for _ in 0..number(rest)? {
            let command = CommandId(array(rest)?);
            index.commands.insert(command, number(rest)?);
        }
        rest.is_empty().then_some((index, end))
    }
}

const FORMAT_V1: u8 = 1;

fn len(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a segment holds fewer than four billion of anything").to_le_bytes()
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, more) = rest.split_first_chunk::<N>()?;
    *rest = more;
    Some(*head)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    array(rest).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use openclaw_log::{Head, conformance::Author};

    use super::*;

    fn sample() -> Index {
        let mut author = Author::new(Head::GENESIS);
        let mut index = Index::new(Position(1));
        for turn in 0..50 {
            for event in author.command(["a", "b", "c"][turn % 3], &[20, 20]) {
                index.add(&event);
            }
        }
        index
    }

    #[test]
    fn an_index_round_trips_and_any_change_of_its_file_is_refused() {
        let index = sample();
        let mut bytes = index.to_bytes([9; 32]);
        assert_eq!(Index::from_bytes(&bytes), Some((index, [9; 32])));
        for at in (0..bytes.len()).step_by(7) {
            bytes[at] ^= 1;
            assert_eq!(Index::from_bytes(&bytes), None);
            bytes[at] ^= 1;
        }
        assert_eq!(Index::from_bytes(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn a_stream_is_found_from_any_version() {
        let index = sample();
        let stream = &index.streams[&Author::stream("b")];
        assert_eq!(stream.since(Version(0)).len(), 34);
        assert_eq!(stream.since(Version(2)), &stream.offsets[1..]);
        assert!(stream.since(Version(35)).is_empty());
        assert_eq!(stream.head(Position(1)).version, Version(34));
    }
}
