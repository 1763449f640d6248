//! What we show: views turn events into rows, a worker keeps the rows of one SQLite file up to date with the log,
//! and generations replace that file as a whole when its shape changes.
//!
//! Invariant: rows and the checkpoint that says which events they show commit in one transaction, so whatever
//! moment the process dies at, the file shows exactly the events up to its checkpoint.
//!
//! Invariant: nothing is skipped. An event that cannot be read or does not fit its stream's history stops the
//! worker before that event, with a code and its position.

mod builder;
mod compare;
mod failure;
mod feed;
mod generation;
mod metrics;
mod progress;
mod schema;
mod store;
mod views;
mod worker;

pub use compare::{Comparison, compare};
pub use failure::Failure;
pub use generation::Reader;
pub use progress::{Changed, Progress, Stale, Status};
pub use store::{FoldError, FoldLimits, Moment};
pub use views::{ApprovalState, Direction, EffectState, LetterState, RunStatus, SessionStatus, TaskStatus};
pub use worker::{Projector, RebuildError, StartError, Unavailable, Views};
