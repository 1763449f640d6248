//! Every identifier is its own type, so that none can be passed for another.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// Global place of an event in the log: contiguous from 1. Zero means "before the first event".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Place of an event in its stream: contiguous from 1. Zero means that the stream has no event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version of a stream that does not exist.
    pub const NONE: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a stream is about; the part of a [`StreamId`] before the slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// One execution of a workflow.
    Run,
    /// One conversation.
    Session,
    /// All versions of one workflow definition.
    Workflow,
    /// One decision of people.
    Approval,
    /// The schedule of one workflow.
    Schedule,
    /// One receiver of events outside.
    Webhook,
    /// One event that somebody published.
    Event,
    /// One token, with which a program proves who it is.
    Token,
    /// One person who logs in.
    User,
    /// One credential, `namespace/name`.
    Credential,
    /// The vault.
    Vault,
    /// The policy of one namespace.
    Policy,
    /// Connections to the outside, of one run.
    Egress,
    /// What an auditor wants to know that happened to nothing in particular.
    Audit,
}

impl StreamKind {
    /// Every kind there is.
    pub const ALL: [Self; 14] = [
        Self::Run,
        Self::Session,
        Self::Workflow,
        Self::Approval,
        Self::Schedule,
        Self::Webhook,
        Self::Event,
        Self::Token,
        Self::User,
        Self::Credential,
        Self::Vault,
        Self::Policy,
        Self::Egress,
        Self::Audit,
    ];

    /// The stable name that is written to the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Session => "session",
            Self::Workflow => "workflow",
            Self::Approval => "approval",
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
            Self::Event => "event",
            Self::Token => "token",
            Self::User => "user",
            Self::Credential => "credential",
            Self::Vault => "vault",
            Self::Policy => "policy",
            Self::Egress => "egress",
            Self::Audit => "audit",
        }
    }
}

/// Why a text is not an identifier of the asked kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {reason}")]
pub struct InvalidId {
    /// Which identifier was read.
    pub what: &'static str,
    /// What is wrong with it, as the end of a sentence.
    pub reason: &'static str,
}

/// Names one event stream: `kind/name`, for example `run/0192f0c1-...`.
///
/// Invariant: at most [`StreamId::MAX`] bytes, no control characters, and a known kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    kind: StreamKind,
    text: String,
}

impl StreamId {
    /// The longest text of a stream id, in bytes.
    pub const MAX: usize = 512;

    /// Names the stream `kind/name`.
    ///
    /// # Errors
    /// When `name` is empty, has control characters, or makes the id longer than [`Self::MAX`].
    pub fn new(kind: StreamKind, name: &str) -> Result<Self, InvalidId> {
        let text = format!("{}/{name}", kind.as_str());
        let reason = if name.is_empty() {
            "is empty"
        } else if text.len() > Self::MAX {
            "is longer than 512 bytes"
        } else if name.chars().any(char::is_control) {
            "has control characters"
        } else {
            return Ok(Self { kind, text });
        };
        Err(InvalidId { what: "stream id", reason })
    }

    /// The stream of a run.
    #[must_use]
    pub fn run(id: RunId) -> Self {
        Self { kind: StreamKind::Run, text: format!("run/{id}") }
    }

    /// The stream of a session.
    #[must_use]
    pub fn session(id: &SessionId) -> Self {
        Self { kind: StreamKind::Session, text: format!("session/{}", id.as_str()) }
    }

    /// The stream of an approval.
    #[must_use]
    pub fn approval(id: ApprovalId) -> Self {
        Self { kind: StreamKind::Approval, text: format!("approval/{id}") }
    }

    /// What the stream is about.
    #[must_use]
    pub const fn kind(&self) -> StreamKind {
        self.kind
    }

    /// The part after the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.kind.as_str().len() + 1..]
    }

    /// The whole text, `kind/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The approval this stream is about, if it is an approval's.
    #[must_use]
    pub fn as_approval(&self) -> Option<ApprovalId> {
        if self.kind == StreamKind::Approval { self.name().parse().ok() } else { None }
    }

    /// The run this stream is about, if it is a run's.
    #[must_use]
    pub fn as_run(&self) -> Option<RunId> {
        if self.kind == StreamKind::Run { self.name().parse().ok() } else { None }
    }
}

impl FromStr for StreamId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (kind, name) =
            text.split_once('/').ok_or(InvalidId { what: "stream id", reason: "has no slash" })?;
        let kind = StreamKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or(InvalidId { what: "stream id", reason: "has an unknown kind" })?;
        Self::new(kind, name)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId { what: $what, reason: "is not a UUID" })
            }
        }
    };
}

uuid_id!(
    /// Identifies one event for ever, a UUIDv7.
    EventId,
    "event id"
);
uuid_id!(
    /// Identifies one run of a workflow, a UUIDv7.
    RunId,
    "run id"
);

/// Identifies one session: any short text without control characters, by convention a session key such as
/// `agent:main:channel:api:account:gateway:dm:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// The longest session id, in bytes.
    pub const MAX: usize = 256;

    /// Checks and wraps a session id.
    ///
    /// # Errors
    /// When the text is empty, longer than [`Self::MAX`], or has control characters.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let reason = if text.is_empty() {
            "is empty"
        } else if text.len() > Self::MAX {
            "is longer than 256 bytes"
        } else if text.chars().any(char::is_control) {
            "has control characters"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidId { what: "session id", reason })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Identifies one execution of a task within its run: its ordinal, from 1. A task that runs again in a loop or
/// a retry gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                const ERROR: InvalidId = InvalidId { what: $what, reason: "is not hexadecimal of the right length" };
                if text.len() != 2 * $len || !text.is_ascii() {
                    return Err(ERROR);
                }
                let bytes = (0..$len)
                    .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16))
                    .collect::<Result<Vec<u8>, _>>()
                    .map_err(|_| ERROR)?;
                Ok(Self(bytes.try_into().map_err(|_| ERROR)?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

hex_id!(
    /// Identifies one command. For a command with an idempotency key it is a hash of caller scope and key, so a
    /// repetition has the same id; else it is random.
    CommandId,
    16,
    "command id"
);
hex_id!(
    /// Fingerprint of a command's content. Two commands with one id and different digests are a misuse of the key.
    CommandDigest,
    16,
    "command digest"
);
hex_id!(
    /// Identifies one decision of people: the key of the effect that asks for it.
    ApprovalId,
    16,
    "approval id"
);
hex_id!(
    /// A BLAKE3 hash, of a definition or of stored bytes.
    Digest,
    32,
    "digest"
);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn stream_id_round_trips_and_refuses_what_is_not_one() {
        let id: StreamId = "session/agent:a:channel:b/c".parse().unwrap();
        assert_eq!((id.kind(), id.name()), (StreamKind::Session, "agent:a:channel:b/c"));
        for bad in ["", "run", "run/", "nothing/x", "run/\u{7}"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad:?}");
        }
        assert!(StreamId::new(StreamKind::Run, &"x".repeat(600)).is_err());
    }

    #[test]
    fn hexadecimal_ids_round_trip_and_refuse_other_text() {
        let id = CommandId([0xab; 16]);
        assert_eq!(id.to_string().parse::<CommandId>().unwrap(), id);
        for bad in ["", "ab", "zz".repeat(16).as_str(), "é".repeat(16).as_str()] {
            assert!(bad.parse::<CommandId>().is_err(), "{bad:?}");
        }
    }
}
