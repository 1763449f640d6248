//! Scenarios: what a workflow does with a given input when the world answers as it is told to.
//!
//! A scenario runs through the stepper that runs everything, with a clock that jumps and with answers from the scenario
//! in place of effects: no server, no network, no waiting. The same scenario gives the same result every time.

mod drive;
mod expect;
mod file;
mod mock;
mod names;

use serde_json::Value;

pub use self::{
    drive::{Finished, Trace, run},
    file::{Expect, Failure, Holds, Response, Scenario, Suite},
    mock::Answers,
};

/// How a scenario ended.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// What was not as expected, each in one or more lines; empty if the scenario passed.
    pub failures: Vec<String>,
    /// What happened.
    pub trace: Trace,
}

impl Verdict {
    /// Whether all was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// The places where two values differ, as JSON pointers with what was expected and what was found; at most `most`.
/// A `subset` may lack entries of objects that are there.
fn differences(expected: &Value, found: &Value, subset: bool, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    differ("", expected, found, subset, &mut lines);
    if lines.len() > most {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(format!("... and {more} more"));
    }
    lines
}

fn differ(path: &str, expected: &Value, found: &Value, subset: bool, lines: &mut Vec<String>) {
    let below = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (expected, found) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (key, value) in wanted {
                match there.get(key) {
                    Some(other) => differ(&below(key), value, other, subset, lines),
                    None => lines.push(format!("{}: expected {}, it is missing", below(key), brief(value))),
                }
            }
            if !subset {
                for (key, value) in there.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    lines.push(format!("{}: {} was not expected", below(key), brief(value)));
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for (index, value) in wanted.iter().enumerate() {
                let path = below(&index.to_string());
                match there.get(index) {
                    Some(other) => differ(&path, value, other, subset, lines),
                    None => lines.push(format!("{path}: expected {}, it is missing", brief(value))),
                }
            }
            for (index, value) in there.iter().enumerate().skip(wanted.len()) {
                lines.push(format!("{}: {} was not expected", below(&index.to_string()), brief(value)));
            }
        }
        (wanted, there) if same(wanted, there) => {}
        (wanted, there) => {
            let place = if path.is_empty() { "/" } else { path };
            lines.push(format!("{place}: expected {}, found {}", brief(wanted), brief(there)));
        }
    }
}

/// Numbers are the same if they are the same number: 1 is 1.0.
fn same(left: &Value, right: &Value) -> bool {
    left == right || matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if left == right)
}

/// A value as JSON, cut short.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 120 {
        return text;
    }
    text.chars().take(117).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
