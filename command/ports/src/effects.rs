//! Acting on the world for a task.

use std::{future::Future, pin::Pin};

use openclaw_model::{
    RunId, TaskId,
    event::run::{HttpRequest, Intent, WorkflowError},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// What came of an effect: the raw output, or an error in the form of the specification.
pub type EffectOutcome = Result<Value, WorkflowError>;

/// An effect under way.
pub type Performing<'a> = Pin<Box<dyn Future<Output = EffectOutcome> + Send + 'a>>;

/// A beginning under way.
pub type Beginning<'a> = Pin<Box<dyn Future<Output = Option<EffectOutcome>> + Send + 'a>>;

/// People being asked.
pub type Permitting<'a> = Pin<Box<dyn Future<Output = Option<Result<(), WorkflowError>>> + Send + 'a>>;

/// An inquiry under way.
pub type Inquiring<'a> = Pin<Box<dyn Future<Output = Result<Option<Value>, WorkflowError>> + Send + 'a>>;

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

    /// Begins `intent`, of a kind that goes on inside this server without anybody waiting for it (a child run, a decision
    /// of people), or finds it begun, and gives its outcome if it has ended. None if it goes on: ask again when it ends.
    /// Asking as often as one likes begins it once.
    ///
    /// By default it is performed.
    fn begin<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Beginning<'a> {
        Box::pin(async move { Some(self.perform(run, task, intent, CancellationToken::new()).await) })
    }

    /// Asks people whether `intent` may be performed, as its verdict says, or finds them asked, and gives their decision
    /// if it is there: the error of the task if they do not allow it. None while they have still to decide: ask again
    /// when the approval has ended. Asking as often as one likes asks once.
    ///
    /// By default nobody can be asked, so nothing is allowed.
    fn permit<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Permitting<'a> {
        let _ = (task, intent);
        Box::pin(async move {
            Some(Err(WorkflowError {
                r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/authorization".into(),
                status: 403,
                title: None,
                detail: Some(format!("nobody can be asked about the effects of run {run}")),
                instance: None,
            }))
        })
    }

    /// Asks what became of an effect whose class is `queryable`: its raw output if it happened, none if it did not. An
    /// error means that this is still unknown. Dropping the answer ends the inquiry.
    ///
    /// `key` is the effect's, not one of the inquiry. By default nothing can be asked.
    fn inquire<'a>(
        &'a self,
        run: RunId,
        task: TaskId,
        request: &'a HttpRequest,
        key: &'a str,
    ) -> Inquiring<'a> {
        let _ = (task, request, key);
        Box::pin(async move {
            Err(WorkflowError {
                r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/configuration".into(),
                status: 400,
                title: None,
                detail: Some(format!("the effects of run {run} cannot be asked about")),
                instance: None,
            })
        })
    }
}
