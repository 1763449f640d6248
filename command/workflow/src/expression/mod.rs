//! Runtime expressions: parsing, classification, evaluation.

use std::sync::Arc;

use serde_json::Value;

/// A parsed jq program.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The program, without `${ }`.
    pub text: Arc<str>,
    /// The runtime variables it mentions, without the dollar.
    pub variables: Arc<[String]>,
}

/// A JSON value in which strings may be expressions.
#[derive(Clone, Debug)]
pub enum Template {
    /// As it stands.
    Literal(Value),
    /// The whole value is the expression's result.
    Expression(Expression),
    /// A text with expressions in it.
    Text(Vec<Segment>),
    /// Each item rendered.
    Array(Vec<Template>),
    /// Each value rendered.
    Object(Vec<(String, Template)>),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Segment {
    /// As it stands.
    Literal(String),
    /// Strings as they are, everything else as JSON.
    Expression(Expression),
}

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EvaluationError {
    /// In words, with the expression.
    pub reason: String,
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

impl Template {
    /// Renders the value with `input` as `.`.
    ///
    /// # Errors
    /// That of the first expression that fails.
    pub fn render(
        &self,
        evaluator: &dyn Evaluator,
        input: &Value,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluationError> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(expression) => evaluator.evaluate(expression, input, scope)?,
            Self::Text(segments) => {
                let mut text = String::new();
                for segment in segments {
                    match segment {
                        Segment::Literal(literal) => text.push_str(literal),
                        Segment::Expression(expression) => {
                            match evaluator.evaluate(expression, input, scope)? {
                                Value::String(value) => text.push_str(&value),
                                other => text.push_str(&other.to_string()),
                            }
                        }
                    }
                }
                Value::String(text)
            }
            Self::Array(items) => Value::Array(
                items.iter().map(|item| item.render(evaluator, input, scope)).collect::<Result<_, _>>()?,
            ),
            Self::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| Ok((key.clone(), item.render(evaluator, input, scope)?)))
                    .collect::<Result<_, EvaluationError>>()?,
            ),
        })
    }
}
