//! From YAML or JSON text to a JSON value, within limits.

use serde_json::Value;

use super::problem::{Problem, code};

/// The longest text of a document, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// How deep a document may nest.
pub const MAX_DEPTH: usize = 64;
/// The most YAML nodes, those of aliases counted at each use.
const MAX_NODES: usize = 250_000;

/// In what a document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON if the text starts with a brace, else YAML.
    #[default]
    Auto,
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Whether `text` is read as JSON.
    pub(super) fn is_json(self, text: &str) -> bool {
        match self {
            Self::Json => true,
            Self::Yaml => false,
            Self::Auto => text.trim_start().starts_with('{'),
        }
    }
}

/// Parses `text`.
pub(crate) fn parse(text: &str, format: Format) -> Result<Value, Problem> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the document has {} bytes, {MAX_TEXT_BYTES} are allowed", text.len());
        return Err(problem(code::TOO_LONG, message));
    }
    if format.is_json(text) { parse_json(text) } else { parse_yaml(text) }
}

fn parse_json(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let deep = error.to_string().starts_with("recursion limit");
        // The parser counts bytes from the start of the line.
        let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        let column = line.char_indices().filter(|(at, _)| *at < error.column()).count().max(1);
        Problem {
            line: Some(error.line() as u64),
            column: Some(column as u64),
            ..if deep { too_deep() } else { problem(code::SYNTAX, format!("this is no JSON: {error}")) }
        }
    })
}

/// How YAML is read: within limits.
pub(super) fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_recorded_anchor_bytes: 8 * MAX_TEXT_BYTES,
            max_total_scalar_bytes: 2 * MAX_TEXT_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
        },
        // YAML 1.2 only knows true and false; `on` is a key of the language.
        strict_booleans: true,
    }
}

fn parse_yaml(text: &str) -> Result<Value, Problem> {
    let value: Value =
        serde_saphyr::from_str_with_options(text, yaml_options()).map_err(|error| yaml_problem(&error))?;
    // What was replayed from aliases counts towards the size as what was written.
    check_size(&value)?;
    Ok(value)
}

/// Reads something other than a workflow from YAML or JSON text, within the same limits.
///
/// # Errors
/// What is wrong, with its place; `OC-WF-060` if it is YAML and not what is wanted.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    // The first reading tells texts that are no YAML from those that say something else.
    parse(text, Format::Yaml)?;
    serde_saphyr::from_str_with_options(text, yaml_options()).map_err(|error| {
        let problem = yaml_problem(&error);
        let message = problem.message.trim_start_matches("this is no YAML: ").to_owned();
        Problem { code: code::SCENARIO, message, ..problem }
    })
}

fn yaml_problem(error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::{Error, budget::BudgetBreach};

    let location = error.location();
    let mut cause = error;
    while let Error::WithSnippet { error, .. } | Error::AliasError { error, .. } = cause {
        cause = error;
    }
    let found = match cause {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => too_deep(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => too_large(),
        _ => {
            let text = cause.to_string();
            let first: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
            problem(code::SYNTAX, format!("this is no YAML: {first}"))
        }
    };
    Problem {
        line: location.map(|location| location.line()),
        column: location.map(|location| location.column()),
        ..found
    }
}

/// Refuses what aliases have blown up beyond what a text of the allowed length could say.
fn check_size(value: &Value) -> Result<(), Problem> {
    if weight(value, 4 * MAX_TEXT_BYTES).is_none() {
        return Err(too_large());
    }
    Ok(())
}

/// What remains of `allowed` bytes after `value`; none if it is larger.
pub(super) fn weight(value: &Value, allowed: usize) -> Option<usize> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => allowed.checked_sub(8),
        Value::String(text) => allowed.checked_sub(text.len() + 8),
        Value::Array(items) => {
            items.iter().try_fold(allowed.checked_sub(8)?, |left, item| weight(item, left))
        }
        Value::Object(entries) => entries.iter().try_fold(allowed.checked_sub(8)?, |left, (key, item)| {
            weight(item, left.checked_sub(key.len() + 8)?)
        }),
    }
}

/// Refuses a document that nests too deep. Everything after this may recurse over it.
pub(crate) fn check_depth(value: &Value) -> Result<(), Problem> {
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(entries) => open.extend(entries.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

fn too_large() -> Problem {
    problem(code::TOO_LARGE, "the YAML is larger than allowed once its aliases are followed".into())
}

fn too_deep() -> Problem {
    problem(code::TOO_DEEP, format!("the document nests deeper than {MAX_DEPTH} levels"))
}

fn problem(code: &'static str, message: String) -> Problem {
    Problem { code, path: String::new(), message, suggestion: None, line: None, column: None }
}
