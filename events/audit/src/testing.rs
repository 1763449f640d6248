//! Logs for tests: events, and checkpoints in between, as the server writes them.

use std::{collections::HashMap, sync::Arc};

use openclaw_log::{EventLog, Frame, Head, MemoryLog, pack};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Digest, Event, EventId, Position, Recorded, StreamId, Timestamp,
    Version,
    envelope::Causality,
    event::{AuditEvent, SessionEvent, session::MessageSent},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Checkpoint, SecretKey, Statement, tree};

/// A log that is being written.
pub(crate) struct Written {
    pub(crate) frames: Vec<Arc<[u8]>>,
    pub(crate) head: Head,
    pub(crate) kept: Vec<Checkpoint>,
    versions: HashMap<String, u64>,
    leaves: Vec<Digest>,
    covered: Position,
    log: Digest,
    pub(crate) memory: MemoryLog,
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&Zeroizing::new([seed; 32]))
}

impl Written {
    pub(crate) fn new() -> Self {
        Self {
            frames: Vec::new(),
            head: Head::GENESIS,
            kept: Vec::new(),
            versions: HashMap::new(),
            leaves: Vec::new(),
            covered: Position::START,
            log: Digest([0; 32]),
            memory: MemoryLog::new(),
        }
    }

    /// Appends events of one command as one frame.
    pub(crate) async fn append(&mut self, events: Vec<(StreamId, Event)>) -> Vec<EventId> {
        let mut ids = Vec::new();
        let recorded = events.into_iter().enumerate().map(|(index, (stream, event))| {
            let position = Position(self.head.position.0 + 1 + index as u64);
            let version = self.versions.entry(stream.to_string()).or_default();
            *version += 1;
            let id = EventId(Uuid::from_u128(u128::from(position.0) << 64 | 7));
            ids.push(id);
            Recorded {
                position,
                stream,
                version: Version(*version),
                id,
                event_type: event.event_type().into(),
                schema: event.schema(),
                at: Timestamp::from_millis(1_794_000_000_000 + position.0 as i64 * 1_000),
                actor: Actor("token:ada".into()),
                command: CommandId([position.0 as u8; 16]),
                digest: CommandDigest([0; 16]),
                causality: Causality::default(),
                data: event.encode().into(),
            }
        });
        let recorded: Vec<Recorded> = recorded.collect();
        let (frames, after) = pack(self.head, vec![recorded]).expect("small events fit");
        for frame in &frames {
            self.keep(frame);
        }
        self.memory.append(frames, self.head).await.expect("the log is ours");
        self.head = after;
        ids
    }

    fn keep(&mut self, frame: &Frame) {
        if self.frames.is_empty() {
            self.log = frame.hash();
        }
        let mut records = Frame::parse(frame.bytes(), true).expect("just packed").records;
        while !records.is_empty() {
            let (record, rest) =
                records.split_at(openclaw_log::record::peek(records).expect("packed").length);
            self.leaves.push(tree::leaf(record));
            records = rest;
        }
        self.frames.push(Arc::clone(frame.bytes()));
    }

    /// Appends messages to a session, each in a frame of its own.
    pub(crate) async fn fill(&mut self, count: usize) {
        for at in 0..count {
            let message = MessageSent { content: format!("message {at}"), message_id: at.to_string() };
            let stream = "session/s".parse().expect("a stream");
            self.append(vec![(stream, SessionEvent::MessageSent(message).into())]).await;
        }
    }

    /// Signs the head, as the server does.
    pub(crate) async fn checkpoint(&mut self, key: &SecretKey) -> Checkpoint {
        let count = (self.head.position.0 - self.covered.0) as usize;
        let statement = Statement {
            log: self.log,
            position: self.head.position,
            hash: self.head.hash,
            after: self.covered,
            records: tree::root(&self.leaves[..count]),
            signed_at: self.head.at,
        };
        let checkpoint = statement.sign(key);
        self.leaves.drain(..count);
        self.covered = self.head.position;
        let event = AuditEvent::Checkpoint(checkpoint.to_event());
        self.append(vec![("audit/main".parse().expect("a stream"), event.into())]).await;
        self.kept.push(checkpoint);
        checkpoint
    }
}
