//! Secrets that a document may use: those that `use.secrets` lists (dsl-reference, "Use").

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    problem::code,
    reader::{Reader, excerpt},
};
use crate::suggest;

impl<'d> Reader<'d> {
    /// The names of `use.secrets`.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        self.listed_secrets().map(str::to_owned).collect()
    }

    fn listed_secrets(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        let listed = self.root.pointer("/use/secrets").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Reports the use of a secret at `path` unless it is listed.
    pub(super) fn secret(&mut self, name: &str, path: &str) -> Option<()> {
        if self.listed_secrets().any(|listed| listed == name) {
            return Some(());
        }
        let (message, advice) = unlisted(name, self.listed_secrets());
        self.advise(code::SECRET_NOT_LISTED, path, message, Some(advice));
        None
    }
}

/// What to say of a secret that is used and none of those `listed`.
pub(super) fn unlisted<'a>(name: &str, listed: impl Iterator<Item = &'a str>) -> (String, String) {
    let near = suggest::nearest(name, listed);
    (
        format!("the secret `{}` is used, and not listed in `use.secrets`", excerpt(name)),
        near.map_or("list it there".into(), |near| format!("did you mean `{near}`?")),
    )
}

/// The names in `$secrets.name` and `$secrets["name"]`. What is computed is left alone.
pub(super) fn mentioned(text: &str) -> impl Iterator<Item = &str> {
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
