//! What a scenario expects, against what happened.

use serde_json::Value;

use super::{
    brief, differences,
    drive::{Finished, Trace},
    file::Expect,
    mock::names,
};
use crate::{
    duration,
    expression::{Evaluator, Expression, Scope},
};

/// The most differences that are told of one value.
const MOST: usize = 20;

/// No variable is known where an output is judged.
struct Nothing;

impl Scope for Nothing {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }
}

/// What was not as expected.
pub(super) fn compare(expect: &Expect, trace: &Trace, evaluator: &dyn Evaluator) -> Vec<String> {
    let mut failures = Vec::new();
    match &trace.finished {
        Finished::Completed(output) => of_output(expect, output, evaluator, &mut failures),
        Finished::Faulted(error) => {
            let error = serde_json::to_value(&**error).unwrap_or_default();
            match &expect.error {
                Some(expected) => told(&mut failures, "the error differs:", of_error(expected, &error)),
                None => failures.push(format!("the run ended with an error: {error}")),
            }
        }
        Finished::Stuck => return failures,
    }
    if let Some(path) = &expect.path {
        of_path(path, trace, &mut failures);
    }
    for (name, expected) in &expect.calls {
        let asked: Vec<&Value> = trace
            .calls
            .iter()
            .filter(|(reference, task, _)| names(reference, task).any(|other| other == name))
            .map(|(_, _, asked)| asked)
            .collect();
        if asked.len() != expected.len() {
            failures.push(format!("`{name}` was called {} times, expected {}", asked.len(), expected.len()));
        }
        for (index, (expected, asked)) in expected.iter().zip(asked).enumerate() {
            let title = format!("call {} of `{name}` differs:", index + 1);
            told(&mut failures, &title, differences(expected, asked, true, MOST));
        }
    }
    if let Some(expected) = &expect.emitted {
        let lines =
            differences(&Value::Array(expected.clone()), &Value::Array(trace.emitted.clone()), true, MOST);
        told(&mut failures, "the events that were published differ:", lines);
    }
    if let Some(took) = &expect.took
        && duration::millis_of(took) != Ok(trace.took_ms)
    {
        failures.push(format!("the run took {} ms, expected {}", trace.took_ms, brief(took)));
    }
    failures
}

fn told(failures: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        failures.push(format!("{title}\n  {}", lines.join("\n  ")));
    }
}

fn of_output(expect: &Expect, output: &Value, evaluator: &dyn Evaluator, failures: &mut Vec<String>) {
    if let Some(error) = &expect.error {
        failures.push(format!(
            "expected the error {}, the run completed with {}",
            brief(error),
            brief(output)
        ));
    }
    if let Some(expected) = &expect.output {
        told(failures, "the output differs:", differences(expected, output, false, MOST));
    }
    if let Some(part) = &expect.part {
        told(failures, "the output does not match:", differences(part, output, true, MOST));
    }
    for text in &expect.holds.0 {
        let held = Expression::parse_field(text).map_err(|error| error.to_string()).and_then(|expression| {
            evaluator.evaluate(&expression, output, &Nothing).map_err(|error| error.to_string())
        });
        match held {
            Ok(Value::Null | Value::Bool(false)) => {
                failures.push(format!("`{text}` does not hold for the output {}", brief(output)));
            }
            Ok(_) => {}
            Err(error) => failures.push(format!("`{text}` cannot be judged: {error}")),
        }
    }
}

fn of_error(expected: &Value, error: &Value) -> Vec<String> {
    let mut expected = expected.clone();
    // A word stands for the standard type that ends with it.
    if let (Some(word), Some(found)) =
        (expected.get("type").and_then(Value::as_str), error.get("type").and_then(Value::as_str))
        && !word.contains([':', '/'])
        && found.strip_prefix(crate::error::TYPES) == Some(word)
    {
        expected["type"] = found.into();
    }
    differences(&expected, error, true, MOST)
}

/// Only tasks of lists are part of a path; what a call of a function adds between them is not.
fn of_path(expected: &[String], trace: &Trace, failures: &mut Vec<String>) {
    let listed = |reference: &str| {
        let above = reference.rsplit('/').nth(1).unwrap_or_default();
        !above.is_empty() && above.bytes().all(|byte| byte.is_ascii_digit())
    };
    let ran: Vec<&(String, String)> = trace.tasks.iter().filter(|(reference, _)| listed(reference)).collect();
    let is = |task: &(String, String), name: &str| task.0 == name || task.1 == name;
    let same = expected.iter().zip(&ran).take_while(|(name, task)| is(task, name)).count();
    if same == expected.len() && same == ran.len() {
        return;
    }
    let mut lines: Vec<String> = Vec::new();
    if same > 0 {
        lines.push(format!(
            "  {}",
            ran[..same].iter().map(|task| task.1.as_str()).collect::<Vec<_>>().join(", ")
        ));
    }
    lines.extend(expected[same..].iter().take(MOST).map(|name| format!("- {name}")));
    lines.extend(ran[same..].iter().take(MOST).map(|(reference, _)| format!("+ {reference}")));
    failures.push(format!("the path differs (- expected, + ran):\n  {}", lines.join("\n  ")));
}
