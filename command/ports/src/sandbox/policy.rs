//! What a process may touch and use, and when one policy is narrower than another.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Destination, Limits};

/// How much a process is kept from. From the widest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is isolated; limits, the clean environment and the kill at the end still apply.
    None,
    /// What the kernel gives without namespaces: it writes only in its workspace, has no network, and cannot signal or
    /// trace anyone outside; but it sees that other processes exist, and has no /tmp of its own. A machine that
    /// reaches a stricter level gives that instead.
    Confined,
    /// As strict, with sockets of the internet families inside a network of its own, out of which only the job's
    /// egress proxy leads.
    Relaxed,
    /// No network, read-only system, private /tmp, own process ids; only the workspace is writable.
    #[default]
    Strict,
}

impl Level {
    /// Its name, as the configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Confined => "confined",
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a process may touch and use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How much it is kept from.
    pub level: Level,
    /// Files and directories outside the workspace that it may read, besides the system. Absolute.
    pub readable: Vec<PathBuf>,
    /// Directories outside the workspace that it may write. Absolute.
    pub writable: Vec<PathBuf>,
    /// Names that its environment may have.
    pub environment: Names,
    /// What it may connect to, at level `Relaxed`.
    pub network: Vec<Destination>,
    /// How much it may use.
    pub limits: Limits,
}

/// A set of names of environment variables: each is a name, or the beginning of names and a `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names(pub BTreeSet<String>);

impl Default for Names {
    /// Every name: the values come from the task, never from the server's own environment.
    fn default() -> Self {
        Self(BTreeSet::from(["*".into()]))
    }
}

impl Names {
    /// Whether `name` is one of them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|own| match own.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => own == name,
        })
    }

    /// The first of them that `parent` does not have.
    fn beyond(&self, parent: &Self) -> Option<&String> {
        // A pattern is taken as a text here: its `*` can only fall to the `*` of a pattern that begins no later.
        self.0.iter().find(|own| !parent.has(own))
    }
}

/// A policy that asks for more than another allows. `OC-SBX-005`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {asked} is more than {allowed}")]
pub struct Wider {
    /// Which part of the policy.
    pub field: &'static str,
    /// What it asks for.
    pub asked: String,
    /// What is allowed.
    pub allowed: String,
}

impl Policy {
    /// Whether a process with this policy can do nothing that one with `parent` could not.
    ///
    /// # Errors
    /// The first part that is wider.
    pub fn within(&self, parent: &Self) -> Result<(), Wider> {
        let wider = |field, asked: &dyn fmt::Display, allowed: String| {
            Err(Wider { field, asked: asked.to_string(), allowed })
        };
        if self.level < parent.level {
            return wider("level", &self.level, parent.level.to_string());
        }
        let both: Vec<&PathBuf> = parent.readable.iter().chain(&parent.writable).collect();
        if let Some(path) = self.readable.iter().find(|path| !is_below(path, &both)) {
            return wider("readable", &path.display(), list(both.iter().map(|path| path.display())));
        }
        let writable: Vec<&PathBuf> = parent.writable.iter().collect();
        if let Some(path) = self.writable.iter().find(|path| !is_below(path, &writable)) {
            return wider("writable", &path.display(), list(writable.iter().map(|path| path.display())));
        }
        if let Some(name) = self.environment.beyond(&parent.environment) {
            return wider("environment", name, list(&parent.environment.0));
        }
        let covered = |own: &&Destination| !parent.network.iter().any(|theirs| theirs.covers(own));
        if let Some(destination) = self.network.iter().find(covered) {
            return wider("network", destination, list(&parent.network));
        }
        let pairs = self.limits.values().into_iter().zip(parent.limits.values());
        for ((limit, own), (_, theirs)) in pairs {
            if own > theirs {
                let described = self.limits.describe(limit);
                return wider(limit.name(), &described, parent.limits.describe(limit));
            }
        }
        Ok(())
    }
}

/// Whether `path` is one of `parents` or below one, by its words alone: what is a link is found out when it is used.
fn is_below(path: &Path, parents: &[&PathBuf]) -> bool {
    let plain = path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    plain && parents.iter().any(|parent| path.starts_with(parent))
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nothing".into() } else { items.join(", ") }
}

#[cfg(test)]
mod tests;
