//! Audit: the head of the log is signed at an interval, and what proves the log is handed out.
//!
//! Invariant: a checkpoint is written about events that are durable, never about any that are not.

mod copies;
mod file;
mod http;
mod keys;
mod metrics;
mod signer;

pub(crate) use copies::{ExportOf, Lines, TrailOf, export, trail};
pub(crate) use file::{kept, trusted};
pub(crate) use http::{Copies, router};
pub(crate) use keys::choose;
pub(crate) use signer::{Parts, Signer, trust_path};
