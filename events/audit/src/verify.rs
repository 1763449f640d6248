//! Checks a log against checkpoints: those that stand in it, and those that somebody kept elsewhere.
//!
//! [`Auditor`] is fed every frame of the log, in order, as it is stored. It proves the chain anew and compares each
//! checkpoint with what it says. Cost: one BLAKE3 over the log; memory for one hash per event since the newest
//! checkpoint, so for the whole log where nothing was ever signed.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_log::{Head, frame::Parsed};
use openclaw_model::{Digest, Event, Position, event::AuditEvent};
use serde::Serialize;

use crate::{checkpoint::Checkpoint, key::PublicKey, tree};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its page.
    pub code: &'static str,
    /// The first position that is concerned.
    pub position: Position,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// What was found. The log is as it was signed if there are no problems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Events in the log.
    pub events: u64,
    /// Frames in it.
    pub frames: u64,
    /// Hash of its end.
    pub hash: Digest,
    /// Which log it is: hash of its first frame.
    pub log: Digest,
    /// Checkpoints in the log.
    pub recorded: u64,
    /// Checkpoints that were kept elsewhere.
    pub kept: u64,
    /// The newest position that a checkpoint vouches for; zero if none does.
    pub covered: Position,
    /// Who signed, by the id of the key.
    pub signers: BTreeSet<String>,
    /// What is wrong, in order of position.
    pub problems: Vec<Problem>,
}

/// Which keys are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// These; everybody's, if there are none.
    pub keys: BTreeSet<PublicKey>,
}

impl Trust {
    fn believes(&self, key: &PublicKey) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }
}

/// Checks one log. Feed it every frame, then [`Auditor::finish`].
#[derive(Debug)]
pub struct Auditor {
    trust: Trust,
    /// Checkpoints that were kept elsewhere and lie ahead, by position.
    ahead: BTreeMap<Position, Vec<Checkpoint>>,
    head: Head,
    log: Digest,
    /// What the newest checkpoint in the log covers.
    covered: Position,
    /// The same, of those that were kept elsewhere.
    kept_through: Position,
    /// Leaves of the records after `covered`.
    leaves: Vec<Digest>,
    /// Ends of the frames after `covered`.
    ends: Vec<(Position, Digest)>,
    findings: Findings,
}

impl Auditor {
    /// Will compare the log with `kept`, which may be in any order and repeat itself.
    #[must_use]
    pub fn new(trust: Trust, kept: Vec<Checkpoint>) -> Self {
        let mut auditor = Self {
            trust,
            ahead: BTreeMap::new(),
            head: Head::GENESIS,
            log: Digest([0; 32]),
            covered: Position::START,
            kept_through: Position::START,
            leaves: Vec::new(),
            ends: Vec::new(),
            findings: Findings {
                events: 0,
                frames: 0,
                hash: Digest([0; 32]),
                log: Digest([0; 32]),
                recorded: 0,
                kept: 0,
                covered: Position::START,
                signers: BTreeSet::new(),
                problems: Vec::new(),
            },
        };
        for checkpoint in kept {
            let at = checkpoint.statement.position;
            if auditor.ahead.get(&at).is_some_and(|same| same.contains(&checkpoint)) {
                continue;
            }
            auditor.findings.kept += 1;
            if auditor.is_believed(&checkpoint, at, "that was kept") {
                auditor.ahead.entry(at).or_default().push(checkpoint);
            }
        }
        auditor
    }

    /// Looks at the next frame. Its hash is that of its bytes ([`openclaw_log::frame::Frame::parse`] with `verify`).
    pub fn frame(&mut self, frame: &Parsed<'_>) {
        let header = frame.header;
        let expected = self.head.position.next();
        if header.first != expected || header.prev != self.head.hash {
            let message = format!(
                "the chain of hashes breaks: {} does not follow {}",
                header.first, self.head.position
            );
            self.problem("OC-LOG-001", expected, message);
        }
        if self.findings.frames == 0 {
            self.log = header.hash;
        }
        let mut records = frame.records;
        for read in frame.records() {
            let record = match read {
                Ok(record) => record,
                Err(error) => {
                    self.problem("OC-LOG-001", header.first, error.to_string());
                    break;
                }
            };
            let length = openclaw_log::record::peek(records).map_or(records.len(), |peeked| peeked.length);
            let (bytes, rest) = records.split_at(length.min(records.len()));
            records = rest;
            let event = record.event();
            if event.event_type == "audit.checkpoint" && record.blob().is_none() {
                self.recorded(event.position, event.decode());
            }
            self.leaves.push(tree::leaf(bytes));
            self.findings.events += 1;
            self.head.at = event.at;
        }
        (self.head.position, self.head.hash) = (header.last(), header.hash);
        self.findings.frames += 1;
        self.ends.push((header.last(), header.hash));
        while let Some(entry) = self.ahead.first_entry()
            && *entry.key() <= self.head.position
        {
            let (position, kept) = entry.remove_entry();
            for checkpoint in kept {
                self.kept(position, &checkpoint);
            }
        }
    }

    /// The end of what there is to see. If that is the end of the log, what checkpoints vouch for and is not there, is
    /// missing; it is not if `whole` is false, because the log could not be read to its end.
    #[must_use]
    pub fn finish(mut self, whole: bool) -> Findings {
        let end = self.head.position;
        if whole
            && let Some((last, checkpoint)) =
                self.ahead.iter().next_back().and_then(|(at, all)| Some((*at, all.first()?)))
        {
            let Checkpoint { statement, .. } = checkpoint;
            let message = format!(
                "the log ends at position {end}, but a checkpoint of {} vouches for {last}: positions {} to {last} \
                 were cut off",
                statement.signed_at,
                end.next(),
            );
            self.problem("OC-AUD-002", end.next(), message);
        }
        let mut findings = self.findings;
        (findings.hash, findings.log) = (self.head.hash, self.log);
        findings.covered = self.covered.max(self.kept_through);
        findings.problems.sort_by_key(|problem| problem.position);
        findings
    }

    /// A checkpoint that stands in the log at `at`.
    fn recorded(&mut self, at: Position, event: Result<Event, openclaw_model::DecodeError>) {
        self.findings.recorded += 1;
        let read = match event {
            Ok(Event::Audit(AuditEvent::Checkpoint(event))) => {
                Checkpoint::from_event(&event).map_err(|error| format!("its key or signature {error}"))
            }
            Ok(_) => Err("it is another event".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let checkpoint = match read {
            Ok(checkpoint) => checkpoint,
            Err(reason) => {
                return self.problem(
                    "OC-AUD-001",
                    at,
                    format!("the checkpoint at {at} cannot be read: {reason}"),
                );
            }
        };
        if !self.is_believed(&checkpoint, at, &format!("at {at}")) {
            return;
        }
        let said = checkpoint.statement;
        let what = format!("the checkpoint at {at}");
        if said.after != self.covered || said.position <= self.covered || said.position >= at {
            let message = format!(
                "{what} covers {} to {}, after one that covers up to {}: checkpoints are missing or were put in",
                said.after.next(),
                said.position,
                self.covered,
            );
            return self.problem("OC-AUD-003", at, message);
        }
        if !self.tells_the_same(&checkpoint, &what) {
            return;
        }
        let count = usize::try_from(said.count()).unwrap_or(usize::MAX).min(self.leaves.len());
        if tree::root(&self.leaves[..count]) != said.records {
            let message = format!(
                "the records {} to {} are not those that {what} vouches for",
                said.after.next(),
                said.position
            );
            return self.problem("OC-AUD-003", said.after.next(), message);
        }
        self.leaves.drain(..count);
        self.ends.retain(|(end, _)| *end > said.position);
        self.covered = said.position;
    }

    /// A checkpoint that was kept elsewhere, once the log has reached it.
    fn kept(&mut self, position: Position, checkpoint: &Checkpoint) {
        let what = format!("the kept checkpoint of {}", checkpoint.statement.signed_at);
        if self.tells_the_same(checkpoint, &what) {
            self.kept_through = self.kept_through.max(position);
        }
    }

    /// Whether the log has the hash that is said, at the position that is said. The position is in one of `ends`.
    fn tells_the_same(&mut self, checkpoint: &Checkpoint, what: &str) -> bool {
        let said = checkpoint.statement;
        let found = self.ends.binary_search_by_key(&said.position, |(end, _)| *end);
        let same = found.is_ok_and(|index| self.ends[index].1 == said.hash) && said.log == self.log;
        if !same {
            let message = if said.log == self.log {
                format!(
                    "the log tells another history up to position {} than {what} vouches for",
                    said.position
                )
            } else {
                format!("{what} is about another log ({})", said.log)
            };
            self.problem("OC-AUD-003", self.covered.max(self.kept_through).next(), message);
        }
        same
    }

    fn is_believed(&mut self, checkpoint: &Checkpoint, at: Position, which: &str) -> bool {
        if !checkpoint.is_signed() {
            self.problem("OC-AUD-001", at, format!("the signature of the checkpoint {which} is wrong"));
            return false;
        }
        let id = checkpoint.key.id();
        if !self.trust.believes(&checkpoint.key) {
            self.problem(
                "OC-AUD-004",
                at,
                format!("the checkpoint {which} is signed by an unknown key, {id}"),
            );
            return false;
        }
        self.findings.signers.insert(id);
        true
    }

    fn problem(&mut self, code: &'static str, position: Position, message: String) {
        self.findings.problems.push(Problem { code, position, message });
    }
}

#[cfg(test)]
mod tests;
