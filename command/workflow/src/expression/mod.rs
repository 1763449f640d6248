//! Runtime expressions: parsing, classification, evaluation.
//!
//! jq programs may run for ever or fill the memory, and cannot be interrupted from within. So there are two classes.
//! *Straight* programs are cheap by their text alone ([`Expression::is_straight`]) and are evaluated in this process
//! ([`Local`]). All others are evaluated in a worker process ([`worker`]) that can be killed; the pool of workers is
//! in `openclaw-runtime`, because this crate does no I/O of its own.
//!
//! Invariant: no expression can see the clock, the environment or a file ([`library`]).

mod convert;
mod error;
mod library;
pub mod limits;
mod local;
mod parse;
mod program;
mod resolve;
mod scan;
mod straight;
mod template;
pub mod worker;

use std::sync::Arc;

use serde_json::Value;

pub use self::{
    error::{EvaluationError, Failure},
    local::Local,
    parse::{ParseError, ParseErrorKind},
    template::{Segment, Template},
};

/// A parsed jq program.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The program, without `${ }`.
    pub text: Arc<str>,
    /// The runtime variables it mentions, without the dollar, in byte order.
    pub variables: Arc<[String]>,
    straight: bool,
}

impl Expression {
    /// Parses a program, without `${ }`, and checks that every function it calls exists.
    ///
    /// # Errors
    /// [`ParseError`] if it is no jq, calls what does not exist or is refused, or is larger than
    /// [`limits`] allow. Cost: bounded by those limits.
    pub fn parse(program: &str) -> Result<Self, ParseError> {
        let facts = parse::check(program)?;
        Ok(Self { text: program.into(), variables: facts.variables.into(), straight: facts.straight })
    }

    /// Parses a field that is an expression by its nature: with or without `${ }`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_field(text: &str) -> Result<Self, ParseError> {
        Self::parse(template::whole(text)?.unwrap_or(text.trim()))
    }

    /// Whether its cost is known to be small, so that it is evaluated in this process. Others need a worker process,
    /// and evaluating them blocks for up to seconds.
    #[must_use]
    pub const fn is_straight(&self) -> bool {
        self.straight
    }

    /// The values of its variables, in their order.
    ///
    /// # Errors
    /// [`Failure::UnknownVariable`] if `scope` does not have one of them.
    pub fn values(&self, scope: &dyn Scope) -> Result<Vec<Value>, EvaluationError> {
        let value = |name: &String| {
            scope.variable(name).ok_or_else(|| {
                let message = format!("`${name}` has no value here");
                EvaluationError::new(Failure::UnknownVariable, message).in_expression(&self.text)
            })
        };
        self.variables.iter().map(value).collect()
    }
}

/// Gives the values of runtime variables, by name without the dollar. Only those an expression mentions are asked.
pub trait Scope {
    /// The value of `$name`, or none if there is no such variable here.
    fn variable(&self, name: &str) -> Option<Value>;
}

/// Evaluates expressions within bounded time and memory.
pub trait Evaluator: Send + Sync {
    /// The first result of `expression` on `input`; `null` if it has none.
    ///
    /// # Errors
    /// [`EvaluationError`] when jq fails, a variable is unknown, or a limit is passed.
    fn evaluate(
        &self,
        expression: &Expression,
        input: &Value,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluationError>;
}
