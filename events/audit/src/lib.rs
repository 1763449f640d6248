//! What proves the log to somebody who does not trust its disk: checkpoints of the chain's head that are signed and kept
//! elsewhere, the check of a whole log against them, what happened around one thing and why, and bundles that prove a
//! run without the server.
//!
//! This crate reads the log and computes; it writes no file, keeps no key and knows no clock. The server writes the
//! checkpoints and hands out the rest (`ops/server/src/audit`).
//!
//! Invariant: whatever is said here about an event is said about its stored bytes, never about something that was
//! serialised again.

pub mod bundle;
pub mod checkpoint;
pub mod cloudevents;
pub mod key;
#[cfg(test)]
mod testing;
pub mod trail;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, Statement};
pub use key::{PublicKey, SecretKey};
