//! `call: approval`: a durable decision of people, an extension of the language.

use openclaw_model::event::approval::Deciders;
use serde_json::Value;

use super::{
    calls::{ApprovalCall, ChoiceTemplate, DeadlineTemplate, OutcomeTemplate},
    problem::code,
    process,
    reader::{Fields, Node, Reader, excerpt},
    schema,
};
use crate::suggest;

/// The most that may be chosen from.
const MAX_CHOICES: usize = 100;

pub(super) fn read<'d>(reader: &mut Reader<'d>, task: &Fields<'d>) -> Option<ApprovalCall> {
    let with = reader.required(task, "with")?;
    let known = ["title", "details", "subject", "choices", "assignees", "roles", "quorum", "deadline"];
    let fields = reader.object(&with, &known)?;
    let title = reader.required(&fields, "title").and_then(|node| {
        reader.text(&node)?;
        reader.template(&node)
    });
    let details = reader.optional(fields.get("details"), Reader::template);
    let subject = reader.optional(fields.get("subject"), Reader::template);
    let choices = reader.optional(fields.get("choices"), choices);
    let assignees = reader.optional(fields.get("assignees"), process::arguments);
    let roles = reader.optional(fields.get("roles"), process::arguments);
    let quorum = reader.optional(fields.get("quorum"), |reader, node| quorum(reader, node, &fields));
    let choices = choices?.unwrap_or_else(|| vec![plain_choice("approve"), plain_choice("deny")]);
    let deadline = reader.optional(fields.get("deadline"), |reader, node| deadline(reader, node, &choices));
    Some(ApprovalCall {
        title: title?,
        details: details?,
        subject: subject?,
        choices,
        assignees: assignees?,
        roles: roles?,
        quorum: quorum?.unwrap_or(1),
        deadline: deadline?,
    })
}

fn plain_choice(name: &str) -> ChoiceTemplate {
    ChoiceTemplate { name: name.to_owned(), title: None, schema: None }
}

fn choices<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<ChoiceTemplate>> {
    let items = reader.array(node)?;
    if items.is_empty() || items.len() > MAX_CHOICES {
        let message = format!("there have to be 1 to {MAX_CHOICES} choices");
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    let mut found: Vec<ChoiceTemplate> = Vec::new();
    let mut good = true;
    for item in items {
        let Some(choice) = choice(reader, &item) else {
            good = false;
            continue;
        };
        if found.iter().any(|other| other.name == choice.name) {
            let message = format!("there is another choice `{}`", excerpt(&choice.name));
            reader.report(code::DUPLICATE, &item.path, message);
            good = false;
        }
        found.push(choice);
    }
    good.then_some(found)
}

fn choice<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<ChoiceTemplate> {
    if node.value.is_string() {
        return fixed(reader, node).map(plain_choice);
    }
    let fields = reader.object(node, &["name", "title", "schema"])?;
    let name = reader.required(&fields, "name").and_then(|node| fixed(reader, &node));
    let title = reader.optional(fields.get("title"), fixed);
    let schema = reader.optional(fields.get("schema"), |reader, node| match schema::compile(node.value) {
        Ok(_) => Some(node.value.clone()),
        Err(message) => {
            reader.report(code::SCHEMA, &node.path, message);
            None
        }
    });
    Some(ChoiceTemplate { name: name?.to_owned(), title: title?.map(str::to_owned), schema: schema? })
}

/// A short text that is the same in every run.
fn fixed<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<&'d str> {
    let text = reader.text(node)?;
    let legal = (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if legal && !text.contains("${") {
        return Some(text);
    }
    let message = "this has 1 to 128 characters, none of them control characters, and cannot be computed";
    reader.report(code::BAD_VALUE, &node.path, message);
    None
}

fn quorum(reader: &mut Reader<'_>, node: &Node<'_>, fields: &Fields<'_>) -> Option<u32> {
    let Some(quorum) = node.value.as_u64().and_then(|quorum| u32::try_from(quorum).ok()) else {
        reader.wrong_type(node, "a whole number from 1");
        return None;
    };
    let people = fields.get("assignees").and_then(|node| node.value.as_array().map(Vec::len));
    let reached = people.is_none_or(|people| fields.has("roles") || people >= quorum as usize);
    if quorum == 0 || !reached {
        let message =
            if quorum == 0 { "a quorum is at least 1" } else { "there are fewer assignees than the quorum" };
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    Some(quorum)
}

fn deadline<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
    choices: &[ChoiceTemplate],
) -> Option<DeadlineTemplate> {
    let fields = reader.object(node, &["after", "outcome"])?;
    let after = reader.required(&fields, "after").and_then(|node| reader.duration(&node));
    let outcome = reader.optional(fields.get("outcome"), |reader, node| outcome(reader, node, choices));
    Some(DeadlineTemplate { after: after?, outcome: outcome?.unwrap_or(OutcomeTemplate::Deny) })
}

fn outcome<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
    choices: &[ChoiceTemplate],
) -> Option<OutcomeTemplate> {
    if node.value.is_string() {
        return reader.word(node, &[("deny", ())]).map(|()| OutcomeTemplate::Deny);
    }
    let fields = reader.object(node, &["default", "escalate"])?;
    match (fields.get("default"), fields.get("escalate")) {
        (Some(default), None) => {
            let fields = reader.object(&default, &["choice", "answer"])?;
            let choice = reader.required(&fields, "choice").and_then(|node| known(reader, &node, choices));
            let answer = reader.optional(fields.get("answer"), Reader::template);
            Some(OutcomeTemplate::Default { choice: choice?, answer: answer? })
        }
        (None, Some(escalate)) => {
            let fields = reader.object(&escalate, &["assignees", "roles", "after"])?;
            let assignees = reader.optional(fields.get("assignees"), names);
            let roles = reader.optional(fields.get("roles"), names);
            let after = reader.optional(fields.get("after"), Reader::duration);
            let to =
                Deciders { assignees: assignees?.unwrap_or_default(), roles: roles?.unwrap_or_default() };
            if to.assignees.is_empty() && to.roles.is_empty() {
                reader.report(code::MISSING_FIELD, &escalate.path, "say to whom: `assignees` or `roles`");
                return None;
            }
            Some(OutcomeTemplate::Escalate { to, after: after? })
        }
        _ => {
            reader.report(code::BAD_VALUE, &node.path, "give one of deny, default, escalate");
            None
        }
    }
}

fn known<'d>(reader: &mut Reader<'d>, node: &Node<'d>, choices: &[ChoiceTemplate]) -> Option<String> {
    let name = reader.text(node)?;
    if choices.iter().any(|choice| choice.name == name) {
        return Some(name.to_owned());
    }
    let near = suggest::nearest(name, choices.iter().map(|choice| choice.name.as_str()));
    let near = near.map(|near| format!("did you mean `{near}`?"));
    let message = format!("there is no choice `{}`", excerpt(name));
    reader.advise(code::UNKNOWN_REFERENCE, &node.path, message, near);
    None
}

fn names<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<String>> {
    let Value::Array(_) = node.value else {
        reader.wrong_type(node, "an array of names");
        return None;
    };
    let names: Vec<_> = reader.array(node)?.iter().map(|item| fixed(reader, item)).collect();
    names.into_iter().map(|name| name.map(str::to_owned)).collect()
}
