//! What people are asked, before a tool is used.

use openclaw_model::{
    ApprovalId, Digest, RunId, Timestamp, canonical,
    event::approval::{ApprovalRequest, Choice, Deadline, DeadlineOutcome},
};
use serde_json::json;

use super::{Policy, Rule, Terms, Use, arguments::environment};

/// What people choose to let it happen.
pub(super) const ALLOW: &str = "allow";
/// What they choose to prevent it.
const DENY: &str = "deny";

/// Whether the choice of people lets it happen.
#[must_use]
pub fn asked(choice: Option<&str>) -> bool {
    choice == Some(ALLOW)
}

/// The question about `usage` in `run`, whose effect has `key`: its id is the same each time the effect is tried, so
/// that asking twice asks once. The digest is over all that is decided about - tool, arguments, environment, workspace,
/// policy and its version - so that a decision about something else does not count.
pub(super) fn request(
    policy: &Policy,
    rule: Option<&Rule>,
    usage: &Use<'_>,
    run: RunId,
    key: &str,
    now: Timestamp,
) -> ApprovalRequest {
    let default = Terms::default();
    let terms = rule.map_or(&default, |rule| &rule.terms);
    let title = terms.title.clone().unwrap_or_else(|| format!("May {} use {}?", usage.agent(), usage.tool));
    let choices: Vec<Choice> =
        [ALLOW, DENY].map(|name| Choice { name: name.into(), title: None, schema: None }).into();
    let subject = json!({ "tool": usage.tool, "arguments": usage.arguments() });
    let rule = rule.map(|rule| &rule.name);
    let decided = json!({
        "title": title,
        "subject": subject,
        "environment": environment(usage.arguments()),
        // The workspace of a process is that of its run.
        "workspace": run,
        "agent": usage.agent(),
        "policy": { "namespace": *policy.namespace, "version": policy.version, "rule": rule },
        "choices": choices,
    });
    let id = blake3::hash(format!("policy/{key}").as_bytes());
    let mut approval = [0; 16];
    approval.copy_from_slice(&id.as_bytes()[..16]);
    ApprovalRequest {
        approval: ApprovalId(approval),
        title,
        details: json!({
            "agent": usage.agent(),
            "run": run,
            "policy": *policy.namespace,
            "version": policy.version,
            "rule": rule,
            "labels": usage.labels.names().collect::<Vec<_>>(),
        }),
        subject,
        digest: Digest(*blake3::hash(&canonical::to_bytes(&decided)).as_bytes()),
        choices,
        deciders: terms.deciders.clone(),
        quorum: terms.quorum,
        deadline: Some(Deadline { due: now.plus_millis(terms.deadline_ms), outcome: DeadlineOutcome::Deny }),
    }
}
