//! Secrets: those that are used have to be listed in `use.secrets`, and those that are listed have to exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Found;
use crate::{
    definition::{
        problem::code,
        reader::{excerpt, join},
        secret::{mentioned, unlisted},
    },
    suggest,
};

/// Fields that are expressions by their nature, without `${ }`.
const EXPRESSIONS: [&str; 8] = ["if", "when", "exceptWhen", "in", "while", "from", "as", "until"];
/// Kinds of authentication whose `use` names a secret.
const POLICIES: [&str; 5] = ["basic", "bearer", "digest", "oauth2", "oidc"];

/// Reports secrets that are used and not listed, and those that are listed and not among `existing`.
pub(super) fn check(document: &Value, existing: Option<&BTreeSet<String>>, problems: &mut Found) {
    let listed: Vec<&str> = document
        .pointer("/use/secrets")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap_or_default())
        .collect();
    let mut walk = Walk { listed: &listed.iter().copied().collect(), problems };
    walk.value(document, "", "", false);
    let Some(existing) = existing else { return };
    for (index, name) in listed.iter().enumerate().filter(|(_, name)| !existing.contains(**name)) {
        let near = suggest::nearest(name, existing.iter().map(String::as_str));
        problems.add(
            code::SECRET_MISSING,
            &format!("/use/secrets/{index}"),
            format!("there is no secret `{}`", excerpt(name)),
            Some(
                near.map_or("create it before a run needs it".into(), |near| {
                    format!("did you mean `{near}`?")
                }),
            ),
        );
    }
}

struct Walk<'a> {
    listed: &'a BTreeSet<&'a str>,
    problems: &'a mut Found,
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
        if self.listed.contains(name) || self.problems.is_full() {
            return;
        }
        let (message, advice) = unlisted(name, self.listed.iter().copied());
        self.problems.add(code::SECRET_NOT_LISTED, path, message, Some(advice));
    }
}
