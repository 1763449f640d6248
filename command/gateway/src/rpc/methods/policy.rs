//! `policy.set`, `policy.remove`, `policy.get`, `policy.test` and `policy.replay`.

use std::collections::BTreeSet;

use openclaw_model::{
    Digest, Position, RunId, TaskId, Timestamp, Version,
    access::{Need, is_namespace},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Call, Document, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// The most changed verdicts of one answer.
const MOST_CHANGES: u32 = 1_000;

/// What a policy does about the use of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PolicyAction")]
pub enum Action {
    /// It happens.
    Allow,
    /// People decide.
    Ask,
    /// It does not happen.
    Deny,
}

/// Has the tools of a namespace guarded by these rules from here on. Setting the same rules again changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Set {
    /// The namespace whose agents are guarded; `*` guards those of all namespaces, besides their own policies.
    pub namespace: String,
    /// The policy: an object, or its YAML or JSON text. `ops/docs/policy.md` describes it.
    pub document: Document,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the policy's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// Has the tools of a namespace guarded by no rules of its own any more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remove {
    /// The namespace, or `*`.
    pub namespace: String,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the policy's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A policy was changed or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PolicyAccepted")]
pub struct Accepted {
    /// The namespace, or `*`.
    pub namespace: String,
    /// Version of the policy in force; none if it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the policy's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

/// Gives the policy of a namespace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Get {
    /// The namespace, or `*`.
    pub namespace: String,
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// The namespace, or `*`.
    pub namespace: String,
    /// Its version, from 1.
    pub version: u64,
    /// BLAKE3 over the canonical bytes of the document, hexadecimal.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// The document.
    pub document: Value,
}

/// Says what would happen if an agent used a tool like this.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// The agent: its workflow, `namespace/name`.
    pub agent: String,
    /// The tool, for example `http`.
    pub tool: String,
    /// What it is used for; `ops/docs/policy.md` lists the fields by tool.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Labels of the data that has reached the run, for example `untrusted`.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// Rules to be tested in the place of those in force for the namespace of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// It happens, people decide, or it does not happen.
    pub action: Action,
    /// The policy that decides; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule that decides; none if it is the policy's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Every rule that matches, the namespace's own first.
    pub matches: Vec<Matching>,
}

/// A rule that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// Namespace of its policy.
    pub policy: String,
    /// Its name.
    pub rule: String,
    /// What it says.
    pub action: Action,
    /// Why its predicate could not be computed, if it matches because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Lists the verdicts over recorded effects that other rules would have changed. It reads a stretch of the log at a
/// time; `next` says where to go on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// The namespace whose policy is replaced, or `*`.
    pub namespace: String,
    /// The rules to be tried.
    pub document: Document,
    /// The log position to begin at.
    #[serde(default)]
    #[schemars(with = "u64")]
    pub from: Position,
    /// The last log position to look at; the head if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub to: Option<Position>,
    /// The most changes to list, 1 to 1000.
    #[serde(default = "hundred")]
    pub limit: u32,
}

const fn hundred() -> u32 {
    100
}

/// What other rules would have changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The verdicts that would be others.
    pub changes: Vec<Change>,
    /// How many recorded effects were judged for this answer.
    pub judged: u64,
    /// Where to go on; none if all was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub next: Option<Position>,
}

/// A verdict that would be another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Log position of the intent.
    #[schemars(with = "u64")]
    pub position: Position,
    /// When it was recorded.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The run.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// The task's ordinal in the run.
    #[schemars(with = "u32")]
    pub task: TaskId,
    /// The task's name.
    pub name: String,
    /// The agent, `namespace/name`.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// Labels of the data that had reached the run.
    pub labels: BTreeSet<String>,
    /// What was decided.
    pub old: Action,
    /// By which rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_rule: Option<String>,
    /// What would be decided.
    pub new: Action,
    /// By which policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_policy: Option<String>,
    /// By which rule; none if it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_rule: Option<String>,
}

fn named(namespace: &str) -> Result<(), Error> {
    if namespace == "*" || is_namespace(namespace) {
        Ok(())
    } else {
        Err(Error::invalid("namespace", "is no name of a namespace, and not `*`"))
    }
}

fn example_document() -> Document {
    let document = json!({ "rules": [{ "name": "no-shell", "tools": ["shell"], "action": "deny" }] });
    Document::Object(document.as_object().cloned().unwrap_or_default())
}

impl Call for Set {
    const NAME: &'static str = "policy.set";
    const SUMMARY: &'static str = "Has the tools of a namespace guarded by these rules from here on.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(INVALID_DEFINITION, REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named(&self.namespace)
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            namespace: "team-a".into(),
            document: example_document(),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(Some(1)))
    }
}

impl Call for Remove {
    const NAME: &'static str = "policy.remove";
    const SUMMARY: &'static str = "Removes the policy of a namespace.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named(&self.namespace)
    }

    fn example() -> (Self, Accepted) {
        let call = Self { namespace: "team-a".into(), idempotency_key: None, expected_version: None };
        (call, accepted(None))
    }
}

fn accepted(version: Option<u64>) -> Accepted {
    Accepted {
        namespace: "team-a".into(),
        version,
        position: EXAMPLE_POSITION,
        stream_version: Version(version.unwrap_or(2)),
    }
}

impl Call for Get {
    const NAME: &'static str = "policy.get";
    const SUMMARY: &'static str = "Gives the policy of a namespace.";
    const NEED: Need = Need::Audit;
    const ERRORS: &'static [Kind] = &[Kind::REJECTED];
    type Answer = InForce;

    fn check(&self) -> Result<(), Error> {
        named(&self.namespace)
    }

    fn example() -> (Self, InForce) {
        let document = serde_json::to_value(example_document()).unwrap_or_default();
        let answer = InForce { namespace: "team-a".into(), version: 1, digest: Digest([0x5a; 32]), document };
        (Self { namespace: "team-a".into() }, answer)
    }
}

impl Call for Test {
    const NAME: &'static str = "policy.test";
    const SUMMARY: &'static str = "Says what would happen if an agent used a tool like this.";
    const NEED: Need = Need::Audit;
    const ERRORS: &'static [Kind] = &[Kind::INVALID_DEFINITION];
    type Answer = Tested;

    fn check(&self) -> Result<(), Error> {
        bounded("tool", &self.tool, 256)?;
        bounded("agent", &self.agent, 512)?;
        match self.agent.split_once('/') {
            Some((namespace, name)) if is_namespace(namespace) && !name.is_empty() => Ok(()),
            _ => Err(Error::invalid("agent", "is not `namespace/name`")),
        }
    }

    fn example() -> (Self, Tested) {
        let call = Self {
            agent: "team-a/support".into(),
            tool: "shell".into(),
            arguments: Map::from_iter([("command".to_owned(), json!("ls"))]),
            labels: BTreeSet::from(["untrusted".to_owned()]),
            document: Some(example_document()),
        };
        let matching = Matching {
            policy: "team-a".into(),
            rule: "no-shell".into(),
            action: Action::Deny,
            failure: None,
        };
        let answer = Tested {
            action: Action::Deny,
            policy: Some("team-a".into()),
            rule: Some("no-shell".into()),
            matches: vec![matching],
        };
        (call, answer)
    }
}

impl Call for Replay {
    const NAME: &'static str = "policy.replay";
    const SUMMARY: &'static str =
        "Lists the verdicts over recorded effects that other rules would have changed.";
    const NEED: Need = Need::Audit;
    const ERRORS: &'static [Kind] = &[Kind::INVALID_DEFINITION];
    type Answer = Replayed;

    fn check(&self) -> Result<(), Error> {
        named(&self.namespace)?;
        if (1..=MOST_CHANGES).contains(&self.limit) {
            Ok(())
        } else {
            Err(Error::invalid("limit", format!("is not from 1 to {MOST_CHANGES}")))
        }
    }

    fn example() -> (Self, Replayed) {
        let call = Self {
            namespace: "team-a".into(),
            document: example_document(),
            from: Position(1),
            to: None,
            limit: 100,
        };
        let change = Change {
            position: EXAMPLE_POSITION,
            at: Timestamp::from_millis(1_794_000_000_000),
            run_id: RunId(uuid::Uuid::from_u64_pair(0x01a2_0d0b_3133_7309, 0x80b1_7d53_1664_51ad)),
            task: TaskId(1),
            name: "list".into(),
            agent: "team-a/support".into(),
            tool: "shell".into(),
            labels: BTreeSet::new(),
            old: Action::Allow,
            old_rule: None,
            new: Action::Deny,
            new_policy: Some("team-a".into()),
            new_rule: Some("no-shell".into()),
        };
        (call, Replayed { changes: vec![change], judged: 17, next: None })
    }
}
