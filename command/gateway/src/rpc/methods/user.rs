//! `user.add`, `user.change`, `user.set_password`, `user.remove` and `user.list`.

use std::{collections::BTreeSet, fmt};

use openclaw_model::{
    Position, Timestamp, Version,
    access::{Need, Role, is_namespace},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded, token::named};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// A password on its way. It is printed nowhere and overwritten when it is dropped.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Password(#[schemars(with = "String")] Hidden);

#[derive(Clone)]
struct Hidden(Zeroizing<String>);

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Password {
    /// Its text.
    #[must_use]
    pub fn reveal(self) -> Zeroizing<String> {
        self.0.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Where and as what somebody may act.
macro_rules! account_checks {
    ($self:ident) => {{
        named("name", &$self.name)?;
        if $self.namespaces.len() > 64 || $self.groups.len() > 64 {
            return Err(Error::invalid("namespaces", "and groups have at most 64 entries each"));
        }
        if let Some(bad) = $self.namespaces.iter().find(|namespace| !is_namespace(namespace)) {
            return Err(Error::invalid("namespaces", format!("{bad:?} is no namespace")));
        }
        $self.groups.iter().try_for_each(|group| bounded("groups", group, 256))
    }};
}

/// Lets somebody log in to the dashboard. A password has at least 12 characters and is not the name. It is no part of
/// what a repetition under one key is compared by, because nothing of it may stand in the log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserAdd")]
pub struct Add {
    /// Their name: lower-case letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// `viewer`, `operator`, `auditor` or `admin`.
    #[schemars(with = "String")]
    pub role: Role,
    /// The password.
    pub password: Password,
    /// Where; everywhere if it is empty or not given.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the user's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A command about a user was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "UserAccepted")]
pub struct Accepted {
    /// Their name.
    pub name: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the user's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Add {
    const NAME: &'static str = "user.add";
    const SUMMARY: &'static str = "Lets somebody log in.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    const NOT_CONTENT: &'static [&'static str] = &["idempotencyKey", "password"];
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        account_checks!(self)
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            name: "ada".into(),
            role: Role::Operator,
            password: Password(Hidden(Zeroizing::new("a long sentence that only ada knows".into()))),
            namespaces: BTreeSet::from(["team-a".into()]),
            groups: BTreeSet::from(["finance".into()]),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(1))
    }
}

/// Changes what a user may do, as a whole: what is not given is empty. Their open WebSockets are closed, their sessions
/// go on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserChange")]
pub struct Change {
    /// Their name.
    pub name: String,
    /// `viewer`, `operator`, `auditor` or `admin`.
    #[schemars(with = "String")]
    pub role: Role,
    /// Where; everywhere if it is empty or not given.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the user's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for Change {
    const NAME: &'static str = "user.change";
    const SUMMARY: &'static str = "Changes what a user may do.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED, NOT_FOUND);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        account_checks!(self)
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            name: "ada".into(),
            role: Role::Auditor,
            namespaces: BTreeSet::new(),
            groups: BTreeSet::new(),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(2))
    }
}

/// Gives a user another password and ends their sessions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserSetPassword")]
pub struct SetPassword {
    /// Their name.
    pub name: String,
    /// The password.
    pub password: Password,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the user's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for SetPassword {
    const NAME: &'static str = "user.set_password";
    const SUMMARY: &'static str = "Gives a user another password and ends their sessions.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED, NOT_FOUND);
    const NOT_CONTENT: &'static [&'static str] = &["idempotencyKey", "password"];
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named("name", &self.name)
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            name: "ada".into(),
            password: Password(Hidden(Zeroizing::new("another sentence that only ada knows".into()))),
            idempotency_key: None,
            expected_version: None,
        };
        (call, accepted(3))
    }
}

/// Lets somebody log in no more and ends their sessions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserRemove")]
pub struct Remove {
    /// Their name.
    pub name: String,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the user's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for Remove {
    const NAME: &'static str = "user.remove";
    const SUMMARY: &'static str = "Lets somebody log in no more.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED, NOT_FOUND);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named("name", &self.name)
    }

    fn example() -> (Self, Accepted) {
        (Self { name: "ada".into(), idempotency_key: None, expected_version: None }, accepted(4))
    }
}

/// Lists users, as far as the caller could have added them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserList")]
pub struct List {}

/// Users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Users")]
pub struct Listed {
    /// By name.
    pub users: Vec<User>,
}

/// A user, without what would prove anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Their name.
    pub name: String,
    /// `viewer`, `operator`, `auditor` or `admin`.
    #[schemars(with = "String")]
    pub role: Role,
    /// Where; everywhere if it is empty.
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    pub groups: BTreeSet<String>,
    /// Sessions that are not over.
    pub sessions: u64,
    /// When they last logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_login_at: Option<Timestamp>,
}

impl Call for List {
    const NAME: &'static str = "user.list";
    const SUMMARY: &'static str = "Lists users.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = &[Kind::RESPONSE_TOO_LARGE];
    type Answer = Listed;

    fn example() -> (Self, Listed) {
        let user = User {
            name: "ada".into(),
            role: Role::Operator,
            namespaces: BTreeSet::new(),
            groups: BTreeSet::from(["finance".into()]),
            sessions: 1,
            last_login_at: Some(Timestamp::from_millis(1_771_545_600_000)),
        };
        (Self {}, Listed { users: vec![user] })
    }
}

fn accepted(version: u64) -> Accepted {
    Accepted { name: "ada".into(), position: EXAMPLE_POSITION, stream_version: Version(version) }
}
