//! Checks a bundle, with nothing but the file and perhaps a key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_log::record::{self, BlobRef};
use openclaw_model::{Digest, Position, Recorded, StreamId, Version};
use serde_json::Value;

use super::{FORMAT, Header, Last, Line, MAX_BYTES, Named, signed};
use crate::{checkpoint::Checkpoint, key::PublicKey, tree};

/// A bundle that proves itself.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its first line.
    pub header: Header,
    /// Its events with their payloads, in order, and why each is there.
    pub events: Vec<(Recorded, String)>,
    /// How many checkpoints vouch for them.
    pub checkpoints: usize,
    /// Whose signatures they are; the file is as good as these keys.
    pub signers: BTreeSet<PublicKey>,
}

/// Why a bundle proves nothing. `OC-AUD-008`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[OC-AUD-008] line {line}: {reason}")]
pub struct Fault {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

fn fault(line: usize, reason: impl Into<String>) -> Fault {
    Fault { line, reason: reason.into() }
}

/// Checks a bundle. With `keys`, only their signatures count; without, everybody's do, and it is for the caller to look at
/// [`Checked::signers`].
///
/// Cost: a few hashes for each event, and two signatures for each stretch of the log.
///
/// # Errors
/// [`Fault`] with the first thing that is wrong.
pub fn check(bytes: &[u8], keys: &BTreeSet<PublicKey>) -> Result<Checked, Fault> {
    if bytes.len() > 2 * MAX_BYTES {
        return Err(fault(1, "the file is larger than a bundle can be"));
    }
    let (body, last) = split(bytes)?;
    let lines = body.iter().filter(|byte| **byte == b'\n').count();
    let mut checking = Checking::new(keys);
    checking.end(body, last, lines)?;
    for (index, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line_number = index + 1;
        match index {
            0 => checking.header(line)?,
            _ => {
                let read =
                    serde_json::from_slice(line).map_err(|error| fault(line_number, error.to_string()))?;
                checking.line(line_number, read)?;
            }
        }
    }
    checking.finish(lines)
}

/// The last line, and all before.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let cut_off = || fault(1, "the file is cut off");
    let (&b'\n', whole) = bytes.split_last().ok_or_else(cut_off)? else { return Err(cut_off()) };
    let start = whole.iter().rposition(|byte| *byte == b'\n').ok_or_else(cut_off)? + 1;
    Ok((&bytes[..start], &whole[start..]))
}

struct Checking<'a> {
    keys: &'a BTreeSet<PublicKey>,
    header: Option<Header>,
    checkpoints: BTreeMap<Position, Checkpoint>,
    signers: BTreeSet<PublicKey>,
    read: Vec<(usize, record::Record, String)>,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
}

impl<'a> Checking<'a> {
    fn new(keys: &'a BTreeSet<PublicKey>) -> Self {
        Self {
            keys,
            header: None,
            checkpoints: BTreeMap::new(),
            signers: BTreeSet::new(),
            read: Vec::new(),
            blobs: BTreeMap::new(),
        }
    }

    fn believe(&mut self, line: usize, key: PublicKey) -> Result<(), Fault> {
        if !self.keys.is_empty() && !self.keys.contains(&key) {
            return Err(fault(line, format!("it is signed by a key that is not believed, {}", key.id())));
        }
        self.signers.insert(key);
        Ok(())
    }

    fn end(&mut self, body: &[u8], last: &[u8], lines: usize) -> Result<(), Fault> {
        let number = lines + 1;
        let Last { end } = serde_json::from_slice(last).map_err(|error| fault(number, error.to_string()))?;
        // Only one text says this, so that no byte of it can be another.
        let again = serde_json::to_vec(&Last { end: end.clone() }).expect("it was just read");
        if again != last || end.lines != lines as u64 {
            return Err(fault(number, "the last line is not as it is written"));
        }
        if blake3::hash(body).as_bytes() != &end.hash.0 {
            return Err(fault(number, "the bytes of the file are not those that were signed"));
        }
        if !end.key.verifies(&signed(&end.hash), &end.signature) {
            return Err(fault(number, "the signature of the file is wrong"));
        }
        self.believe(number, end.key)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Fault> {
        // Of a newer format nothing else is known.
        let format: Value = serde_json::from_slice(line).map_err(|error| fault(1, error.to_string()))?;
        if format["bundle"] != FORMAT {
            return Err(fault(1, format!("the format is not {FORMAT}")));
        }
        self.header = Some(serde_json::from_slice(line).map_err(|error| fault(1, error.to_string()))?);
        Ok(())
    }

    fn line(&mut self, number: usize, line: Line) -> Result<(), Fault> {
        match line {
            Line::Checkpoint { checkpoint } => self.checkpoint(number, checkpoint),
            Line::Event { event, record, checkpoint, proof } => {
                self.event(number, event, &record, checkpoint, &proof)
            }
            Line::Blob { blob, content } => {
                let content = STANDARD.decode(content).map_err(|error| fault(number, error.to_string()))?;
                self.blobs.insert(blob, content.into());
                Ok(())
            }
        }
    }

    fn checkpoint(&mut self, number: usize, checkpoint: Checkpoint) -> Result<(), Fault> {
        if !checkpoint.is_signed() {
            return Err(fault(number, "the signature of the checkpoint is wrong"));
        }
        if self.header.as_ref().is_none_or(|header| header.log != checkpoint.statement.log) {
            return Err(fault(number, "the checkpoint is about another log"));
        }
        self.believe(number, checkpoint.key)?;
        self.checkpoints.insert(checkpoint.statement.position, checkpoint);
        Ok(())
    }

    fn event(
        &mut self,
        number: usize,
        named: Named,
        stored: &str,
        checkpoint: Position,
        proof: &[Digest],
    ) -> Result<(), Fault> {
        let bytes = STANDARD.decode(stored).map_err(|error| fault(number, error.to_string()))?;
        let (record, length) = record::decode(&bytes).map_err(|error| fault(number, error.to_string()))?;
        let event = record.event();
        let Named { position, stream, r#type, why } = named;
        if length != bytes.len()
            || (event.position, &event.stream, &*event.event_type) != (position, &stream, &*r#type)
        {
            return Err(fault(number, "the record is another event than the line says"));
        }
        let by = self.checkpoints.get(&checkpoint);
        let said =
            by.ok_or_else(|| fault(number, format!("there is no checkpoint at {checkpoint}")))?.statement;
        let index = position.0.checked_sub(said.after.0 + 1);
        let proven = index.and_then(|index| tree::root_by(tree::leaf(&bytes), index, said.count(), proof));
        if proven != Some(said.records) {
            return Err(fault(
                number,
                format!("the checkpoint at {checkpoint} does not vouch for event {position}"),
            ));
        }
        if self.read.last().is_some_and(|(_, before, _)| before.event().position >= position) {
            return Err(fault(number, format!("event {position} does not come after the one before")));
        }
        self.read.push((number, record, why));
        Ok(())
    }

    /// What can only be said once everything was seen.
    fn finish(self, lines: usize) -> Result<Checked, Fault> {
        let header = self.header.ok_or_else(|| fault(1, "there is no first line"))?;
        if header.events != self.read.len() as u64 {
            return Err(fault(
                lines,
                format!("{} events were left out or put in", header.events.abs_diff(self.read.len() as u64)),
            ));
        }
        if self.checkpoints.last_key_value().is_none_or(|(position, _)| *position != header.through) {
            return Err(fault(1, "the newest checkpoint is missing"));
        }
        let mut blobs = self.blobs;
        let mut used = BTreeSet::new();
        let mut versions: BTreeMap<StreamId, Vec<Version>> = BTreeMap::new();
        let mut events = Vec::with_capacity(self.read.len());
        for (number, record, why) in self.read {
            let event = record.event();
            versions.entry(event.stream.clone()).or_default().push(event.version);
            let resolved = record.resolve(|blob: BlobRef| {
                used.insert(blob.digest);
                let content = blobs.get(&blob.digest).filter(|content| blob.matches(content)).cloned();
                content.ok_or_else(|| {
                    fault(number, format!("its payload {} is missing or another one", blob.digest))
                })
            });
            events.push((resolved?, why));
        }
        blobs.retain(|digest, _| !used.contains(digest));
        if let Some(digest) = blobs.keys().next() {
            return Err(fault(lines, format!("no event has the payload {digest}")));
        }
        for whole in &header.streams {
            let found = versions.get(&whole.stream).map(Vec::as_slice).unwrap_or_default();
            let complete = found.len() as u64 == whole.version.0
                && found.iter().zip(1..).all(|(found, at)| found.0 == at);
            if !complete {
                return Err(fault(1, format!("events of {} are missing", whole.stream)));
            }
        }
        let run = StreamId::run(header.run);
        if !header.streams.iter().any(|whole| whole.stream == run) {
            return Err(fault(1, "the run itself is missing"));
        }
        Ok(Checked { header, events, checkpoints: self.checkpoints.len(), signers: self.signers })
    }
}
