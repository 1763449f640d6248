//! Lists of tasks, and what all tasks have in common (dsl-reference, "Task").

use std::{collections::HashSet, sync::Arc};

use openclaw_model::event::run::Flow;
use serde_json::Value;

use super::{
    body, extension,
    model::{Body, Task, Tasks},
    problem::code,
    reader::{Fields, Node, Reader, excerpt},
};
use crate::suggest;

/// Fields that every task may have.
pub(super) const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];
/// The longest name of a task, in characters.
const MAX_NAME: usize = 128;

/// Reads a list of named tasks. `reference` is where its tasks are in the run, and `node` where they are written: the
/// two differ inside a function.
pub(super) fn list<'d>(reader: &mut Reader<'d>, node: &Node<'d>, reference: &str) -> Option<Tasks> {
    let items = reader.array(node)?;
    if items.is_empty() {
        reader.report(code::BAD_VALUE, &node.path, "there has to be at least one task");
        return None;
    }
    let mut named = Vec::new();
    let mut seen = HashSet::new();
    let mut good = true;
    for item in items {
        match single(reader, &item) {
            Some((name, task)) => {
                if !seen.insert(name) {
                    let message = format!("there is another task `{}` in this scope", excerpt(name));
                    reader.report(code::DUPLICATE, &task.path, message);
                    good = false;
                }
                named.push((name, item, task));
            }
            None => good = false,
        }
    }
    let mut names: Vec<&str> = named.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    let mut tasks = Vec::new();
    for (index, (name, _, task)) in named.iter().enumerate() {
        let reference = super::reader::join(&super::reader::join(reference, &index.to_string()), name);
        match one(reader, task, name, &reference, &names) {
            Some(task) => tasks.push(Arc::new(task)),
            None => good = false,
        }
    }
    good.then_some(Tasks(tasks))
}

/// The one entry of an object: a name and what it names.
pub(super) fn single<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<(&'d str, Node<'d>)> {
    let map = reader.map(node)?;
    let mut entries = map.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        let message = format!("expected one name with what it names, found {} fields", map.len());
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    };
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {MAX_NAME} characters, none of them control characters");
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    Some((name, node.child(name, value)))
}

/// Reads one task. Flow directives lead to one of `names`, which are in order.
pub(super) fn one<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
    name: &str,
    reference: &str,
    names: &[&str],
) -> Option<Task> {
    if !reader.count_task() {
        return None;
    }
    let Some((field, kind)) = kind(reader, node) else {
        common_alone(reader, node, names);
        return None;
    };
    let known: Vec<&str> = COMMON.iter().chain(kind.fields).copied().collect();
    let fields = reader.object(node, &known)?;
    let source = reader.source(node);
    let condition = reader.optional(fields.get("if"), Reader::expression);
    let input = reader.transform(fields.get("input"), "from");
    let output = reader.transform(fields.get("output"), "as");
    let export = reader.transform(fields.get("export"), "as");
    let timeout = reader.timeout(fields.get("timeout"));
    let then = reader.optional(fields.get("then"), |reader, node| reader.flow(node, names));
    if let Some(metadata) = fields.get("metadata") {
        reader.map(&metadata);
    }
    let hold = reader.hold(&fields);
    let body = (kind.read)(reader, &fields, reference, names);
    let task = Task {
        name: name.to_owned(),
        reference: reference.to_owned(),
        source: source?,
        condition: condition?,
        input: input?,
        output: output?,
        export: export?,
        timeout: timeout?,
        then: then?.unwrap_or_default(),
        hold: hold?,
        body: body?,
    };
    check_endless(reader, node, &task)?;
    extension::around(reader, task, field)
}

/// Reads what is common to all tasks where nothing says what a task does, so that one mistake does not hide others.
fn common_alone<'d>(reader: &mut Reader<'d>, node: &Node<'d>, names: &[&str]) {
    let Value::Object(map) = node.value else { return };
    let written: Vec<&str> = map.keys().map(String::as_str).collect();
    let Some(fields) = reader.object(node, &written) else { return };
    reader.optional(fields.get("if"), Reader::expression);
    for (field, template) in [("input", "from"), ("output", "as"), ("export", "as")] {
        reader.transform(fields.get(field), template);
    }
    reader.timeout(fields.get("timeout"));
    reader.optional(fields.get("then"), |reader, node| reader.flow(node, names));
}

/// A task that computes nothing new and always goes back to itself can never end.
fn check_endless(reader: &mut Reader<'_>, node: &Node<'_>, task: &Task) -> Option<()> {
    let back = |flow: &Flow| matches!(flow, Flow::Goto(target) if *target == task.name);
    let endless = task.condition.is_none()
        && match &task.body {
            Body::Set(_) => back(&task.then),
            Body::Switch(cases) => {
                cases.iter().any(|case| case.when.is_none()) && cases.iter().all(|case| back(&case.then))
            }
            _ => false,
        };
    if endless {
        reader.report(
            code::ENDLESS,
            &node.path,
            "this task always goes back to itself, so the run would never end",
        );
    }
    (!endless).then_some(())
}

/// A kind of task: the fields that make it, and how its body is read.
pub(super) struct Kind {
    /// The field that tells it apart, and those beside it.
    fields: &'static [&'static str],
    read: for<'d, 'a> fn(&mut Reader<'d>, &Fields<'d>, &'a str, &'a [&'a str]) -> Option<Body>,
}

const KINDS: [(&str, Kind); 12] = [
    ("for", Kind { fields: &["for", "while", "do"], read: body::for_each }),
    ("do", Kind { fields: &["do"], read: body::sequence }),
    ("set", Kind { fields: &["set"], read: body::set }),
    ("switch", Kind { fields: &["switch"], read: body::switch }),
    ("fork", Kind { fields: &["fork"], read: body::fork }),
    ("try", Kind { fields: &["try", "catch"], read: super::fault::try_catch }),
    ("raise", Kind { fields: &["raise"], read: super::fault::raise }),
    ("wait", Kind { fields: &["wait"], read: body::wait }),
    ("emit", Kind { fields: &["emit"], read: body::emit }),
    ("call", Kind { fields: &["call", "with"], read: super::call::read }),
    ("run", Kind { fields: &["run"], read: super::process::read }),
    ("listen", Kind { fields: &["listen", "foreach"], read: super::listen::read }),
];

/// Finds out what a task does, by the field that says so.
fn kind(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<(&'static str, &'static Kind)> {
    let Value::Object(map) = node.value else {
        reader.wrong_type(node, "a task");
        return None;
    };
    static TABLE: &[(&str, Kind)] = &KINDS;
    let mut found = TABLE.iter().filter(|(field, _)| map.contains_key(*field));
    let Some((field, kind)) = found.next() else {
        let fields = || TABLE.iter().map(|(field, _)| *field);
        let unknown = map.keys().filter(|key| !COMMON.contains(&key.as_str()));
        let near = unknown.into_iter().find_map(|key| suggest::nearest(key, fields()));
        let suggestion = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a task has one of {}", fields().collect::<Vec<_>>().join(", ")),
        };
        let message = "nothing says what this task does";
        reader.advise(code::MISSING_FIELD, &node.path, message, Some(suggestion));
        return None;
    };
    if let Some((other, _)) = found.find(|(other, _)| !kind.fields.contains(other)) {
        reader.report(
            code::BAD_VALUE,
            &node.path,
            format!("a task cannot be `{field}` and `{other}` at once"),
        );
        return None;
    }
    Some((field, kind))
}
