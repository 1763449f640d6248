//! Acting on the world for a task.

use std::{future::Future, pin::Pin};

use openclaw_model::{
    RunId, TaskId,
    event::run::{Intent, WorkflowError},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// What came of an effect: the raw output, or an error in the form of the specification.
pub type EffectOutcome = Result<Value, WorkflowError>;

/// An effect under way.
pub type Performing<'a> = Pin<Box<dyn Future<Output = EffectOutcome> + Send + 'a>>;

/// Carries out the effects that a run intends.
///
/// The intent is durable before `perform` is called. When `cancel` fires, `perform` stops what it started, with
/// everything below it, and returns; its answer is then ignored.
pub trait Effects: Send + Sync + 'static {
    /// Performs `intent` for `task` of `run`.
    fn perform<'a>(
        &'a self,
        run: RunId,
        task: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a>;
}
