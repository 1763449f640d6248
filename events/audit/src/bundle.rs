//! A run in one file that proves itself: whoever has the file and the public key needs neither the server nor its data.
//!
//! The file is JSON Lines in UTF-8:
//!
//! ```text
//! {"bundle":"openclaw-bundle/1", "run":..., "log":..., "through":..., "created":..., "events":N, "streams":[...]}
//! {"checkpoint":{...}}                     one for each stretch of the log that events are from (checkpoint.rs)
//! {"event":{"position":..., "stream":..., "type":..., "why":...}, "record":..., "checkpoint":..., "proof":[...]}
//! {"blob":DIGEST, "content":...}           payloads that are stored apart from their records
//! {"end":{"lines":N, "hash":..., "key":..., "signature":...}}
//! ```
//!
//! `record` is the stored record of the event (`openclaw_log::record`), in base 64, and `proof` the hashes that lead from
//! it to the `records` of the checkpoint (tree.rs): about 32 bytes for each doubling of the records between two
//! checkpoints, so half a kilobyte an event where checkpoints are ten thousand records apart. Nothing of other events is in
//! the file. `streams` are those that the file has from their first event to `version`, without a gap. `hash` is the
//! BLAKE3 of every byte before the last line, and the signature is over `"openclaw audit bundle v1\n"` and that hash: by it the
//! server vouches that nothing was left out, which no proof of single events can show.

mod check;
mod collect;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_log::{Frames, ReadError};
use openclaw_model::{Digest, Position, RunId, StreamId, Timestamp, Version};
use serde::{Deserialize, Serialize};

pub use check::{Checked, Fault, check};

use crate::{
    checkpoint::Checkpoint,
    key::{PublicKey, SecretKey, Signature},
    trail::Why,
};

/// What the first line calls the format.
pub const FORMAT: &str = "openclaw-bundle/1";
/// The largest bundle that is made, in bytes.
pub const MAX_BYTES: usize = 256 << 20;

const DOMAIN: &[u8] = b"openclaw audit bundle v1\n";

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such run. `OC-RUN-001`.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// No checkpoint covers the run's events. `OC-AUD-009`.
    #[error("no signed checkpoint covers run {0}, so nothing of it can be proven")]
    NotCovered(RunId),
    /// The bundle would be larger than [`MAX_BYTES`]. `OC-AUD-010`.
    #[error("the bundle would be larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    /// The log does not hold what it should.
    #[error("the log is not as its checkpoints say, at position {0}; verify it")]
    Inconsistent(Position),
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub bundle: String,
    /// The run.
    pub run: RunId,
    /// Which log it is from.
    pub log: Digest,
    /// What happened after this position is not in it.
    pub through: Position,
    /// When it was made.
    pub created: Timestamp,
    /// How many events it has.
    pub events: u64,
    /// What it has without a gap.
    pub streams: Vec<Whole>,
}

/// A stream that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Which.
    pub stream: StreamId,
    /// Up to which version.
    pub version: Version,
}

/// What a line says of its record, to be read without decoding it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    position: Position,
    stream: StreamId,
    r#type: String,
    why: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Checkpoint { checkpoint: Checkpoint },
    Event { event: Named, record: String, checkpoint: Position, proof: Vec<Digest> },
    Blob { blob: Digest, content: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: End,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    lines: u64,
    hash: Digest,
    key: PublicKey,
    signature: Signature,
}

/// What a bundle has, for the log of exports.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its first line.
    pub header: Header,
}

/// Makes the bundle of a run, up to the newest checkpoint. Sign one before, so that it has everything.
///
/// Cost: the log is read from the beginning of the run, and a second time where events of it are; memory for the file.
///
/// # Errors
/// See [`Error`].
pub async fn make<L: Frames>(log: &L, run: RunId, key: &SecretKey, now: Timestamp) -> Result<Bundle, Error> {
    let collected = collect::collect(log, run).await?;
    let mut streams: BTreeMap<&StreamId, Version> = BTreeMap::new();
    for event in &collected.events {
        if is_whole(event.why) {
            streams.insert(&event.stream, event.version);
        }
    }
    let newest = collected.checkpoints.last().ok_or(Error::NotCovered(run))?.statement;
    let header = Header {
        bundle: FORMAT.to_owned(),
        run,
        log: newest.log,
        through: newest.position,
        created: now,
        events: collected.events.len() as u64,
        streams: streams
            .into_iter()
            .map(|(stream, version)| Whole { stream: stream.clone(), version })
            .collect(),
    };
    let mut file = File { bytes: Vec::new(), lines: 0 };
    file.push(&header)?;
    for checkpoint in collected.checkpoints {
        file.push(&Line::Checkpoint { checkpoint })?;
    }
    for event in collected.events {
        let named = Named {
            position: event.position,
            stream: event.stream,
            r#type: event.event_type,
            why: why_text(event.why),
        };
        file.push(&Line::Event {
            event: named,
            record: STANDARD.encode(&event.record),
            checkpoint: event.checkpoint,
            proof: event.proof,
        })?;
    }
    for (blob, content) in collected.blobs {
        file.push(&Line::Blob { blob, content: STANDARD.encode(&content) })?;
    }
    let hash = Digest(*blake3::hash(&file.bytes).as_bytes());
    let end = End { lines: file.lines, hash, key: key.public(), signature: key.sign(&signed(&hash)) };
    file.push(&Last { end })?;
    Ok(Bundle { bytes: file.bytes, header })
}

struct File {
    bytes: Vec<u8>,
    lines: u64,
}

impl File {
    fn push(&mut self, line: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, line).expect("lines have string keys only");
        self.bytes.push(b'\n');
        self.lines += 1;
        if self.bytes.len() > MAX_BYTES { Err(Error::TooLarge) } else { Ok(()) }
    }
}

/// What the signature at the end is over.
fn signed(hash: &Digest) -> Vec<u8> {
    [DOMAIN, &hash.0].concat()
}

/// Whether a stream with such events is in the bundle as a whole.
const fn is_whole(why: Why) -> bool {
    matches!(why, Why::Own | Why::Child | Why::Approval | Why::Connection)
}

fn why_text(why: Why) -> String {
    let text = serde_json::to_value(why).expect("a reason is a text");
    text.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
