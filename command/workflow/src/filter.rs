//! Which filter of an event consumption strategy an event passes (dsl-reference, "Event Filter" and "Correlation"): for
//! `listen` tasks and for schedules alike.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    definition::{Consume, Filter, Mode},
    expression::{EvaluationError, Evaluator, Scope, Template},
    interest,
};

/// Correlation values by name.
pub type Keys = BTreeMap<String, Value>;

/// Where the expressions of a filter stand.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Evaluates them.
    pub evaluator: &'a dyn Evaluator,
    /// What they see.
    pub scope: &'a dyn Scope,
    /// What `expect` is computed from. It is known before the event.
    pub input: &'a Value,
}

/// The first filter that `event` passes and that still counts, with the correlation values that become known with it
/// beside those `known`. `offset` is the index of the first filter, and `passed` says which of them an event has passed.
/// An expression that fails on an event does not fit the event.
pub fn first_passed(
    consume: &Consume,
    offset: u32,
    passed: impl Fn(u32) -> bool,
    known: &Keys,
    event: &Value,
    place: Place<'_>,
) -> Option<(u32, Keys)> {
    if consume.filters.is_empty() {
        return Some((offset, Keys::new()));
    }
    consume.filters.iter().zip(offset..).find_map(|(filter, index)| {
        if consume.mode == Mode::All && passed(index) {
            return None;
        }
        passes(filter, known, event, place).ok().flatten().map(|keys| (index, keys))
    })
}

fn passes(
    filter: &Filter,
    known: &Keys,
    event: &Value,
    Place { evaluator, scope, input }: Place<'_>,
) -> Result<Option<Keys>, EvaluationError> {
    if !interest::fits(&filter.interest, event) {
        return Ok(None);
    }
    for (name, template) in &filter.attributes {
        let value = event.get(name).unwrap_or(&Value::Null);
        let fits = match template.render(evaluator, value, scope)? {
            Value::Bool(fits) if !matches!(template, Template::Literal(_)) => fits,
            expected => expected == *value,
        };
        if !fits {
            return Ok(None);
        }
    }
    let mut learned = Keys::new();
    for (name, correlation) in &filter.correlations {
        let value = evaluator.evaluate(&correlation.from, event, scope)?;
        if value.is_null() {
            return Ok(None);
        }
        let expected = match (&correlation.expect, known.get(name)) {
            (Some(expect), _) => Some(expect.render(evaluator, input, scope)?),
            (None, first) => first.cloned(),
        };
        if expected.is_some_and(|expected| expected != value) {
            return Ok(None);
        }
        learned.insert(name.clone(), value);
    }
    learned.retain(|name, _| !known.contains_key(name));
    Ok(Some(learned))
}
