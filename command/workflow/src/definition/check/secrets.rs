//! Secrets: those that are used have to be listed in `use.secrets`, and those that are listed have to exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::problem;
use crate::{
    definition::{
        problem::{Problem, code},
        reader::{excerpt, join},
    },
    suggest,
};

/// Fields that are expressions by their nature, without `${ }`.
const EXPRESSIONS: [&str; 8] = ["if", "when", "exceptWhen", "in", "while", "from", "as", "until"];
/// Kinds of authentication whose `use` names a secret.
const POLICIES: [&str; 5] = ["basic", "bearer", "digest", "oauth2", "oidc"];

/// Reports secrets that are used and not listed, and those that are listed and not among `existing`.
pub(super) fn check(document: &Value, existing: Option<&BTreeSet<String>>, problems: &mut Vec<Problem>) {
    let listed: Vec<&str> = document
        .pointer("/use/secrets")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap_or_default())
        .collect();
    let mut walk = Walk { listed: &listed, problems };
    walk.value(document, "", "", false);
    let Some(existing) = existing else { return };
    for (index, name) in listed.iter().enumerate().filter(|(_, name)| !existing.contains(**name)) {
        let near = suggest::nearest(name, existing.iter().map(String::as_str));
        problems.push(problem(
            code::SECRET_MISSING,
            &format!("/use/secrets/{index}"),
            format!("there is no secret `{}`", excerpt(name)),
            Some(
                near.map_or("create it before a run needs it".into(), |near| {
                    format!("did you mean `{near}`?")
                }),
            ),
        ));
    }
}

struct Walk<'a> {
    listed: &'a [&'a str],
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, path: &str, key: &str, policy: bool) {
        match value {
            Value::String(text) if text.contains("${") || EXPRESSIONS.contains(&key) => {
                for name in mentioned(text) {
                    self.used(name, path);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &join(path, &index.to_string()), key, policy);
                }
            }
            Value::Object(map) => {
                if policy
                    && POLICIES.contains(&key)
                    && let Some(name) = map.get("use").and_then(Value::as_str)
                {
                    self.used(name, &join(path, "use"));
                }
                for (key, item) in map {
                    let policy = policy || matches!(key.as_str(), "authentication" | "authentications");
                    self.value(item, &join(path, key), key, policy);
                }
            }
            _ => {}
        }
    }

    fn used(&mut self, name: &str, path: &str) {
        if self.listed.contains(&name) {
            return;
        }
        let near = suggest::nearest(name, self.listed.iter().copied());
        let found = problem(
            code::SECRET_NOT_LISTED,
            path,
            format!("the secret `{}` is used, and not listed in `use.secrets`", excerpt(name)),
            Some(near.map_or("list it there".into(), |near| format!("did you mean `{near}`?"))),
        );
        if !self.problems.contains(&found) {
            self.problems.push(found);
        }
    }
}

/// The names in `$secrets.name` and `$secrets["name"]`. What is computed is left alone.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    text.split("$secrets").skip(1).filter_map(|rest| {
        if let Some(rest) = rest.strip_prefix('.') {
            if let Some(quoted) = rest.strip_prefix('"') {
                return quoted.split_once('"').map(|(name, _)| name);
            }
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            return Some(&rest[..end]).filter(|name| !name.is_empty());
        }
        let quoted = rest.trim_start().strip_prefix('[')?.trim_start().strip_prefix('"')?;
        quoted.split_once('"').map(|(name, _)| name)
    })
}
