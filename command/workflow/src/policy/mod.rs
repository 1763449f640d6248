//! Tool policies: which tools an agent may use, how, and after it has read what.
//!
//! A policy belongs to a namespace, or to all of them (`*`). For each use of a tool every policy that counts is asked:
//! of the rules that match the strictest wins (`deny` over `ask` over `allow`), and of those that are equally strict the
//! first; where no rule matches, the policy's default counts. Of several policies the strictest counts, so that none can
//! loosen another.
//!
//! Until there are agents an agent is a workflow, `namespace/name`, and a tool is an effect of it.
//!
//! Invariant: what cannot be judged is not allowed. A predicate that fails, or gives no boolean, counts as a match of a
//! rule that asks or denies, and as none of a rule that allows; a policy that cannot be read denies everything.

mod arguments;
mod ask;
mod decide;
mod document;
mod glob;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use openclaw_core::run::Labels;
use openclaw_model::{
    Digest,
    event::{approval::Deciders, policy::Action},
};

use self::glob::Glob;
pub use self::{
    arguments::{TOOLS, Tool, arguments, tool},
    ask::asked,
    decide::{Decision, Match, Use, decide},
    document::{load, of_value},
};
use crate::expression::Expression;

/// The namespace of the policy that counts everywhere.
pub const EVERYWHERE: &str = "*";

/// How long people have to decide where a rule does not say.
pub const DEFAULT_DEADLINE_MS: u64 = 10 * 60 * 1_000;

/// Rules of one namespace, checked and typed.
#[derive(Clone, Debug)]
pub struct Rules {
    /// BLAKE3 over the canonical bytes of the document.
    pub digest: Digest,
    /// What counts where no rule matches.
    pub default: Action,
    /// In the order of the document.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the policy.
    pub name: String,
    /// Agents it is about; empty for all.
    agents: Vec<Glob>,
    /// Tools it is about.
    tools: Vec<Glob>,
    /// What has to hold of the use.
    when: Option<Expression>,
    /// What has to hold of the labels.
    labels: LabelTest,
    /// What happens.
    pub action: Action,
    /// Whom to ask, for [`Action::Ask`].
    pub terms: Terms,
}

/// What has to hold of labels.
#[derive(Clone, Copy, Debug, Default)]
struct LabelTest {
    /// One of these, if there are any.
    any: Labels,
    /// All of these.
    all: Labels,
    /// None of these.
    none: Labels,
}

/// How people are asked.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What is asked, in a line; made of tool and agent if none is given.
    pub title: Option<String>,
    /// Who may decide.
    pub deciders: Deciders,
    /// How long they have, in milliseconds; then it is denied.
    pub deadline_ms: u64,
    /// How many have to allow it.
    pub quorum: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { title: None, deciders: Deciders::default(), deadline_ms: DEFAULT_DEADLINE_MS, quorum: 1 }
    }
}

/// A policy in force.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its namespace, or [`EVERYWHERE`].
    pub namespace: Arc<str>,
    /// Its version, from 1.
    pub version: u64,
    /// Its rules.
    pub rules: Rules,
}

impl Policy {
    /// The policy of `namespace` in the recorded `version`. If its rules cannot be read by this program, it denies
    /// everything.
    #[must_use]
    pub fn recorded(namespace: &str, version: u64, document: &serde_json::Value) -> Self {
        let rules = of_value(document).unwrap_or_else(|_| Rules {
            digest: document::digest(document),
            default: Action::Deny,
            rules: Vec::new(),
        });
        Self { namespace: namespace.into(), version, rules }
    }
}

/// The policies in force, at one moment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Policies(Arc<BTreeMap<Arc<str>, Arc<Policy>>>);

impl Policies {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with `policy` in the place of that of its namespace.
    #[must_use]
    pub fn with(&self, policy: Policy) -> Self {
        let mut all = (*self.0).clone();
        all.insert(policy.namespace.clone(), Arc::new(policy));
        Self(Arc::new(all))
    }

    /// The same without that of `namespace`.
    #[must_use]
    pub fn without(&self, namespace: &str) -> Self {
        let mut all = (*self.0).clone();
        all.remove(namespace);
        Self(Arc::new(all))
    }

    /// The policy of `namespace` itself.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Option<&Arc<Policy>> {
        self.0.get(namespace)
    }

    /// Those that count for runs of `namespace`: its own first.
    pub fn counting(&self, namespace: &str) -> impl Iterator<Item = &Arc<Policy>> {
        self.0.get(namespace).into_iter().chain(self.0.get(EVERYWHERE))
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
