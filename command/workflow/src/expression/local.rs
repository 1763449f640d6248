//! Evaluation in this process, for straight expressions only.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use serde_json::Value;

use super::{
    Evaluator, Expression, Scope, convert,
    error::{EvaluationError, Failure},
    program::Program,
};

/// How many compiled programs are kept.
const CACHED: NonZeroUsize = NonZeroUsize::new(512).expect("the literal is not zero");

/// Evaluates straight expressions in this process and refuses all others.
///
/// Cost: linear in the input and the variables, plus about a millisecond the first time an expression is seen.
pub struct Local {
    programs: Mutex<LruCache<Arc<str>, Arc<Program>>>,
}

impl Local {
    /// An evaluator with an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self { programs: Mutex::new(LruCache::new(CACHED)) }
    }

    /// The first result of the straight `expression` on `input`, with the values of its variables in the order of
    /// [`Expression::variables`].
    ///
    /// # Errors
    /// [`Failure::NoWorker`] if the expression is not straight, else why it failed.
    pub fn evaluate_with(
        &self,
        expression: &Expression,
        input: &Value,
        variables: &[Value],
    ) -> Result<Value, EvaluationError> {
        self.attempt(expression, input, variables).map_err(|error| error.in_expression(&expression.text))
    }

    fn attempt(
        &self,
        expression: &Expression,
        input: &Value,
        variables: &[Value],
    ) -> Result<Value, EvaluationError> {
        if !expression.is_straight() {
            let message = "it may loop, so it runs in a worker process only, and no worker is configured";
            return Err(EvaluationError::new(Failure::NoWorker, message));
        }
        let program = self.program(expression)?;
        let variables = variables.iter().map(convert::from_json).collect::<Result<_, _>>()?;
        program.run(convert::from_json(input)?, variables)
    }

    fn program(&self, expression: &Expression) -> Result<Arc<Program>, EvaluationError> {
        // A poisoned cache is still a cache: entries are only ever inserted whole.
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&expression.text) {
            return Ok(program.clone());
        }
        drop(programs);
        let program = Arc::new(Program::compile(&expression.text, &expression.variables)?);
        programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.put(expression.text.clone(), program.clone());
        Ok(program)
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Evaluator for Local {
    fn evaluate(
        &self,
        expression: &Expression,
        input: &Value,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluationError> {
        self.evaluate_with(expression, input, &expression.values(scope)?)
    }
}
