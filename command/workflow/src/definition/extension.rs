//! `use.extensions`: tasks before and after other tasks (dsl-reference, "Extension").
//!
//! An extended task becomes a task of three parts: what comes before, the task itself, what comes after. Tasks of
//! extensions are not extended themselves.

use std::{collections::HashSet, mem, sync::Arc};

use serde_json::Value;

use super::{
    events::Extended,
    model::{Body, Task, Transform},
    problem::code,
    reader::{Fields, Node, Reader, excerpt, join},
    tasks,
};

/// What may be extended, with the fields that make such a task. `composite` stands for tasks that are made of others
/// and have no name of their own here.
const TARGETS: [(&str, &[&str]); 12] = [
    ("call", &["call"]),
    ("composite", &["do", "fork"]),
    ("emit", &["emit"]),
    ("for", &["for"]),
    ("listen", &["listen"]),
    ("raise", &["raise"]),
    ("run", &["run"]),
    ("set", &["set"]),
    ("switch", &["switch"]),
    ("try", &["try"]),
    ("wait", &["wait"]),
    ("all", &[]),
];

/// Checks all extensions, also those that extend nothing.
pub(super) fn check<'d>(reader: &mut Reader<'d>, components: &Fields<'d>) {
    let Some(list) = components.get("extensions") else { return };
    let Some(items) = reader.array(&list) else { return };
    let mut seen = HashSet::new();
    for item in items {
        let Some((name, node)) = tasks::single(reader, &item) else { continue };
        if !seen.insert(name) {
            let message = format!("there is another extension `{}`", excerpt(name));
            reader.report(code::DUPLICATE, &node.path, message);
        }
        let Some(fields) = reader.object(&node, &["extend", "when", "before", "after"]) else { continue };
        if let Some(extend) = reader.required(&fields, "extend") {
            reader.word(&extend, &TARGETS.map(|(word, _)| (word, ())));
        }
        if !fields.has("before") && !fields.has("after") {
            reader.report(code::MISSING_FIELD, &node.path, "give `before`, `after` or both");
        }
        let before = (reader.tasks_left, reader.bytes_left);
        for half in ["before", "after"] {
            advice(reader, &node, name, half, &node.path);
        }
        // They count where they are used.
        (reader.tasks_left, reader.bytes_left) = before;
    }
}

/// `task`, whose kind the field `kind` tells, with the tasks of all extensions that extend it.
pub(super) fn around<'d>(reader: &mut Reader<'d>, mut task: Task, kind: &str) -> Option<Task> {
    if reader.plain || reader.shallow {
        return Some(task);
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (name, node) in extensions(reader.root, kind) {
        if !reader.charge(&node) {
            return None;
        }
        before.extend(advice(reader, &node, name, "before", &task.reference)?);
        after.extend(advice(reader, &node, name, "after", &task.reference)?);
    }
    if before.is_empty() && after.is_empty() {
        return Some(task);
    }
    Some(Task {
        name: task.name.clone(),
        reference: join(&task.reference, "extended"),
        source: task.source.clone(),
        // Whether it runs, and where the flow goes from it, is decided for all parts together.
        condition: task.condition.take(),
        then: mem::take(&mut task.then),
        input: Transform::default(),
        output: Transform::default(),
        export: Transform::default(),
        timeout: None,
        hold: false,
        body: Body::Extended(Extended { before, task: Arc::new(task), after }),
    })
}

/// The well-formed extensions of tasks that the field `kind` makes.
fn extensions<'d>(root: &'d Value, kind: &str) -> Vec<(&'d str, Node<'d>)> {
    let list = root.pointer("/use/extensions").and_then(Value::as_array).into_iter().flatten().enumerate();
    list.filter_map(|(index, item)| {
        let (name, value) = item.as_object()?.iter().next()?;
        let target = value.get("extend")?.as_str()?;
        let (word, fields) = TARGETS.iter().find(|(word, _)| *word == target)?;
        let path = join(&format!("/use/extensions/{index}"), name);
        (*word == "all" || fields.contains(&kind)).then_some((name.as_str(), Node { value, path }))
    })
    .collect()
}

/// One half of an extension around the task at `reference`: the outer option says whether all is well, the inner whether
/// there is anything to do.
fn advice<'d>(
    reader: &mut Reader<'d>,
    extension: &Node<'d>,
    name: &str,
    half: &str,
    reference: &str,
) -> Option<Option<Arc<Task>>> {
    let field = |name: &str| extension.value.get(name).map(|value| extension.child(name, value));
    let Some(list) = field(half) else { return Some(None) };
    let reference = join(&join(reference, half), name);
    // The task that is extended may stand in any loop, so none of its variables are known.
    let around = mem::take(&mut reader.variables);
    let plain = mem::replace(&mut reader.plain, true);
    let condition = reader.optional(field("when"), Reader::expression);
    let tasks = tasks::list(reader, &list, &reference);
    let source = reader.source(&list);
    reader.plain = plain;
    reader.variables = around;
    Some(Some(Arc::new(Task {
        name: name.to_owned(),
        reference,
        source: source?,
        condition: condition?,
        input: Transform::default(),
        output: Transform::default(),
        export: Transform::default(),
        timeout: None,
        then: Default::default(),
        hold: false,
        body: Body::Advice(tasks?),
    })))
}
