//! JSON in which strings may be expressions.
//!
//! `${ program }` as a whole text is the program's result; inside a longer text it is written into it. `$${` stands
//! for the characters `${`.

use serde_json::{Map, Value};

use super::{
    Evaluator, Expression, Scope, convert,
    error::{EvaluationError, Failure},
    limits::{Budget, MAX_RESULT_BYTES},
    parse::ParseError,
    scan,
};

/// A JSON value in which strings may be expressions.
#[derive(Clone, Debug)]
pub enum Template {
    /// As it stands.
    Literal(Value),
    /// The whole value is the expression's result.
    Expression(Expression),
    /// The expression's result, or its text if jq fails on it: a text without `${ }` in loose mode.
    Loose(Expression),
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

impl Template {
    /// Reads one text of a document.
    ///
    /// # Errors
    /// [`ParseError`] for the first `${ }` in it that is no expression.
    pub fn parse(text: &str, loose: bool) -> Result<Self, ParseError> {
        if let Some(program) = whole(text)? {
            return Expression::parse(program).map(Self::Expression);
        }
        if text.contains("${") {
            return segments(text).map(|segments| match <[Segment; 1]>::try_from(segments) {
                Ok([Segment::Literal(literal)]) => Self::Literal(Value::String(literal)),
                Ok(single) => Self::Text(single.into()),
                Err(segments) => Self::Text(segments),
            });
        }
        if loose && let Ok(expression) = Expression::parse(text) {
            return Ok(Self::Loose(expression));
        }
        Ok(Self::Literal(Value::String(text.to_owned())))
    }

    /// Reads a text that is a program or nothing as a whole: `${ program }`, else as it stands.
    ///
    /// For program text in another language, in which `${` has a meaning of its own.
    ///
    /// # Errors
    /// [`ParseError`] if the whole text is `${ }` and that is no expression.
    pub fn parse_whole(text: &str) -> Result<Self, ParseError> {
        match whole(text)? {
            Some(program) => Expression::parse(program).map(Self::Expression),
            None => Ok(Self::Literal(Value::String(text.to_owned()))),
        }
    }

    /// Every expression in it.
    pub fn expressions<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        match self {
            Self::Literal(_) => {}
            Self::Expression(expression) | Self::Loose(expression) => found.push(expression),
            Self::Text(segments) => found.extend(segments.iter().filter_map(|segment| match segment {
                Segment::Literal(_) => None,
                Segment::Expression(expression) => Some(expression),
            })),
            Self::Array(items) => items.iter().for_each(|item| item.expressions(found)),
            Self::Object(entries) => entries.iter().for_each(|(_, item)| item.expressions(found)),
        }
    }

    /// Whether one of its expressions mentions the variable `name`.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        let mut expressions = Vec::new();
        self.expressions(&mut expressions);
        expressions.iter().any(|expression| expression.variables.iter().any(|variable| variable == name))
    }

    /// Renders the value with `input` as `.`.
    ///
    /// # Errors
    /// That of the first expression that fails; [`Failure::TooLarge`] if the whole is larger than
    /// [`MAX_RESULT_BYTES`] or nests deeper than [`MAX_RESULT_DEPTH`](super::limits::MAX_RESULT_DEPTH).
    pub fn render(
        &self,
        evaluator: &dyn Evaluator,
        input: &Value,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluationError> {
        Rendering { evaluator, input, scope, budget: Budget::new(MAX_RESULT_BYTES) }.render(self, 0)
    }
}

/// One rendering and what it may still produce.
struct Rendering<'a> {
    evaluator: &'a dyn Evaluator,
    input: &'a Value,
    scope: &'a dyn Scope,
    budget: Budget,
}

impl Rendering<'_> {
    fn render(&mut self, template: &Template, depth: usize) -> Result<Value, EvaluationError> {
        match template {
            Template::Literal(value) => {
                self.budget.take_value(value, depth).map_err(convert::excess)?;
                Ok(value.clone())
            }
            Template::Expression(expression) => {
                let value = self.evaluate(expression)?;
                self.budget.take_value(&value, depth).map_err(convert::excess)?;
                Ok(value)
            }
            Template::Loose(expression) => {
                let value = match self.evaluate(expression) {
                    Err(error) if error.failure() == Some(Failure::Jq) => {
                        Value::String(expression.text.to_string())
                    }
                    other => other?,
                };
                self.budget.take_value(&value, depth).map_err(convert::excess)?;
                Ok(value)
            }
            Template::Text(segments) => self.text(segments).map(Value::String),
            Template::Array(items) => {
                self.budget.take(2).map_err(convert::excess)?;
                items
                    .iter()
                    .map(|item| self.render(item, depth + 1))
                    .collect::<Result<_, _>>()
                    .map(Value::Array)
            }
            Template::Object(entries) => {
                self.budget.take(2).map_err(convert::excess)?;
                let mut object = Map::new();
                for (key, item) in entries {
                    self.budget.take(key.len() + 4).map_err(convert::excess)?;
                    object.insert(key.clone(), self.render(item, depth + 1)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    fn text(&mut self, segments: &[Segment]) -> Result<String, EvaluationError> {
        let mut text = String::new();
        for segment in segments {
            let part = match segment {
                Segment::Literal(literal) => literal.clone(),
                Segment::Expression(expression) => match self.evaluate(expression)? {
                    Value::String(value) => value,
                    other => other.to_string(),
                },
            };
            self.budget.take(part.len()).map_err(convert::excess)?;
            text.push_str(&part);
        }
        Ok(text)
    }

    fn evaluate(&self, expression: &Expression) -> Result<Value, EvaluationError> {
        self.evaluator.evaluate(expression, self.input, self.scope)
    }
}

/// The program of a text that is `${ program }` as a whole, give or take white space.
pub(super) fn whole(text: &str) -> Result<Option<&str>, ParseError> {
    let Some(rest) = text.trim().strip_prefix("${") else { return Ok(None) };
    let end = end_of(rest)?;
    Ok(rest[end + 1..].is_empty().then(|| rest[..end].trim()))
}

/// Where the `}` stands that ends the program at the start of `rest`.
fn end_of(rest: &str) -> Result<usize, ParseError> {
    let outline =
        scan::outline(rest).map_err(|error| ParseError::syntax(error.to_string(), error.offset()))?;
    outline.end.ok_or_else(|| ParseError::syntax("`${` is never closed", None))
}

fn segments(text: &str) -> Result<Vec<Segment>, ParseError> {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            literal.push_str(&rest[..at]);
            literal.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        literal.push_str(&rest[..at]);
        if !literal.is_empty() {
            segments.push(Segment::Literal(std::mem::take(&mut literal)));
        }
        rest = &rest[at + 2..];
        let end = end_of(rest)?;
        segments.push(Segment::Expression(Expression::parse(rest[..end].trim())?));
        rest = &rest[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        segments.push(Segment::Literal(literal));
    }
    Ok(segments)
}
