//! Reading a policy document: every problem it has, with its place.

use std::collections::BTreeSet;

use openclaw_core::run::Labels;
use openclaw_model::{
    Digest, canonical,
    event::{approval::Deciders, policy::Action},
};
use serde_json::Value;

use super::{Glob, LabelTest, Rule, Rules, Terms, arguments::TOOLS};
use crate::{
    definition::{
        Format, NoResources, Problem, check_depth, locate, parse,
        problem::code,
        reader::{Node, Reader, excerpt},
    },
    duration,
    expression::Expression,
    suggest,
};

/// The most rules of a policy.
const MAX_RULES: usize = 1_000;
/// The longest name, title or pattern, in bytes.
const MAX_TEXT: usize = 256;
const ACTIONS: [(&str, Action); 3] = [("allow", Action::Allow), ("ask", Action::Ask), ("deny", Action::Deny)];

/// Reads a policy from YAML or JSON text. Gives the document and its rules.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(text: &str) -> Result<(Value, Rules), Vec<Problem>> {
    let document = parse(text, Format::Auto).map_err(|problem| vec![problem])?;
    match of_value(&document) {
        Ok(rules) => Ok((document, rules)),
        Err(mut problems) => {
            locate(text, Format::Auto, &mut problems);
            Err(problems)
        }
    }
}

/// Reads a policy from its JSON form.
///
/// # Errors
/// Everything that is wrong with it.
pub fn of_value(document: &Value) -> Result<Rules, Vec<Problem>> {
    check_depth(document).map_err(|problem| vec![problem])?;
    let mut reader = Reader::new(document, &NoResources, 0, 0);
    let rules = rules(&mut reader, document);
    let problems = reader.into_problems();
    match rules {
        Some(rules) if problems.is_empty() => Ok(rules),
        _ => Err(problems),
    }
}

/// BLAKE3 over the canonical bytes of a document.
pub(super) fn digest(document: &Value) -> Digest {
    Digest(*blake3::hash(&canonical::to_bytes(document)).as_bytes())
}

fn rules<'d>(reader: &mut Reader<'d>, document: &'d Value) -> Option<Rules> {
    let root = Node { value: document, path: String::new() };
    let fields = reader.object(&root, &["default", "rules"])?;
    let default = match fields.get("default") {
        Some(node) => reader.word(&node, &ACTIONS),
        None => Some(Action::default()),
    };
    let nodes = match fields.get("rules") {
        Some(node) => reader.array(&node)?,
        None => Vec::new(),
    };
    if nodes.len() > MAX_RULES {
        let message = format!("there are {} rules, {MAX_RULES} are allowed", nodes.len());
        reader.report(code::BAD_VALUE, "/rules", message);
        return None;
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for node in nodes {
        let Some(rule) = rule(reader, &node) else { continue };
        if !names.insert(rule.name.clone()) {
            let message = format!("there is a rule `{}` before", excerpt(&rule.name));
            reader.report(code::DUPLICATE, &format!("{}/name", node.path), message);
        }
        rules.push(rule);
    }
    Some(Rules { digest: digest(document), default: default?, rules })
}

/// Reads on after a problem, so that all of them are found; gives nothing if there was one.
fn rule<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Rule> {
    let known = ["name", "agents", "tools", "when", "labels", "action", "ask"];
    let fields = reader.object(node, &known)?;
    let name = reader.required(&fields, "name").and_then(|node| name(reader, &node));
    let agents = match fields.get("agents") {
        Some(node) => texts(reader, &node),
        None => Some(Vec::new()),
    };
    let tools = reader.required(&fields, "tools").and_then(|node| tools(reader, &node));
    let when = match fields.get("when") {
        Some(node) => predicate(reader, &node).map(Some),
        None => Some(None),
    };
    let labels = match fields.get("labels") {
        Some(node) => labels(reader, &node),
        None => Some(LabelTest::default()),
    };
    let action = reader.required(&fields, "action").and_then(|node| reader.word(&node, &ACTIONS));
    let terms = match fields.get("ask") {
        Some(node) => {
            if action.is_some_and(|action| action != Action::Ask) {
                reader.report(code::BAD_VALUE, &node.path, "only a rule with `action: ask` asks people");
            }
            terms(reader, &node)
        }
        None => Some(Terms::default()),
    };
    let globs = |patterns: Vec<&str>| patterns.into_iter().map(Glob::new).collect();
    Some(Rule {
        name: name?,
        agents: globs(agents?),
        tools: globs(tools?),
        when: when?,
        labels: labels?,
        action: action?,
        terms: terms?,
    })
}

fn bounded<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<&'d str> {
    let text = reader.text(node)?;
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        let message = format!("a text of 1 to {MAX_TEXT} bytes without control characters is needed here");
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    Some(text)
}

fn name<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    bounded(reader, node).map(ToOwned::to_owned)
}

/// Texts, at least one.
fn texts<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<&'d str>> {
    let nodes = reader.array(node)?;
    if nodes.is_empty() {
        reader.report(code::BAD_VALUE, &node.path, "at least one entry is needed; `*` stands for all");
        return None;
    }
    let read: Vec<Option<&str>> = nodes.iter().map(|node| bounded(reader, node)).collect();
    read.into_iter().collect()
}

/// Patterns of tools. One that no tool fits is a slip, which would leave open what it was to guard.
fn tools<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<&'d str>> {
    let patterns = texts(reader, node)?;
    let mut fit = true;
    for (index, pattern) in patterns.iter().enumerate() {
        let glob = Glob::new(pattern);
        if TOOLS.iter().any(|tool| glob.fits(tool.name)) {
            continue;
        }
        fit = false;
        let near = suggest::nearest(pattern, TOOLS.iter().map(|tool| tool.name));
        let advice = near.map_or_else(
            || format!("tools are {}", TOOLS.map(|tool| tool.name).join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let path = format!("{}/{index}", node.path);
        reader.advise(code::BAD_VALUE, &path, format!("no tool fits `{}`", excerpt(pattern)), Some(advice));
    }
    fit.then_some(patterns)
}

fn predicate<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Expression> {
    let text = reader.text(node)?;
    match Expression::parse_field(text) {
        Ok(expression) => {
            for name in expression.variables.iter() {
                let message = format!(
                    "there is no variable `${name}` here; a predicate sees .tool, .arguments, .labels and .run"
                );
                reader.report(code::VARIABLE, &node.path, message);
            }
            expression.variables.is_empty().then_some(expression)
        }
        Err(error) => {
            reader.parse_error(&node.path, &error);
            None
        }
    }
}

fn labels<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<LabelTest> {
    let fields = reader.object(node, &["any", "all", "none"])?;
    let mut read = |name: &str| match fields.get(name) {
        Some(node) => label_list(reader, &node),
        None => Some(Labels::NONE),
    };
    let (any, all, none) = (read("any"), read("all"), read("none"));
    Some(LabelTest { any: any?, all: all?, none: none? })
}

fn label_list<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Labels> {
    let names = texts(reader, node)?;
    let mut all = Some(Labels::NONE);
    for (index, name) in names.into_iter().enumerate() {
        let label = Labels::named(name);
        if label.is_none() {
            let known: Vec<&str> = Labels::known().collect();
            let message = format!("`{}` is none of {}", excerpt(name), known.join(", "));
            let near =
                suggest::nearest(name, known.into_iter()).map(|near| format!("did you mean `{near}`?"));
            reader.advise(code::BAD_VALUE, &format!("{}/{index}", node.path), message, near);
        }
        all = all.zip(label).map(|(all, label)| all.and(label));
    }
    all
}

fn terms<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Terms> {
    let fields = reader.object(node, &["title", "assignees", "roles", "deadline", "quorum"])?;
    let title = match fields.get("title") {
        Some(node) => name(reader, &node).map(Some),
        None => Some(None),
    };
    let mut people = |field: &str| match fields.get(field) {
        Some(node) => texts(reader, &node).map(|names| names.into_iter().map(ToOwned::to_owned).collect()),
        None => Some(Vec::new()),
    };
    let (assignees, roles): (Option<Vec<String>>, Option<Vec<String>>) =
        (people("assignees"), people("roles"));
    let deadline = match fields.get("deadline") {
        Some(node) => match duration::millis_of(node.value) {
            Ok(0) => {
                reader.report(code::BAD_VALUE, &node.path, "people need some time to decide");
                None
            }
            Ok(millis) => Some(millis),
            Err(message) => {
                reader.report(code::BAD_VALUE, &node.path, message);
                None
            }
        },
        None => Some(Terms::default().deadline_ms),
    };
    let quorum = match fields.get("quorum") {
        Some(node) => match node.value.as_u64().and_then(|count| u32::try_from(count).ok()) {
            Some(count) if count > 0 => Some(count),
            _ => {
                reader.report(code::BAD_VALUE, &node.path, "a whole number from 1 is needed here");
                None
            }
        },
        None => Some(1),
    };
    let (assignees, roles, quorum) = (assignees?, roles?, quorum?);
    if roles.is_empty() && !assignees.is_empty() && assignees.len() < quorum as usize {
        let path = format!("{}/quorum", node.path);
        reader.report(code::BAD_VALUE, &path, "fewer people are asked than have to allow it");
        return None;
    }
    let deciders = Deciders { assignees, roles };
    Some(Terms { title: title?, deciders, deadline_ms: deadline?, quorum })
}
