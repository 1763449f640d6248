//! Evaluating expressions within bounded time and memory.
//!
//! What is cheap for certain is evaluated here; everything else in worker processes: this program, started again, with
//! limits on its memory and an end to its time. A worker that is stuck or dead is replaced, and the evaluation fails
//! with a code. Evaluations have no effects, so they may be repeated.
//!
//! Invariant: fails closed. What needs a worker and gets none fails; it is never evaluated here instead.

mod limits;
mod pool;
mod worker;

use std::{path::PathBuf, time::Duration};

use openclaw_workflow::expression::{
    EvaluationError, Evaluator, Expression, Failure, Local, Scope, limits::is_local,
};
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use self::pool::Pool;
pub use self::worker::serve;

/// How a worker is started. What is started has to call [`serve`] at once.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// How long evaluations and workers may last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One evaluation in a worker; then it is killed.
    pub evaluation: Duration,
    /// Waiting for a worker that is free; then the evaluation fails.
    pub queue: Duration,
    /// A worker with nothing to do; then it is closed.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            evaluation: Duration::from_secs(5),
            queue: Duration::from_secs(60),
            idle: Duration::from_secs(60),
        }
    }
}

/// Evaluates jq, here or in worker processes.
///
/// [`evaluate`](Evaluator::evaluate) blocks its thread when it needs a worker: for the evaluation's limit at most, plus
/// the wait for a free worker. On a thread of a multi-threaded tokio runtime, other tasks move to other threads
/// meanwhile.
pub struct JqEvaluator {
    local: Local,
    pool: Option<Pool>,
}

impl JqEvaluator {
    /// With at most `workers` processes (one at least), started when they are first needed. Without a command, what
    /// needs a worker fails.
    #[must_use]
    pub fn new(command: Option<WorkerCommand>, workers: usize) -> Self {
        Self::with_limits(command, workers, Limits::default())
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(command: Option<WorkerCommand>, workers: usize, limits: Limits) -> Self {
        let pool = command.map(|command| Pool::new(command, workers.max(1), limits));
        Self { local: Local::new(), pool }
    }

    /// Worker processes that are alive or being started.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.pool.as_ref().map_or(0, Pool::alive)
    }

    fn in_worker(
        &self,
        pool: &Pool,
        expression: &Expression,
        input: &Value,
        values: &[Value],
    ) -> Result<Value, EvaluationError> {
        let evaluate = || pool.evaluate(expression, input, values);
        let result = match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(evaluate),
            _ => evaluate(),
        };
        crate::metrics::expression_evaluated(result.as_ref().err().map(EvaluationError::failure));
        result.map_err(|error| error.in_expression(&expression.text))
    }
}

impl Evaluator for JqEvaluator {
    fn evaluate(
        &self,
        expression: &Expression,
        input: &Value,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluationError> {
        let values = expression.values(scope)?;
        match &self.pool {
            // A straight expression costs a multiple of its input; with a large one it is better off elsewhere too.
            Some(pool) if !(expression.is_straight() && is_local(values.iter().chain([input]))) => {
                self.in_worker(pool, expression, input, &values)
            }
            _ => self.local.evaluate_with(expression, input, &values),
        }
    }
}

/// The error for a worker that died.
fn died() -> EvaluationError {
    let message = "its worker process ended: it needs more memory or a deeper stack than is allowed";
    EvaluationError::new(Failure::OutOfMemory, message)
}
