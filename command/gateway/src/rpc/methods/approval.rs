//! `approval.decide`: a person decides.

use std::collections::BTreeSet;

use openclaw_model::{ApprovalId, Digest, Position, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Records what a person decides. The decision is about exactly what the person saw: `digest` names it, and if
/// something else is asked by now, it is refused. Somebody who logged in decides as themself, with their role and groups.
/// A token decides as `token:NAME`, or as `by` if it has the scope `vouch`. Whoever started the run does not decide for
/// it, unless they are among its assignees.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decide {
    /// Which approval.
    #[schemars(with = "String")]
    pub approval_id: ApprovalId,
    /// Digest of what the person saw, as queries show it.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Name of the choice.
    pub choice: String,
    /// The person; the caller if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// The answer that goes with the choice; it has to satisfy the choice's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// In the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the approval's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// Somebody who decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// Their name, as assignees are named.
    pub name: String,
    /// What they are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
}

/// A decision was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Which approval.
    #[schemars(with = "String")]
    pub approval_id: ApprovalId,
    /// Whether the approval is decided; it is not while more people have to decide.
    pub resolved: bool,
    /// What is chosen; none while it is not decided, and none if it is denied because the votes cannot agree any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the approval's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Decide {
    const NAME: &'static str = "approval.decide";
    const SUMMARY: &'static str = "Records what a person decides.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Decided;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("choice", &self.choice, 128)?;
        if let Some(by) = &self.by {
            bounded("by.name", &by.name, 256)?;
            if by.roles.len() > 64 {
                return Err(Error::invalid("by.roles", "has more than 64 entries"));
            }
            by.roles.iter().try_for_each(|role| bounded("by.roles", role, 256))?;
        }
        self.comment.as_deref().map_or(Ok(()), |comment| bounded("comment", comment, 4_096))
    }

    fn example() -> (Self, Decided) {
        let approval_id = ApprovalId([0x3c; 16]);
        let call = Self {
            approval_id,
            digest: Digest([0x5a; 32]),
            choice: "approve".into(),
            by: Some(Person { name: "ada".into(), roles: BTreeSet::from(["finance".into()]) }),
            answer: None,
            comment: Some("as agreed on the phone".into()),
            idempotency_key: None,
            expected_version: None,
        };
        let decided = Decided {
            approval_id,
            resolved: true,
            choice: Some("approve".into()),
            position: EXAMPLE_POSITION,
            stream_version: Version(3),
        };
        (call, decided)
    }
}
