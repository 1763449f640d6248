//! What happened: identifiers, the event envelope, every event type and how old ones are read.
//!
//! This crate is the vocabulary that all others share. It does no I/O and knows no clock.
//!
//! Invariant: bytes that were written once are never rewritten. A changed event gets a new schema
//! number and an upcaster ([`upcast`]), and a fixture of every schema ever written stays in `tests/golden`.
#![no_std]

extern crate alloc;

pub mod access;
pub mod canonical;
pub mod envelope;
pub mod event;
pub mod id;
pub mod namespace;
pub mod time;
pub mod upcast;

pub use envelope::{Actor, Causality, NewEvent, Recorded};
pub use event::{DecodeError, Event};
pub use id::{
    ApprovalId, CommandDigest, CommandId, Digest, EventId, Position, RunId, SessionId, StreamId, StreamKind,
    TaskId, Version,
};
pub use time::Timestamp;
