//! Whether a scenario speaks of tasks that exist, and says nothing that cannot be.

use std::collections::BTreeSet;

use serde_json::Value;

use super::file::{Scenario, Suite};
use crate::{
    definition::{Definition, Problem, scenario_problem},
    expression::Expression,
    suggest,
};

/// Reports what no run of `definition` could ever come to.
pub(super) fn check(suite: &Suite, definition: &Definition) -> Vec<Problem> {
    let mut names = BTreeSet::new();
    collect(&definition.source, &mut names);
    let mut check = Check { names, definition, problems: Vec::new() };
    let mut seen = BTreeSet::new();
    for (index, scenario) in suite.scenarios.iter().enumerate() {
        let path = format!("/scenarios/{index}");
        if !seen.insert(&scenario.name) {
            let message = format!("there is another scenario `{}`", scenario.name);
            check.report(&format!("{path}/name"), message, None);
        }
        check.scenario(scenario, &path);
    }
    if suite.scenarios.is_empty() {
        check.report("/scenarios", "there is no scenario".into(), None);
    }
    check.problems
}

/// The names that a document gives, those of tasks among them.
fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                if let Some(map) = item.as_object()
                    && map.len() == 1
                {
                    names.extend(map.keys().cloned());
                }
                collect(item, names);
            }
        }
        Value::Object(map) => {
            if let Some(functions) = map.get("functions").and_then(Value::as_object) {
                names.extend(functions.keys().cloned());
            }
            map.values().for_each(|value| collect(value, names));
        }
        _ => {}
    }
}

struct Check<'a> {
    names: BTreeSet<String>,
    definition: &'a Definition,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn scenario(&mut self, scenario: &Scenario, path: &str) {
        let key = |key: &str| key.replace('~', "~0").replace('/', "~1");
        for (name, responses) in &scenario.mocks {
            let path = format!("{path}/mocks/{}", key(name));
            self.task(name, &path);
            for (index, response) in responses.responses.iter().enumerate() {
                if let Err(message) = response.millis() {
                    let index = if responses.always { String::new() } else { format!("/{index}") };
                    self.report(&format!("{path}{index}/after"), message, None);
                }
            }
        }
        for (index, event) in scenario.events.iter().enumerate() {
            if !event.get("type").is_some_and(Value::is_string) {
                let message = "an event is an object with at least a `type`".into();
                self.report(&format!("{path}/events/{index}"), message, None);
            }
        }
        let expect = &scenario.expect;
        for (index, name) in expect.path.iter().flatten().enumerate() {
            self.task(name, &format!("{path}/expect/path/{index}"));
        }
        for name in expect.calls.keys() {
            self.task(name, &format!("{path}/expect/calls/{}", key(name)));
        }
        for text in &expect.holds.0 {
            if let Err(error) = Expression::parse_field(text) {
                self.report(&format!("{path}/expect/holds"), error.to_string(), error.suggestion());
            }
        }
        if let Some(took) = &expect.took
            && let Err(message) = crate::duration::millis_of(took)
        {
            self.report(&format!("{path}/expect/took"), message, None);
        }
        let output = expect.output.is_some() || expect.part.is_some() || !expect.holds.0.is_empty();
        if output && expect.error.is_some() {
            let message = "a run ends with an output or with an error, not with both".into();
            self.report(&format!("{path}/expect/error"), message, None);
        }
    }

    fn task(&mut self, name: &str, path: &str) {
        if name.starts_with('/') {
            // Tasks of functions have references that the document does not have.
            let known = self.definition.source.pointer(name).is_some() || name.contains("/call");
            if !known {
                self.report(path, format!("there is no task at {name}"), None);
            }
        } else if !self.names.contains(name) {
            let near = suggest::nearest(name, self.names.iter().map(String::as_str));
            let near = near.map(|near| format!("did you mean `{near}`?"));
            self.report(path, format!("the workflow has no task `{name}`"), near);
        }
    }

    fn report(&mut self, path: &str, message: String, suggestion: Option<String>) {
        self.problems.push(scenario_problem(path, message, suggestion));
    }
}
