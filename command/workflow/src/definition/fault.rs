//! `raise`, and `try` with its `catch` and retry policies (dsl-reference, "Raise", "Try", "Retry", "Error").

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    model::{Backoff, Body, Catch, Duration, ErrorTemplate, Retry},
    problem::code,
    reader::{Fields, Node, Reader, join},
    tasks,
};
use crate::expression::Template;

/// `raise`.
pub(super) fn raise<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, _: &str, _: &[&str]) -> Option<Body> {
    let node = reader.required(task, "raise")?;
    let fields = reader.object(&node, &["error"])?;
    let error = reader.required(&fields, "error")?;
    let error = reader.definition_of(&error, "errors")?;
    read_error(reader, &error).map(Body::Raise)
}

/// The definition of an error.
pub(super) fn read_error<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<ErrorTemplate> {
    let fields = reader.object(node, &["type", "status", "title", "detail", "instance"])?;
    let kind = reader.required(&fields, "type").and_then(|node| text(reader, &node));
    let status = reader.required(&fields, "status").and_then(|node| status(reader, &node));
    let title = reader.optional(fields.get("title"), text);
    let detail = reader.optional(fields.get("detail"), text);
    let instance = reader.optional(fields.get("instance"), text);
    Some(ErrorTemplate { kind: kind?, status: status?, title: title?, detail: detail?, instance: instance? })
}

/// A text, with or without expressions.
fn text<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    reader.text(node)?;
    reader.template(node)
}

/// A status code: a whole number, or an expression that gives one.
fn status<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    match node.value {
        Value::Number(number) if number.as_u64().is_some_and(|status| status <= 999) => {
            Some(Template::Literal(node.value.clone()))
        }
        Value::Number(_) => {
            reader.report(code::BAD_VALUE, &node.path, "a status is a whole number up to 999");
            None
        }
        Value::String(_) => reader.expression(node).map(Template::Expression),
        _ => {
            reader.wrong_type(node, "a whole number");
            None
        }
    }
}

/// `try`.
pub(super) fn try_catch<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let tasks =
        reader.required(task, "try").and_then(|node| tasks::list(reader, &node, &join(reference, "try")));
    let catch = reader.required(task, "catch").and_then(|node| read_catch(reader, &node, reference));
    Some(Body::Try { tasks: tasks?, catch: catch? })
}

fn read_catch<'d>(reader: &mut Reader<'d>, node: &Node<'d>, reference: &str) -> Option<Catch> {
    let fields = reader.object(node, &["errors", "as", "when", "exceptWhen", "retry", "do"])?;
    let errors = reader.optional(fields.get("errors"), filter);
    let variable = reader.variable_name(fields.get("as"), "error");
    let outer = reader.variables.len();
    reader.variables.extend(variable.iter().cloned());
    let when = reader.optional(fields.get("when"), Reader::expression);
    let except_when = reader.optional(fields.get("exceptWhen"), Reader::expression);
    let retry = reader.optional(fields.get("retry"), |reader, node| {
        let policy = reader.definition_of(node, "retries")?;
        read_retry(reader, &policy)
    });
    let reference = join(&join(reference, "catch"), "do");
    let tasks = reader.optional(fields.get("do"), |reader, node| tasks::list(reader, node, &reference));
    reader.variables.truncate(outer);
    Some(Catch {
        errors: errors?.unwrap_or_default(),
        variable: variable?,
        when: when?,
        except_when: except_when?,
        retry: retry?,
        tasks: tasks?,
    })
}

/// `catch.errors`: the attributes that a caught error has.
fn filter<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<BTreeMap<String, Template>> {
    let fields = reader.object(node, &["with"])?;
    let Some(with) = fields.get("with") else { return Some(BTreeMap::new()) };
    // The schema of the language says `details` where errors have `detail`.
    let fields = reader.object(&with, &["type", "status", "instance", "title", "detail", "details"])?;
    if fields.has("detail") && fields.has("details") {
        reader.report(code::DUPLICATE, &with.path, "`detail` and `details` are the same");
        return None;
    }
    let mut attributes = BTreeMap::new();
    let mut good = true;
    for name in ["type", "status", "instance", "title", "detail", "details"] {
        let Some(attribute) = fields.get(name) else { continue };
        let template = if name == "status" { status(reader, &attribute) } else { text(reader, &attribute) };
        match template {
            Some(template) => {
                let name = if name == "details" { "detail" } else { name };
                attributes.insert(name.to_owned(), template);
            }
            None => good = false,
        }
    }
    if good && attributes.is_empty() {
        reader.report(code::BAD_VALUE, &with.path, "a filter names at least one attribute");
        return None;
    }
    good.then_some(attributes)
}

/// A retry policy.
pub(super) fn read_retry<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Retry> {
    let fields = reader.object(node, &["when", "exceptWhen", "delay", "backoff", "limit", "jitter"])?;
    let when = reader.optional(fields.get("when"), Reader::expression);
    let except_when = reader.optional(fields.get("exceptWhen"), Reader::expression);
    let delay = reader.optional(fields.get("delay"), Reader::duration);
    let backoff = reader.optional(fields.get("backoff"), backoff);
    let limit = reader.optional(fields.get("limit"), limit);
    let jitter = reader.optional(fields.get("jitter"), jitter);
    let limit = limit?.unwrap_or_default();
    Some(Retry {
        when: when?,
        except_when: except_when?,
        delay: delay?,
        backoff: backoff?.unwrap_or_default(),
        jitter: jitter?,
        max_attempts: limit.attempts,
        attempt_duration: limit.attempt,
        max_duration: limit.all,
    })
}

fn backoff<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Backoff> {
    const KINDS: [(&str, Backoff); 3] =
        [("constant", Backoff::Constant), ("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];
    let fields = reader.object(node, &KINDS.map(|(name, _)| name))?;
    let mut found = KINDS.iter().filter_map(|(name, kind)| fields.get(name).map(|node| (node, *kind)));
    let (Some((kind, backoff)), None) = (found.next(), found.next()) else {
        reader.report(code::BAD_VALUE, &node.path, "give one of constant, linear, exponential");
        return None;
    };
    // The language defines no fields of a back-off.
    reader.object(&kind, &[])?;
    Some(backoff)
}

#[derive(Default)]
struct Limit {
    attempts: Option<u32>,
    attempt: Option<Duration>,
    all: Option<Duration>,
}

fn limit<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Limit> {
    let fields = reader.object(node, &["attempt", "duration"])?;
    let all = reader.optional(fields.get("duration"), Reader::duration);
    let attempt = reader.optional(fields.get("attempt"), |reader, node| {
        let fields = reader.object(node, &["count", "duration"])?;
        let count = reader.optional(fields.get("count"), count);
        let duration = reader.optional(fields.get("duration"), Reader::duration);
        Some((count?, duration?))
    });
    let (attempts, attempt) = attempt?.unwrap_or_default();
    Some(Limit { attempts, attempt, all: all? })
}

fn count(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<u32> {
    let count = node.value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    if count.is_none() {
        if node.value.is_number() {
            reader.report(code::BAD_VALUE, &node.path, "a count is a whole number from 1");
        } else {
            reader.wrong_type(node, "a whole number from 1");
        }
    }
    count
}

fn jitter<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<(Duration, Duration)> {
    let fields = reader.object(node, &["from", "to"])?;
    let from = reader.required(&fields, "from").and_then(|node| reader.duration(&node));
    let to = reader.required(&fields, "to").and_then(|node| reader.duration(&node));
    let (from, to) = (from?, to?);
    if let (Duration::Millis(from), Duration::Millis(to)) = (&from, &to)
        && from > to
    {
        reader.report(code::BAD_VALUE, &node.path, "`from` is longer than `to`");
        return None;
    }
    Some((from, to))
}
