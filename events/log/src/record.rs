//! The stored form of one event: a fixed binary envelope around the event's JSON text.
//!
//! ```text
//! offset  0  length      u32   of the whole record, this field and the checksum included
//!         4  format      u8    1
//!         5  flags       u8    1 body is a blob, 2 has causation, 4 has correlation
//!         6  schema      u16
//!         8  position    u64
//!        16  version     u64
//!        24  at          i64   microseconds since 1970-01-01T00:00:00Z
//!        32  event id    16
//!        48  command id  16
//!        64  digest      16    of the command
//!        80  lengths     u16 stream, u16 actor, u8 type
//!        85  causation   16    if flag 2
//!            correlation 16    if flag 4
//!            stream, type, actor   UTF-8
//!            body        the JSON text; with flag 1 instead BLAKE3 (32) and length (u64) of it
//!   last 4   checksum    u32   CRC-32 of everything before it
//! ```
//!
//! All integers are little-endian. The form is self-describing by type name and schema number, so that the log can
//! be read without this program (DESIGN section 4).
//!
//! Invariant: bytes that were written once are read for ever. Another layout gets another format number and a
//! branch in [`decode`]; unknown formats and flags are refused by name, never guessed.

use std::{borrow::Cow, sync::Arc};

use openclaw_model::{
    Actor, Causality, CommandDigest, CommandId, Digest, EventId, Position, Recorded, StreamId, Timestamp,
    Version,
    event::{RunEvent, SessionEvent, WorkflowEvent},
};
use uuid::Uuid;

/// The format number that [`encode`] writes.
pub const FORMAT_V1: u8 = 1;
/// Bytes before the variable part of a format 1 record.
const FIXED_V1_LEN: usize = 85;
const CHECKSUM_LEN: usize = 4;
const BLOB_REF_LEN: usize = 40;
const UUID_LEN: usize = 16;

const FLAG_BLOB: u8 = 1;
const FLAG_CAUSATION: u8 = 2;
const FLAG_CORRELATION: u8 = 4;

/// The longest stored actor, in bytes.
pub const MAX_ACTOR: usize = 1024;

/// Names a payload that is stored apart from its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// BLAKE3 of the content.
    pub digest: Digest,
    /// Length of the content in bytes.
    pub length: u64,
}

impl BlobRef {
    /// The reference to `content`. Cost: one hash over it.
    #[must_use]
    pub fn to(content: &[u8]) -> Self {
        Self { digest: Digest(*blake3::hash(content).as_bytes()), length: content.len() as u64 }
    }

    /// Whether `content` is what the reference names. Cost: one hash over it.
    #[must_use]
    pub fn matches(&self, content: &[u8]) -> bool {
        *self == Self::to(content)
    }
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The bytes end before the record does.
    #[error("the record is cut off: {have} of {need} bytes")]
    CutOff {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the record needs.
        need: usize,
    },
    /// The checksum does not fit the bytes.
    #[error("the checksum of the record does not match")]
    Checksum,
    /// A newer program wrote this.
    #[error("record format {0} is unknown to this program")]
    Format(u8),
    /// A newer program wrote this.
    #[error("record flags {0:#04x} are unknown to this program")]
    Flags(u8),
    /// A field contradicts another or is not what its type asks for.
    #[error("the record's {0} cannot be read")]
    Field(&'static str),
}

/// A record as it was read: the event, with its payload if that was stored inline.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    event: Recorded,
    blob: Option<BlobRef>,
}

impl Record {
    /// Where the payload is, if it is stored apart.
    #[must_use]
    pub const fn blob(&self) -> Option<BlobRef> {
        self.blob
    }

    /// The event without its payload, if that is stored apart; else whole.
    #[must_use]
    pub const fn event(&self) -> &Recorded {
        &self.event
    }

    /// The whole event; a payload that is stored apart is fetched with `fetch`.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn resolve<E>(self, fetch: impl FnOnce(BlobRef) -> Result<Arc<[u8]>, E>) -> Result<Recorded, E> {
        let Self { mut event, blob } = self;
        if let Some(blob) = blob {
            event.data = fetch(blob)?;
        }
        Ok(event)
    }
}

/// What an index needs to know of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked<'a> {
    /// Length of the whole record in bytes.
    pub length: usize,
    /// Global position.
    pub position: Position,
    /// Version within the stream.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// The command that led to it.
    pub command: CommandId,
    /// The stream, as text.
    pub stream: &'a str,
    /// Where the payload is, if it is stored apart.
    pub blob: Option<BlobRef>,
}

/// Length of the record that [`encode`] writes for `event`, in bytes.
#[must_use]
pub fn encoded_len(event: &Recorded, as_blob: bool) -> usize {
    let Causality { causation, correlation } = event.causality;
    let ids = usize::from(causation.is_some()) + usize::from(correlation.is_some());
    let body = if as_blob { BLOB_REF_LEN } else { event.data.len() };
    FIXED_V1_LEN
        + ids * UUID_LEN
        + event.stream.as_str().len()
        + event.event_type.len()
        + event.actor.0.len()
        + body
        + CHECKSUM_LEN
}

/// Appends the stored form of `event` to `out`; with `blob`, that stands in the place of the payload.
///
/// # Panics
/// When the type name is longer than 255 bytes, the actor longer than [`MAX_ACTOR`], or the payload 4 GiB.
/// [`crate::frame::pack`] refuses such events before it comes to this.
pub fn encode(event: &Recorded, blob: Option<BlobRef>, out: &mut Vec<u8>) {
    let start = out.len();
    let length = encoded_len(event, blob.is_some());
    out.reserve(length);
    let Causality { causation, correlation } = event.causality;
    let flags = if blob.is_some() { FLAG_BLOB } else { 0 }
        | if causation.is_some() { FLAG_CAUSATION } else { 0 }
        | if correlation.is_some() { FLAG_CORRELATION } else { 0 };
    let stream = event.stream.as_str();
    assert!(event.actor.0.len() <= MAX_ACTOR, "an actor has at most {MAX_ACTOR} bytes");

    out.extend_from_slice(&u32::try_from(length).expect("a record is shorter than 4 GiB").to_le_bytes());
    out.push(FORMAT_V1);
    out.push(flags);
    out.extend_from_slice(&event.schema.to_le_bytes());
    out.extend_from_slice(&event.position.0.to_le_bytes());
    out.extend_from_slice(&event.version.0.to_le_bytes());
    out.extend_from_slice(&event.at.as_micros().to_le_bytes());
    out.extend_from_slice(event.id.0.as_bytes());
    out.extend_from_slice(&event.command.0);
    out.extend_from_slice(&event.digest.0);
    out.extend_from_slice(
        &u16::try_from(stream.len()).expect("a stream id has at most 512 bytes").to_le_bytes(),
    );
    out.extend_from_slice(&u16::try_from(event.actor.0.len()).expect("checked above").to_le_bytes());
    out.push(u8::try_from(event.event_type.len()).expect("a type name has at most 255 bytes"));
    if let Some(EventId(id)) = causation {
        out.extend_from_slice(id.as_bytes());
    }
    if let Some(id) = correlation {
        out.extend_from_slice(id.as_bytes());
    }
    out.extend_from_slice(stream.as_bytes());
    out.extend_from_slice(event.event_type.as_bytes());
    out.extend_from_slice(event.actor.0.as_bytes());
    match blob {
        None => out.extend_from_slice(&event.data),
        Some(BlobRef { digest, length }) => {
            out.extend_from_slice(&digest.0);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    debug_assert_eq!(out.len() - start, length);
}

/// Reads the record at the start of `bytes` and says how long it is. Its checksum is verified.
///
/// # Errors
/// See [`Invalid`]. Any bytes are refused or read, never a panic.
pub fn decode(bytes: &[u8]) -> Result<(Record, usize), Invalid> {
    let raw = Raw::read(bytes)?;
    let record = &bytes[..raw.length];
    let (content, checksum) = record.split_at(raw.length - CHECKSUM_LEN);
    if crc32fast::hash(content).to_le_bytes() != checksum {
        return Err(Invalid::Checksum);
    }
    let event = Recorded {
        position: raw.position,
        stream: text(raw.stream, "stream")?.parse::<StreamId>().map_err(|_| Invalid::Field("stream"))?,
        version: raw.version,
        id: EventId(raw.id),
        event_type: known_type(text(raw.event_type, "type")?),
        schema: raw.schema,
        at: raw.at,
        actor: known_actor(text(raw.actor, "actor")?),
        command: raw.command,
        digest: raw.digest,
        causality: Causality { causation: raw.causation.map(EventId), correlation: raw.correlation },
        data: if raw.blob.is_some() { Arc::default() } else { raw.body.into() },
    };
    Ok((Record { event, blob: raw.blob }, raw.length))
}

/// Reads what an index needs of the record at the start of `bytes`, without the checksum.
///
/// # Errors
/// See [`Invalid`].
pub fn peek(bytes: &[u8]) -> Result<Peeked<'_>, Invalid> {
    let raw = Raw::read(bytes)?;
    Ok(Peeked {
        length: raw.length,
        position: raw.position,
        version: raw.version,
        at: raw.at,
        command: raw.command,
        stream: text(raw.stream, "stream")?,
        blob: raw.blob,
    })
}

/// The fields of a record, cut out but not yet judged.
struct Raw<'a> {
    length: usize,
    schema: u16,
    position: Position,
    version: Version,
    at: Timestamp,
    id: Uuid,
    command: CommandId,
    digest: CommandDigest,
    causation: Option<Uuid>,
    correlation: Option<Uuid>,
    stream: &'a [u8],
    event_type: &'a [u8],
    actor: &'a [u8],
    body: &'a [u8],
    blob: Option<BlobRef>,
}

impl<'a> Raw<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut fields = Fields(bytes);
        let length = u32::from_le_bytes(fields.array()?) as usize;
        if length < FIXED_V1_LEN + CHECKSUM_LEN {
            return Err(Invalid::Field("length"));
        }
        if bytes.len() < length {
            return Err(Invalid::CutOff { have: bytes.len(), need: length });
        }
        fields = Fields(&bytes[4..length - CHECKSUM_LEN]);
        let [format, flags] = fields.array()?;
        if format != FORMAT_V1 {
            return Err(Invalid::Format(format));
        }
        if flags & !(FLAG_BLOB | FLAG_CAUSATION | FLAG_CORRELATION) != 0 {
            return Err(Invalid::Flags(flags));
        }
        let schema = u16::from_le_bytes(fields.array()?);
        let position = Position(u64::from_le_bytes(fields.array()?));
        let version = Version(u64::from_le_bytes(fields.array()?));
        let at = Timestamp::from_micros(i64::from_le_bytes(fields.array()?));
        let id = Uuid::from_bytes(fields.array()?);
        let command = CommandId(fields.array()?);
        let digest = CommandDigest(fields.array()?);
        let stream_len = u16::from_le_bytes(fields.array()?);
        let actor_len = u16::from_le_bytes(fields.array()?);
        let [type_len] = fields.array()?;
        let causation =
            if flags & FLAG_CAUSATION == 0 { None } else { Some(Uuid::from_bytes(fields.array()?)) };
        let correlation =
            if flags & FLAG_CORRELATION == 0 { None } else { Some(Uuid::from_bytes(fields.array()?)) };
        let stream = fields.take(stream_len.into())?;
        let event_type = fields.take(type_len.into())?;
        let actor = fields.take(actor_len.into())?;
        let (body, blob) = if flags & FLAG_BLOB == 0 {
            (fields.0, None)
        } else {
            let blob =
                BlobRef { digest: Digest(fields.array()?), length: u64::from_le_bytes(fields.array()?) };
            if !fields.0.is_empty() {
                return Err(Invalid::Field("blob reference"));
            }
            (fields.0, Some(blob))
        };
        Ok(Self {
            length,
            schema,
            position,
            version,
            at,
            id,
            command,
            digest,
            causation,
            correlation,
            stream,
            event_type,
            actor,
            body,
            blob,
        })
    }
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        let (head, rest) =
            self.0.split_at_checked(count).ok_or(Invalid::CutOff { have: self.0.len(), need: count })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (head, rest) =
            self.0.split_first_chunk::<N>().ok_or(Invalid::CutOff { have: self.0.len(), need: N })?;
        self.0 = rest;
        Ok(*head)
    }
}

fn text<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a str, Invalid> {
    std::str::from_utf8(bytes).map_err(|_| Invalid::Field(field))
}

/// Reading a million events should not allocate a million equal type names.
fn known_type(name: &str) -> Cow<'static, str> {
    [RunEvent::TYPES, SessionEvent::TYPES, WorkflowEvent::TYPES]
        .into_iter()
        .flatten()
        .find(|known| **known == name)
        .map_or_else(|| Cow::Owned(name.to_owned()), |known| Cow::Borrowed(*known))
}

fn known_actor(name: &str) -> Actor {
    if name == Actor::RUNTIME.0 { Actor::RUNTIME } else { Actor(Cow::Owned(name.to_owned())) }
}

#[cfg(test)]
mod tests;
