//! Frames: the unit of the log.
//!
//! ```text
//! offset  0  format   u8    1
//!         1  flags    u8    0
//!         2  count    u32   of records
//!         6  first    u64   position of the first record
//!        14  prev     32    hash of the frame before; zero in the first frame of a log
//!        46  records        see record.rs
//!   last 32  hash     32    BLAKE3 of everything before it, so of the previous hash and the stored bytes
//! ```
//!
//! Invariant: a frame holds whole commands and at most [`MAX_FRAME`] bytes, and its hash is over the bytes as they
//! are stored, never over anything that was serialised again. Both are what makes a command atomic in any storage
//! that writes one value atomically, and the chain verifiable without this program.

use std::sync::Arc;

use openclaw_model::{Digest, Position, Recorded};

use crate::{
    Head,
    record::{self, BlobRef, Invalid, Record},
};

/// The most bytes that a frame takes, so that every storage keeps it in one piece (FACTS/storage.md 0.3).
pub const MAX_FRAME: usize = 56 << 10;
/// Payloads above this many bytes are stored apart from their frame.
pub const MAX_INLINE: usize = 8 << 10;
/// The most bytes of one record.
pub const MAX_RECORD: usize = 10 << 10;
/// The format number that [`pack`] writes.
pub const FORMAT_V1: u8 = 1;

const HEADER_LEN: usize = 46;
const HASH_LEN: usize = 32;
const MAX_RECORDS: usize = MAX_FRAME - HEADER_LEN - HASH_LEN;

/// The events of one or more whole commands, chained to the frame before by its hash.
#[derive(Clone, Debug)]
pub struct Frame {
    header: Header,
    bytes: Arc<[u8]>,
    events: Arc<[Recorded]>,
    blobs: Vec<Blob>,
}

/// A payload that is too large for a frame: stored in a file of its own, named by its hash, synced before the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// BLAKE3 of the content.
    pub digest: Digest,
    /// The content.
    pub content: Arc<[u8]>,
}

/// A command whose events cannot be made to fit into one frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the events of one command take {bytes} bytes in a frame, at most {limit} fit")]
pub struct TooLarge {
    /// What they take, payloads apart.
    pub bytes: usize,
    /// What fits.
    pub limit: usize,
}

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Position of its first event.
    pub first: Position,
    /// Number of its events; at least one.
    pub count: u32,
    /// Hash of the frame before.
    pub prev: Digest,
    /// Its own hash.
    pub hash: Digest,
}

impl Header {
    /// Position of its last event.
    #[must_use]
    pub const fn last(&self) -> Position {
        Position(self.first.0 + self.count as u64 - 1)
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Too short to be one, or without an event.
    #[error("the frame is cut off")]
    CutOff,
    /// A newer program wrote this.
    #[error("frame format {0} is unknown to this program")]
    Format(u8),
    /// The bytes are not those that were hashed.
    #[error("the hash of the frame does not match its bytes")]
    Hash,
    /// A record in it cannot be read.
    #[error("the record at {position} is invalid: {reason}")]
    Record {
        /// Where it should stand.
        position: Position,
        /// What is wrong with it.
        reason: Invalid,
    },
    /// The records are not those that the header announces.
    #[error("the frame does not hold the records that its header announces")]
    Count,
}

/// Packs commands, in order, into frames that follow `head`; a command is never split. Returns the frames and the
/// head after them. Commands without events leave no trace.
///
/// Payloads above [`MAX_INLINE`] become blobs; if the events of a command still do not fit, the largest of its
/// payloads become blobs until they do. Cost: one pass over the bytes and one BLAKE3 over them.
///
/// # Errors
/// [`TooLarge`] with the index of the offending command.
///
/// # Panics
/// When the events' positions do not follow `head` without a gap: they are the sequencer's to give.
pub fn pack(head: Head, commands: Vec<Vec<Recorded>>) -> Result<(Vec<Frame>, Head), (usize, TooLarge)> {
    let mut head = head;
    let mut frames = Vec::new();
    let mut open = Open::default();
    for (index, events) in commands.into_iter().enumerate() {
        let (apart, bytes) = spread(&events).map_err(|too_large| (index, too_large))?;
        if open.records_len + bytes > MAX_RECORDS {
            open.close(&mut head, &mut frames);
        }
        open.records_len += bytes;
        open.events.extend(events);
        open.apart.extend(apart);
    }
    open.close(&mut head, &mut frames);
    Ok((frames, head))
}

/// Decides which payloads of a command are stored apart, and what its records take then.
fn spread(events: &[Recorded]) -> Result<(Vec<bool>, usize), TooLarge> {
    let mut apart: Vec<bool> = events.iter().map(|event| event.data.len() > MAX_INLINE).collect();
    let mut bytes = 0;
    for (event, apart) in events.iter().zip(&apart) {
        let length = record::encoded_len(event, *apart);
        if length > MAX_RECORD || event.actor.0.len() > record::MAX_ACTOR {
            return Err(TooLarge { bytes: length, limit: MAX_RECORD });
        }
        bytes += length;
    }
    if bytes > MAX_RECORDS {
        let mut by_size: Vec<usize> = (0..events.len()).filter(|index| !apart[*index]).collect();
        by_size.sort_by_key(|index| std::cmp::Reverse(events[*index].data.len()));
        for index in by_size {
            let saved = record::encoded_len(&events[index], false)
                .saturating_sub(record::encoded_len(&events[index], true));
            if saved == 0 || bytes <= MAX_RECORDS {
                break;
            }
            apart[index] = true;
            bytes -= saved;
        }
    }
    if bytes > MAX_RECORDS { Err(TooLarge { bytes, limit: MAX_RECORDS }) } else { Ok((apart, bytes)) }
}

/// The frame that [`pack`] is filling.
#[derive(Default)]
struct Open {
    events: Vec<Recorded>,
    apart: Vec<bool>,
    records_len: usize,
}

impl Open {
    fn close(&mut self, head: &mut Head, frames: &mut Vec<Frame>) {
        let Self { events, apart, records_len } = std::mem::take(self);
        let Some(newest) = events.last() else { return };
        let first = head.position.next();
        let at = newest.at;
        let count = u32::try_from(events.len()).expect("a frame of 56 KiB holds few records");

        let mut bytes = Vec::with_capacity(HEADER_LEN + records_len + HASH_LEN);
        bytes.extend_from_slice(&[FORMAT_V1, 0]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&first.0.to_le_bytes());
        bytes.extend_from_slice(&head.hash.0);
        let mut blobs: Vec<Blob> = Vec::new();
        for ((event, apart), position) in events.iter().zip(apart).zip(first.0..) {
            assert_eq!(event.position, Position(position), "positions follow the head without a gap");
            let blob = apart.then(|| BlobRef::to(&event.data));
            record::encode(event, blob, &mut bytes);
            if let Some(BlobRef { digest, .. }) = blob
                && blobs.iter().all(|blob| blob.digest != digest)
            {
                blobs.push(Blob { digest, content: Arc::clone(&event.data) });
            }
        }
        let hash = Digest(*blake3::hash(&bytes).as_bytes());
        bytes.extend_from_slice(&hash.0);
        let header = Header { first, count, prev: head.hash, hash };
        *head = Head { position: header.last(), hash, at };
        frames.push(Frame { header, bytes: bytes.into(), events: events.into(), blobs });
    }
}

impl Frame {
    /// Position of its first event.
    #[must_use]
    pub const fn first(&self) -> Position {
        self.header.first
    }

    /// Number of its events; at least one.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.header.count
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.header.hash
    }

    /// Hash of the frame before.
    #[must_use]
    pub const fn prev(&self) -> Digest {
        self.header.prev
    }

    /// What is stored.
    #[must_use]
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Its events, payloads included.
    #[must_use]
    pub const fn events(&self) -> &Arc<[Recorded]> {
        &self.events
    }

    /// Payloads that are stored apart, each once.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// The head of a log that ends with this frame.
    #[must_use]
    pub fn head(&self) -> Head {
        let newest = self.events.last().expect("a frame has at least one event");
        Head { position: newest.position, hash: self.header.hash, at: newest.at }
    }

    /// Reads a stored frame; with `verify` its hash is computed and compared.
    ///
    /// # Errors
    /// See [`BadFrame`]. Records are not read yet: [`Parsed::records`] does.
    pub fn parse(bytes: &[u8], verify: bool) -> Result<Parsed<'_>, BadFrame> {
        if bytes.len() < HEADER_LEN + HASH_LEN {
            return Err(BadFrame::CutOff);
        }
        if bytes[0] != FORMAT_V1 || bytes[1] != 0 {
            return Err(BadFrame::Format(bytes[0]));
        }
        let (hashed, hash) = bytes.split_at(bytes.len() - HASH_LEN);
        if verify && blake3::hash(hashed).as_bytes() != hash {
            return Err(BadFrame::Hash);
        }
        let count = u32::from_le_bytes(array(&bytes[2..6]));
        let first = u64::from_le_bytes(array(&bytes[6..14]));
        if count == 0 || first == 0 || first.checked_add(count.into()).is_none() {
            return Err(BadFrame::CutOff);
        }
        let header = Header {
            first: Position(first),
            count,
            prev: Digest(array(&bytes[14..HEADER_LEN])),
            hash: Digest(array(hash)),
        };
        Ok(Parsed { header, records: &hashed[HEADER_LEN..] })
    }
}

/// Whether `frames` continue a log that ends at `head`, each the one before.
#[must_use]
pub fn follow(head: Head, frames: &[Frame]) -> bool {
    let mut head = head;
    frames.iter().all(|frame| {
        let fits = frame.first() == head.position.next() && frame.prev() == head.hash;
        head = frame.head();
        fits
    })
}

/// The bytes that a frame was stored as, from its parts; the reverse of [`Frame::parse`]. Storages that keep records
/// in another arrangement use it to verify the chain.
#[must_use]
pub fn restore(header: &Header, records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + records.len() + HASH_LEN);
    bytes.extend_from_slice(&[FORMAT_V1, 0]);
    bytes.extend_from_slice(&header.count.to_le_bytes());
    bytes.extend_from_slice(&header.first.0.to_le_bytes());
    bytes.extend_from_slice(&header.prev.0);
    bytes.extend_from_slice(records);
    bytes.extend_from_slice(&header.hash.0);
    bytes
}

/// A stored frame, opened for reading.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// What it says about itself.
    pub header: Header,
    /// Its records, one after the other.
    pub records: &'a [u8],
}

impl<'a> Parsed<'a> {
    /// Its records, checksums verified, positions compared with the header. Ends after the first error.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, BadFrame>> + use<'a> {
        let mut rest = self.records;
        let mut position = self.header.first;
        let last = self.header.last();
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            if position > last {
                ended = true;
                return (!rest.is_empty()).then_some(Err(BadFrame::Count));
            }
            let item = record::decode(rest)
                .and_then(|(record, length)| {
                    rest = &rest[length..];
                    let stands = record.event().position == position;
                    if stands { Ok(record) } else { Err(Invalid::Field("position")) }
                })
                .map_err(|reason| BadFrame::Record { position, reason });
            ended = item.is_err();
            position = position.next();
            Some(item)
        })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller cut exactly N bytes")
}

#[cfg(test)]
mod tests;
