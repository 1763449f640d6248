//! What can be said about a document before it runs, beyond whether it can be loaded.
//!
//! Loading refuses what cannot run. Checking also finds what would run and still be wrong: tasks that nothing leads to,
//! data that no schema it meets can accept, secrets that are not there. It works on the document as it is written, so
//! that one mistake hides no other.

mod fit;
mod reach;
mod secrets;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    NoResources, Resources, from_value_with, locate,
    problem::{MAX_PROBLEMS, Problem, code},
    reader::{excerpt, join},
    text::{self, Format},
};

/// Everything that is wrong with a document, in the order of its text; at most [`MAX_PROBLEMS`], errors first to be
/// kept. `secrets` are the names of the secrets that exist, where they are known.
///
/// A document that can be loaded has no problem here whose severity is an error of loading; see
/// [`Problem::severity`]. Time and memory are bounded by the size of the text.
#[must_use]
pub fn check(text: &str, format: Format, secrets: Option<&BTreeSet<String>>) -> Vec<Problem> {
    check_with(text, format, secrets, &NoResources)
}

/// As [`check`], of a document that may refer to files of `resources`.
#[must_use]
pub fn check_with(
    text: &str,
    format: Format,
    secrets: Option<&BTreeSet<String>>,
    resources: &dyn Resources,
) -> Vec<Problem> {
    let document = match text::parse(text, format) {
        Ok(document) => document,
        Err(problem) => return vec![problem],
    };
    let mut problems = check_value_with(document, secrets, resources);
    locate::locate(text, format, &mut problems);
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

/// As [`check`], of a document in its JSON form; its problems have no lines.
#[must_use]
pub fn check_value(document: Value, secrets: Option<&BTreeSet<String>>) -> Vec<Problem> {
    check_value_with(document, secrets, &NoResources)
}

/// As [`check_with`], of a document in its JSON form; its problems have no lines.
#[must_use]
pub fn check_value_with(
    document: Value,
    secrets: Option<&BTreeSet<String>>,
    resources: &dyn Resources,
) -> Vec<Problem> {
    if let Err(problem) = text::check_depth(&document) {
        return vec![problem];
    }
    let (mut unreachable, mut misfits, mut unlisted) = (Found::default(), Found::default(), Found::default());
    reach::check(&document, &mut unreachable);
    fit::check(&document, &mut misfits);
    secrets::check(&document, secrets, &mut unlisted);
    let mut problems = from_value_with(document, resources).err().unwrap_or_default();
    for found in [unreachable, misfits, unlisted].into_iter().flat_map(|found| found.0) {
        // Loading looks at some of it too.
        if !problems.contains(&found) {
            problems.push(found);
        }
    }
    problems.sort_by_key(Problem::severity);
    problems.truncate(MAX_PROBLEMS);
    problems
}

/// What to say of a flow directive to `name`, which is none of `names`, the tasks of its own list.
pub(super) fn flow_advice(document: &Value, name: &str, names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut own = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        own.push_str(", ...");
    }
    let elsewhere = match &reach::scopes_of(document, name)[..] {
        [] => String::new(),
        scopes => format!("`{}` is a task of {}; ", excerpt(name), scopes.join(" and ")),
    };
    format!(
        "{elsewhere}a flow directive leads to a task of the same list ({own}), or is continue, exit or end"
    )
}

/// What is wrong with a scenario.
pub(crate) fn scenario_problem(path: &str, message: String, suggestion: Option<String>) -> Problem {
    problem(code::SCENARIO, path, message, suggestion)
}

fn problem(code: &'static str, path: &str, message: String, suggestion: Option<String>) -> Problem {
    Problem { code, path: path.to_owned(), message, suggestion, line: None, column: None }
}

/// What one kind of check found: nothing twice, and no more than is reported.
#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn is_full(&self) -> bool {
        self.0.len() >= MAX_PROBLEMS
    }

    fn add(&mut self, code: &'static str, path: &str, message: String, suggestion: Option<String>) {
        let found = problem(code, path, message, suggestion);
        if !self.is_full() && !self.0.contains(&found) {
            self.0.push(found);
        }
    }
}

/// A task as it is written: its name, its place and its definition.
struct Written<'d> {
    name: &'d str,
    path: String,
    task: &'d Value,
}

/// The tasks of a list; entries that are no named task are left out.
fn tasks<'d>(list: Option<&'d Value>, path: &str) -> Vec<Written<'d>> {
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items
        .filter_map(|(index, item)| {
            let (name, task) = item.as_object()?.iter().next()?;
            Some(Written { name, path: join(&join(path, &index.to_string()), name), task })
        })
        .collect()
}

/// The lists of tasks within `task`, each with its place.
fn lists<'d>(task: &'d Value, path: &str) -> Vec<(&'d Value, String)> {
    const PLACES: [&[&str]; 5] =
        [&["do"], &["try"], &["catch", "do"], &["fork", "branches"], &["foreach", "do"]];
    PLACES
        .iter()
        .filter_map(|steps| {
            let mut here = (task, path.to_owned());
            for step in *steps {
                here = (here.0.get(step)?, join(&here.1, step));
            }
            Some(here)
        })
        .collect()
}

/// Every list of tasks that the document begins with: its own, and those of functions and extensions. What is below
/// them is theirs. Functions come as lists of one.
fn roots(document: &Value) -> Vec<(Vec<Written<'_>>, String)> {
    let mut roots = vec![(tasks(document.get("do"), "/do"), "/do".to_owned())];
    if let Some(functions) = document.pointer("/use/functions").and_then(Value::as_object) {
        for (name, task) in functions {
            let path = join("/use/functions", name);
            roots.push((vec![Written { name, path: path.clone(), task }], path));
        }
    }
    for extension in tasks(document.pointer("/use/extensions"), "/use/extensions") {
        for half in ["before", "after"] {
            let path = join(&extension.path, half);
            roots.push((tasks(extension.task.get(half), &path), path));
        }
    }
    roots
}

#[cfg(test)]
mod tests;
