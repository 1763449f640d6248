//! Checkpoints: statements about the head of the chain, signed and kept in the log and elsewhere, so that a log that was
//! cut off or written anew is found out.
//!
//! What is signed, all numbers big-endian:
//!
//! ```text
//! offset  0  "openclaw audit checkpoint v1\n"   29 bytes
//!        29  log        32   hash of the log's first frame, which tells logs apart
//!        61  position   u64  the newest that it covers
//!        69  hash       32   hash of the chain there
//!       101  after      u64  what the checkpoint before covered; zero for the first
//!       109  records    32   root of the tree over the records after that, up to `position` (tree.rs)
//!       141  signed_at  i64  microseconds since 1970
//! ```
//!
//! A checkpoint stands in the log as an event `audit.checkpoint`, and in the file of checkpoints as one line of JSON
//! with the same fields.

use openclaw_model::{Digest, Position, Timestamp, event::audit::AuditCheckpoint};
use serde::{Deserialize, Serialize};

use crate::key::{NotOne, PublicKey, SecretKey, Signature};

const DOMAIN: &[u8] = b"openclaw audit checkpoint v1\n";

/// What is said about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Which log: hash of its first frame.
    pub log: Digest,
    /// The newest position that is covered; the last one of a frame.
    pub position: Position,
    /// Hash of the chain there.
    pub hash: Digest,
    /// What the checkpoint before covered; [`Position::START`] for the first.
    pub after: Position,
    /// Root of the tree over the records from after `after` to `position`.
    pub records: Digest,
    /// When.
    pub signed_at: Timestamp,
}

/// A statement that somebody signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What is said.
    #[serde(flatten)]
    pub statement: Statement,
    /// By whom.
    pub key: PublicKey,
    /// Over [`Statement::to_bytes`].
    pub signature: Signature,
}

impl Statement {
    /// What is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { log, position, hash, after, records, signed_at } = self;
        [
            DOMAIN,
            &log.0,
            &position.0.to_be_bytes(),
            &hash.0,
            &after.0.to_be_bytes(),
            &records.0,
            &signed_at.as_micros().to_be_bytes(),
        ]
        .concat()
    }

    /// How many records the tree has.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.position.0.saturating_sub(self.after.0)
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &SecretKey) -> Checkpoint {
        Checkpoint { signature: key.sign(&self.to_bytes()), key: key.public(), statement: self }
    }
}

impl Checkpoint {
    /// Whether its key signed it. Whose key it is, is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.key.verifies(&self.statement.to_bytes(), &self.signature)
    }

    /// The event that records it.
    #[must_use]
    pub fn to_event(&self) -> AuditCheckpoint {
        let Statement { log, position, hash, after, records, signed_at } = self.statement;
        AuditCheckpoint {
            log,
            position,
            hash,
            after,
            records,
            signed_at,
            key: self.key.to_string(),
            signature: self.signature.to_string(),
        }
    }

    /// Reads an event.
    ///
    /// # Errors
    /// When its key or its signature has another length.
    pub fn from_event(event: &AuditCheckpoint) -> Result<Self, NotOne> {
        let AuditCheckpoint { log, position, hash, after, records, signed_at, key, signature } = event;
        let statement = Statement {
            log: *log,
            position: *position,
            hash: *hash,
            after: *after,
            records: *records,
            signed_at: *signed_at,
        };
        Ok(Self { statement, key: key.parse()?, signature: signature.parse()? })
    }

    /// The line of the file of checkpoints, without a line break.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a checkpoint has string keys only")
    }

    /// Reads a line of the file of checkpoints.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn statement() -> Statement {
        Statement {
            log: Digest([1; 32]),
            position: Position(17),
            hash: Digest([2; 32]),
            after: Position(5),
            records: Digest([3; 32]),
            signed_at: Timestamp::from_micros(1_794_000_000_123_456),
        }
    }

    #[test]
    fn a_signature_covers_every_field() {
        let key = SecretKey::from_seed(&Zeroizing::new([9; 32]));
        let good = statement().sign(&key);
        assert!(good.is_signed());
        let change = |change: &dyn Fn(&mut Statement)| {
            let mut other = good;
            change(&mut other.statement);
            assert_ne!(other, good);
            assert!(!other.is_signed());
        };
        change(&|s| s.log.0[0] ^= 1);
        change(&|s| s.position.0 += 1);
        change(&|s| s.hash.0[31] ^= 1);
        change(&|s| s.after.0 += 1);
        change(&|s| s.records.0[7] ^= 1);
        change(&|s| s.signed_at = s.signed_at.plus_millis(1));
        let other = SecretKey::from_seed(&Zeroizing::new([8; 32]));
        assert!(!Checkpoint { key: other.public(), ..good }.is_signed());
        assert_eq!(good.statement.to_bytes().len(), 149);
    }

    #[test]
    fn an_event_and_a_line_say_the_same() {
        let key = SecretKey::from_seed(&Zeroizing::new([9; 32]));
        let checkpoint = statement().sign(&key);
        assert_eq!(Checkpoint::from_event(&checkpoint.to_event()), Ok(checkpoint));
        assert_eq!(Checkpoint::from_line(&checkpoint.to_line()).unwrap(), checkpoint);
        let mut event = checkpoint.to_event();
        event.key.pop();
        assert!(Checkpoint::from_event(&event).is_err());
        assert!(Checkpoint::from_line("{}").is_err());
    }
}
