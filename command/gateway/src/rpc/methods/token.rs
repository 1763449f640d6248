//! `token.issue`, `token.revoke` and `token.list`.

use std::collections::BTreeSet;

use openclaw_model::{
    Position, Timestamp, Version,
    access::{Need, Scope},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::{
    access::{BOOTSTRAP, is_name},
    rpc::{
        context::{ExpectedVersion, IdempotencyKey},
        error::{Error, Kind},
        wait::Span,
    },
};

/// Makes a token with which a program proves who it is. Its text is in the answer, once: only its hash is kept. Nobody
/// gives more than they have, nor for longer. Names are not used again, because the log says `token:NAME` for ever. A
/// repetition under one key answers without the text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issue {
    /// Its name: lower-case letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// What its holder may do: `query`, `audit`, `operate`, `admin`, `vouch`, `command:*`, `command:run`,
    /// `command:run.start`, or `*` for everything, each with `@NAMESPACE` behind it to count there only.
    #[schemars(with = "BTreeSet<String>")]
    pub scopes: BTreeSet<Scope>,
    /// How long it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Span>,
    /// Until when it counts; in place of `expiresIn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the token's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A token was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TokenIssued")]
pub struct Issued {
    /// Its name.
    pub name: String,
    /// Its text, to be sent as `Authorization: Bearer TOKEN`; none in the answer to a repetition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the token's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Issue {
    const NAME: &'static str = "token.issue";
    const SUMMARY: &'static str = "Makes a token with which a program proves who it is.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Issued;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named("name", &self.name)?;
        if self.name == BOOTSTRAP {
            return Err(Error::invalid("name", "is that of the token in the data directory"));
        }
        if !(1..=64).contains(&self.scopes.len()) {
            return Err(Error::invalid("scopes", "has to have 1 to 64 entries"));
        }
        if self.expires_in.is_some() && self.expires_at.is_some() {
            return Err(Error::invalid("expiresAt", "cannot stand beside expiresIn"));
        }
        Ok(())
    }

    fn example() -> (Self, Issued) {
        let call = Self {
            name: "ci".into(),
            scopes: ["command:run@team-a", "query@team-a"]
                .into_iter()
                .map(|scope| scope.parse().expect("a scope"))
                .collect(),
            expires_in: Some(Span(std::time::Duration::from_secs(90 * 24 * 3_600))),
            expires_at: None,
            idempotency_key: None,
            expected_version: None,
        };
        let issued = Issued {
            name: "ci".into(),
            token: Some("oc_9n1xVd0dVvQkqz0cAe7m3mQ6Q1p8N2bq5fXr4T6u7Yw".into()),
            expires_at: Some(Timestamp::from_millis(1_771_545_600_000)),
            position: EXAMPLE_POSITION,
            stream_version: Version(1),
        };
        (call, issued)
    }
}

/// Lets a token count no more, from the next request on. Its open WebSockets are closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TokenRevoke")]
pub struct Revoke {
    /// Its name.
    pub name: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the token's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A command about a token was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TokenAccepted")]
pub struct Accepted {
    /// Its name.
    pub name: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the token's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Revoke {
    const NAME: &'static str = "token.revoke";
    const SUMMARY: &'static str = "Lets a token count no more.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = change_errors!(REJECTED, NOT_FOUND);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named("name", &self.name)?;
        self.reason.as_deref().map_or(Ok(()), |reason| bounded("reason", reason, 1_024))
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            name: "ci".into(),
            reason: Some("it was in a public log".into()),
            idempotency_key: None,
            expected_version: None,
        };
        (call, Accepted { name: "ci".into(), position: EXAMPLE_POSITION, stream_version: Version(2) })
    }
}

/// Lists tokens, those that count no more too, as far as the caller could have made them. The token of the data
/// directory is none of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TokenList")]
pub struct List {}

/// Tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Tokens")]
pub struct Listed {
    /// By name.
    pub tokens: Vec<Token>,
}

/// A token, without what would prove anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What its holder may do.
    #[schemars(with = "BTreeSet<String>")]
    pub scopes: BTreeSet<Scope>,
    /// Whether it counts.
    pub counts: bool,
    /// When it counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used; recorded once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
}

impl Call for List {
    const NAME: &'static str = "token.list";
    const SUMMARY: &'static str = "Lists tokens.";
    const NEED: Need = Need::Admin;
    const ERRORS: &'static [Kind] = &[Kind::RESPONSE_TOO_LARGE];
    type Answer = Listed;

    fn example() -> (Self, Listed) {
        let token = Token {
            name: "ci".into(),
            scopes: BTreeSet::from(["query".parse().expect("a scope")]),
            counts: true,
            expires_at: None,
            last_used_at: Some(Timestamp::from_millis(1_771_545_600_000)),
            revoked_at: None,
        };
        (Self {}, Listed { tokens: vec![token] })
    }
}

/// Refuses what can be no name of a token or a user.
pub(super) fn named(field: &'static str, name: &str) -> Result<(), Error> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        "has to be 1 to 63 lower-case letters, digits, `.`, `_` and `-`, a letter or a digit first",
    ))
}
