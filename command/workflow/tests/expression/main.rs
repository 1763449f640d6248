//! Expressions: parsing, classification, templates, evaluation in this process and behind the worker's protocol.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod classes;
mod parsing;
mod straight;
mod templates;

use std::collections::BTreeMap;

use openclaw_workflow::expression::{
    EvaluationError, Expression, Failure, Local, Scope,
    worker::{self, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, Request, Response},
};
use serde_json::Value;

/// Variables with fixed values.
#[derive(Default)]
struct Variables(BTreeMap<String, Value>);

impl Variables {
    fn of(variables: &[(&str, Value)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }
}

impl Scope for Variables {
    fn variable(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }
}

fn parse(program: &str) -> Expression {
    Expression::parse(program).unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Evaluates in this process; the program has to be straight.
fn local(program: &str, input: &Value, scope: &Variables) -> Result<Value, EvaluationError> {
    let expression = parse(program);
    Local::new().evaluate_with(&expression, input, &expression.values(scope)?)
}

/// Evaluates as a worker process would, through its protocol.
fn remote(program: &str, input: &Value, scope: &Variables) -> Result<Value, EvaluationError> {
    let expression = parse(program);
    let values = expression.values(scope)?;
    let request = Request { program, variables: &expression.variables, values: &values, input };
    let (mut to_worker, mut from_worker) = (Vec::new(), Vec::new());
    worker::write_frame(&mut to_worker, &request, MAX_REQUEST_BYTES).unwrap();
    worker::serve(to_worker.as_slice(), &mut from_worker).unwrap();
    let frame = worker::read_frame(&mut from_worker.as_slice(), MAX_RESPONSE_BYTES).unwrap().unwrap();
    match serde_json::from_slice(&frame).unwrap() {
        Response::Value(value) => Ok(value),
        Response::Error(reason) => Err(EvaluationError { reason }),
    }
}

fn failure(result: Result<Value, EvaluationError>) -> Option<Failure> {
    result.unwrap_err().failure()
}
