//! The bodies of tasks that order other tasks, set data, wait and emit.

use super::{
    model::{Body, Case, For},
    problem::code,
    reader::{Fields, Node, Reader, join},
    tasks,
};
use crate::expression::Template;

/// `do`.
pub(super) fn sequence<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let node = reader.required(task, "do")?;
    tasks::list(reader, &node, &join(reference, "do")).map(Body::Do)
}

/// `set`.
pub(super) fn set<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, _: &str, _: &[&str]) -> Option<Body> {
    let node = reader.required(task, "set")?;
    match node.value {
        serde_json::Value::Object(map) if map.is_empty() => {
            reader.report(code::BAD_VALUE, &node.path, "there is nothing to set");
            None
        }
        serde_json::Value::Object(_) | serde_json::Value::String(_) => reader.template(&node).map(Body::Set),
        _ => {
            reader.wrong_type(&node, "an object or an expression");
            None
        }
    }
}

/// `switch`.
pub(super) fn switch<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    _: &str,
    names: &[&str],
) -> Option<Body> {
    let node = reader.required(task, "switch")?;
    let items = reader.array(&node)?;
    if items.is_empty() {
        reader.report(code::BAD_VALUE, &node.path, "there has to be at least one case");
        return None;
    }
    let mut good = true;
    let mut cases: Vec<Case> = Vec::new();
    for item in items {
        match case(reader, &item, names) {
            Some((case, path)) => {
                if case.when.is_none() && cases.iter().any(|other| other.when.is_none()) {
                    reader.report(code::DUPLICATE, &path, "only one case may be without `when`");
                    good = false;
                }
                if cases.iter().any(|other| other.name == case.name) {
                    reader.report(code::DUPLICATE, &path, "there is another case of this name");
                    good = false;
                }
                cases.push(case);
            }
            None => good = false,
        }
    }
    good.then_some(Body::Switch(cases))
}

fn case<'d>(reader: &mut Reader<'d>, item: &Node<'d>, names: &[&str]) -> Option<(Case, String)> {
    let (name, node) = tasks::single(reader, item)?;
    let fields = reader.object(&node, &["when", "then"])?;
    let when = reader.optional(fields.get("when"), Reader::expression);
    let then = reader.required(&fields, "then").and_then(|then| reader.flow(&then, names));
    Some((Case { name: name.to_owned(), when: when?, then: then? }, node.path))
}

/// `for`.
pub(super) fn for_each<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let node = reader.required(task, "for")?;
    let fields = reader.object(&node, &["each", "in", "at"])?;
    let each = reader.variable_name(fields.get("each"), "item");
    let at = reader.variable_name(fields.get("at"), "index");
    let collection = reader.required(&fields, "in").and_then(|node| reader.expression(&node));
    if each.is_some() && each == at {
        reader.report(code::DUPLICATE, &node.path, "the item and its index need different variables");
        return None;
    }
    let outer = reader.variables.len();
    reader.variables.extend(each.iter().chain(&at).cloned());
    let condition = reader.optional(task.get("while"), Reader::expression);
    let tasks =
        reader.required(task, "do").and_then(|node| tasks::list(reader, &node, &join(reference, "do")));
    reader.variables.truncate(outer);
    Some(Body::For(For {
        each: each?,
        at: at?,
        collection: collection?,
        condition: condition?,
        tasks: tasks?,
    }))
}

/// `fork`.
pub(super) fn fork<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let node = reader.required(task, "fork")?;
    let fields = reader.object(&node, &["branches", "compete"])?;
    let compete = reader.optional(fields.get("compete"), Reader::boolean);
    let reference = join(&join(reference, "fork"), "branches");
    let branches =
        reader.required(&fields, "branches").and_then(|node| tasks::list(reader, &node, &reference));
    Some(Body::Fork { branches: branches?, compete: compete?.unwrap_or(false) })
}

/// `wait`.
pub(super) fn wait<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, _: &str, _: &[&str]) -> Option<Body> {
    let node = reader.required(task, "wait")?;
    reader.duration(&node).map(Body::Wait)
}

/// `emit`.
pub(super) fn emit<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, _: &str, _: &[&str]) -> Option<Body> {
    let node = reader.required(task, "emit")?;
    let fields = reader.object(&node, &["event"])?;
    let event = reader.required(&fields, "event")?;
    let event = reader.object(&event, &["with"])?;
    let with = reader.required(&event, "with")?;
    let attributes = reader.map(&with)?;
    let mut good = attribute_names(reader, &with, attributes);
    for needed in ["source", "type"] {
        if !attributes.contains_key(needed) {
            reader.report(code::MISSING_FIELD, &with.path, format!("the field `{needed}` is missing"));
            good = false;
        }
    }
    for (name, value) in attributes {
        if name != "data" {
            good &= reader.scalar_template(&with.child(name, value)).is_some();
        }
    }
    let template: Option<Template> = reader.template(&with);
    if good { template.map(Body::Emit) } else { None }
}

/// Whether the names are those that attributes of a CloudEvent may have.
pub(super) fn attribute_names(
    reader: &mut Reader<'_>,
    with: &Node<'_>,
    attributes: &serde_json::Map<String, serde_json::Value>,
) -> bool {
    let mut good = true;
    for name in attributes.keys() {
        let legal = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !legal {
            let message = "a CloudEvents attribute has lower case letters and digits";
            reader.report(code::BAD_VALUE, &join(&with.path, name), message);
            good = false;
        }
    }
    good
}
