//! The durable runtime: carries out what runs owe the world, and brings the outcomes back as commands.
//!
//! Invariant: an effect is performed only after its intent is durable, and nothing here decides what a run does:
//! that is folded from the log, so a restart goes on exactly where the log ends.

pub mod effects;
pub mod evaluator;
pub mod metrics;
mod open_runs;
mod supervisor;
mod worker;

pub use open_runs::OpenRuns;
pub use supervisor::{Parts, Runtime};
