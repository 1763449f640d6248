//! Time and randomness. Both enter only here, so that tests and replays decide them.

use openclaw_model::Timestamp;
use uuid::Uuid;

/// The wall clock. It may jump; only the log's `at` is monotonic.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Identifiers that nobody has used before.
pub trait Ids: Send + Sync + 'static {
    /// A fresh UUIDv7.
    fn next(&self) -> Uuid;
}
