//! Answers in place of effects.

use std::collections::BTreeMap;

use openclaw_model::event::run::WorkflowError;
use serde_json::Value;

use super::file::{Response, Responses, Scenario};

/// The answers of a scenario, and how many of them have been given.
#[derive(Debug)]
pub struct Answers<'s> {
    mocks: &'s BTreeMap<String, Responses>,
    given: BTreeMap<&'s str, usize>,
}

/// An answer and how long it takes, in milliseconds.
pub(super) type Answer = (Result<Value, WorkflowError>, u64);

/// The names by which a scenario may speak of a task: its reference, its name, and for the task of a function the name of
/// the task that calls it.
pub(super) fn names<'t>(reference: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    let caller = reference.strip_suffix("/call").and_then(|calling| calling.rsplit('/').next());
    [reference, name].into_iter().chain(caller)
}

impl<'s> Answers<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        Self { mocks: &scenario.mocks, given: BTreeMap::new() }
    }

    /// The next answer to the task, or why there is none.
    pub(super) fn next(&mut self, reference: &str, name: &str) -> Result<Answer, String> {
        let found = names(reference, name).find_map(|name| self.mocks.get_key_value(name));
        let Some((key, responses)) = found else {
            return Err(format!("the task `{name}` ({reference}) has no mock, and nothing may be called"));
        };
        let given = self.given.entry(key).or_default();
        let response =
            if responses.always { responses.responses.first() } else { responses.responses.get(*given) };
        *given += 1;
        let Some(response) = response else {
            let many = responses.responses.len();
            return Err(format!("`{key}` asked for answer {given}, its mock has {many}"));
        };
        Ok((outcome(response), response.millis().unwrap_or(0)))
    }

    /// The lists of answers that were not used up.
    pub(super) fn left(&self) -> impl Iterator<Item = String> {
        self.mocks.iter().filter(|(_, responses)| !responses.always).filter_map(|(key, responses)| {
            let (given, many) =
                (self.given.get(key.as_str()).copied().unwrap_or(0), responses.responses.len());
            (given < many).then(|| format!("`{key}` was asked {given} times, its mock has {many} answers"))
        })
    }
}

fn outcome(response: &Response) -> Result<Value, WorkflowError> {
    match &response.error {
        Some(failure) => Err(failure.error()),
        None => Ok(response.output.clone()),
    }
}
