//! The durable runtime: carries out what runs owe the world, and brings the outcomes back as commands.
//!
//! Invariant: an effect is performed only after its intent is durable, and nothing here decides what a run does:
//! that is folded from the log, so a restart goes on exactly where the log ends.

pub mod effects;
pub mod egress;
pub mod evaluator;
mod index;
pub mod lifecycle;
pub mod metrics;
mod schedule;
mod supervisor;
pub mod webhooks;
mod worker;

pub use index::OpenRuns;
pub use supervisor::{Parts, Runtime};
