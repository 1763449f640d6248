//! Writes plausible events for tests and measurements.

use std::collections::HashMap;

use openclaw_model::{
    Actor, Causality, CommandDigest, CommandId, EventId, Recorded, StreamId, StreamKind, Timestamp, Version,
};
use uuid::Uuid;

use crate::{Frame, Head, pack};

/// Makes events that continue a log: positions, versions and times are right by construction, everything else
/// follows from the position, so that a reader can check what it reads with [`Author::check`].
#[derive(Clone, Debug)]
pub struct Author {
    head: Head,
    position: u64,
    versions: HashMap<String, u64>,
}

impl Author {
    /// Continues a log that ends at `head`; streams that it has already written to are told with [`Self::knows`].
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { head, position: head.position.0, versions: HashMap::new() }
    }

    /// Tells the author that session `name` stands at `version`.
    pub fn knows(&mut self, name: &str, version: Version) {
        self.versions.insert(name.to_owned(), version.0);
    }

    /// The head after everything that [`Self::frames`] has packed.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The stream of session `name`.
    ///
    /// # Panics
    /// When that is no session id.
    #[must_use]
    pub fn stream(name: &str) -> StreamId {
        StreamId::new(StreamKind::Session, name).expect("tests name sessions well")
    }

    /// The next command: one event of session `name` for each payload size in bytes (at least 17).
    pub fn command(&mut self, name: &str, sizes: &[usize]) -> Vec<Recorded> {
        let first = self.position + 1;
        let mut version = self.versions.get(name).copied().unwrap_or_default();
        let events = sizes
            .iter()
            .map(|size| {
                self.position += 1;
                version += 1;
                event(self.position, first, name, version, *size)
            })
            .collect();
        self.versions.insert(name.to_owned(), version);
        events
    }

    /// Packs the next commands, each a session name and payload sizes; returns the frames and the head they follow.
    ///
    /// # Panics
    /// When a command does not fit into a frame.
    pub fn frames(&mut self, commands: Vec<(&str, Vec<usize>)>) -> (Vec<Frame>, Head) {
        let expected = self.head;
        let commands = commands.into_iter().map(|(name, sizes)| self.command(name, &sizes)).collect();
        let (frames, head) = pack(expected, commands).expect("tests write commands that fit");
        self.head = head;
        (frames, expected)
    }

    /// The id of the command whose first event has `position`.
    #[must_use]
    pub fn command_id(position: u64) -> CommandId {
        let mixed = u128::from(position).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        CommandId(mixed.to_be_bytes())
    }

    /// Whether `event` is what an author wrote at its position.
    #[must_use]
    pub fn check(event: &Recorded) -> bool {
        let position = event.position.0;
        event.id == EventId(Uuid::from_u128(position.into()))
            && event.at == Timestamp::from_micros(position as i64)
            && *event.data == *payload(position, event.data.len())
    }
}

fn event(position: u64, first: u64, name: &str, version: u64, size: usize) -> Recorded {
    Recorded {
        position: openclaw_model::Position(position),
        stream: Author::stream(name),
        version: Version(version),
        id: EventId(Uuid::from_u128(position.into())),
        event_type: "session.state_changed".into(),
        schema: 1,
        at: Timestamp::from_micros(position as i64),
        actor: Actor("token:test".into()),
        command: Author::command_id(first),
        digest: CommandDigest([1; 16]),
        causality: Causality {
            causation: (position > first).then(|| EventId(Uuid::from_u128(first.into()))),
            correlation: Some(Uuid::from_u128(first.into())),
        },
        data: payload(position, size).into(),
    }
}

/// JSON of `size` bytes (or the least that is possible) that differs from position to position and compresses about
/// as well as text does.
fn payload(position: u64, size: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "agent ", "tool ", "answer ", "the ", "file ", "of ", "error ", "session ", "to ", "read ", "write ",
        "and ", "result ", "model ", "run ", "is ",
    ];
    let mut text = br#"{"key":"k","value":""#.to_vec();
    let end = br#""}"#;
    let mut state = position.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let size = size.max(text.len() + end.len());
    while text.len() + end.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(WORDS[(state >> 40) as usize % WORDS.len()].as_bytes());
        if state & 3 == 0 {
            text.extend_from_slice(format!("{:x} ", state >> 44).as_bytes());
        }
    }
    text.truncate(size - end.len());
    text.extend_from_slice(end);
    text
}
