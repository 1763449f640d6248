//! Tasks that nothing leads to.
//!
//! The flow is followed as the stepper follows it, with every condition possible. Where the document is malformed
//! everything is taken to be reachable.

use std::collections::HashMap;

use serde_json::Value;

use super::{Found, Written, lists, roots, tasks};
use crate::definition::problem::code;

/// Reports every task that can never run. What is within such a task is not reported again.
pub(super) fn check(document: &Value, problems: &mut Found) {
    for (list, _) in roots(document) {
        follow(&list, problems);
    }
}

/// The scopes that have a task called `name`, as pointers in their order; at most three.
pub(in crate::definition) fn scopes_of(document: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = roots(document);
    while let Some((list, path)) = open.pop() {
        if list.iter().any(|task| task.name == name) {
            found.push(path);
        }
        for task in &list {
            for (below, path) in lists(task.task, &task.path) {
                open.push((tasks(Some(below), &path), path));
            }
        }
    }
    found.sort();
    found.truncate(3);
    found
}

/// Where the flow can go after a task.
struct Exits<'d> {
    /// Directives, in the words of the language.
    flows: Vec<&'d str>,
}

/// Follows the flow through a list. Returns whether it can come to the list's end, so that what is after goes on.
fn follow(list: &[Written<'_>], problems: &mut Found) -> bool {
    let indices: HashMap<&str, usize> =
        list.iter().enumerate().rev().map(|(index, task)| (task.name, index)).collect();
    let mut reached = vec![false; list.len()];
    let mut open: Vec<usize> = (0..list.len().min(1)).collect();
    let mut ends = list.is_empty();
    while let Some(index) = open.pop() {
        if std::mem::replace(&mut reached[index], true) {
            continue;
        }
        for flow in exits(&list[index], problems).flows {
            match flow {
                "continue" if index + 1 < list.len() => open.push(index + 1),
                "continue" | "exit" => ends = true,
                "end" => {}
                name => match indices.get(name) {
                    Some(target) => open.push(*target),
                    // The directive leads nowhere, which is a problem of its own.
                    None => open.extend((index + 1 < list.len()).then_some(index + 1)),
                },
            }
        }
    }
    for (index, task) in list.iter().enumerate().filter(|(index, _)| !reached[*index]) {
        let before = list[..index].last().map_or("", |before| before.name);
        problems.add(
            code::UNREACHABLE,
            &task.path,
            format!("the task `{}` can never run", task.name),
            Some(format!(
                "nothing leads here: the flow never goes on after `{before}`, and no `then` names it"
            )),
        );
    }
    ends
}

fn exits<'d>(written: &Written<'d>, problems: &mut Found) -> Exits<'d> {
    let task = written.task;
    let mut flows = Vec::new();
    // A task whose condition does not hold passes its input on to the next one.
    if task.get("if").is_some() {
        flows.push("continue");
    }
    if completes(written, problems) {
        let cases = tasks(task.get("switch"), "");
        let otherwise = cases.iter().any(|case| case.task.get("when").is_none());
        flows.extend(cases.iter().map(|case| directive(case.task)));
        if !otherwise {
            flows.push(directive(task));
        }
    }
    Exits { flows }
}

fn directive(task: &Value) -> &str {
    task.get("then").and_then(Value::as_str).unwrap_or("continue")
}

/// Whether the task can end in a way that its own directive decides what comes next.
fn completes(written: &Written<'_>, problems: &mut Found) -> bool {
    let task = written.task;
    let mut ends = HashMap::new();
    for (list, path) in lists(task, &written.path) {
        let below = tasks(Some(list), &path);
        let end = if path.ends_with("/fork/branches") {
            let compete = task.pointer("/fork/compete").and_then(Value::as_bool).unwrap_or(false);
            let branches: Vec<bool> = below
                .iter()
                .map(|branch| completes(branch, problems) && directive(branch.task) != "end")
                .collect();
            if compete { branches.iter().any(|ends| *ends) } else { branches.iter().all(|ends| *ends) }
        } else {
            follow(&below, problems)
        };
        ends.insert(path[written.path.len()..].to_owned(), end || below.is_empty());
    }
    let end = |place: &str| ends.get(place).copied();
    if task.get("raise").is_some() {
        return false;
    }
    if task.get("for").is_some() {
        // There may be nothing to iterate over.
        return true;
    }
    if let Some(tried) = end("/try") {
        let gives_up = task.pointer("/catch/retry").is_some();
        return tried || end("/catch/do").unwrap_or(!gives_up);
    }
    end("/fork/branches").or(end("/do")).unwrap_or(true)
}
