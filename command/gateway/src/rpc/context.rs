//! What surrounds a command: who asks, under which key, from which version.

use std::{borrow::Cow, collections::BTreeSet, fmt, sync::Arc};

use openclaw_model::{
    Actor, CommandDigest, Version,
    access::{Grants, Need, Right, Scope},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Who calls. The authentication layer in front of the transport puts it into the request's extensions; a request
/// without one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As it will stand in the events.
    pub actor: Actor,
    /// What it may do. From the server's own records, never from the caller.
    pub grants: Arc<Grants>,
    /// The person, if it is one who logged in.
    pub person: Option<Person>,
}

/// Somebody who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their role and groups, as approvals name them.
    pub roles: BTreeSet<String>,
}

impl Caller {
    /// The server itself, in the name of a run of a workflow in `namespace`: it may do everything there, which was
    /// decided when the workflow was registered, and nothing elsewhere.
    #[must_use]
    pub fn runtime(namespace: &str) -> Self {
        let scope = Scope { right: Right::All, namespace: Some(namespace.to_owned()) };
        Self { actor: Actor::RUNTIME, grants: Arc::new(Grants(BTreeSet::from([scope]))), person: None }
    }
}

/// What a command comes with.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Who asks.
    pub caller: Caller,
    /// What the method asks of its caller; it is granted in some namespace at least.
    pub need: Need,
    /// Makes a repetition of the command harmless. Its scope is the actor.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Which version the stream must have.
    pub expected: ExpectedVersion,
    /// Fingerprint of method and parameters, without key and waiting time: a repetition has the same.
    pub digest: CommandDigest,
}

impl CallContext {
    /// Who asks, as it will stand in the events.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.caller.actor
    }

    /// Whether the caller may do this in `namespace`. What is in another namespace does not exist for the caller, so
    /// answer as if it did not.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        self.caller.grants.allow(self.need, namespace)
    }
}

/// 1 to 128 visible ASCII characters, chosen by the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

/// Why a text is not an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Checks and wraps a key.
    ///
    /// # Errors
    /// When it is empty, longer than 128 bytes, or has a character other than `!` to `~`.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(InvalidKey) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for IdempotencyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for IdempotencyKey {
    fn schema_name() -> Cow<'static, str> {
        "IdempotencyKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[!-~]{1,128}$",
            "description": "Makes a repetition harmless: the same key with the same content gets the first answer, \
                with other content it is refused.",
        })
    }
}

/// Which version a stream must have for a command to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Whatever it has.
    #[default]
    Any,
    /// The stream must not exist.
    None,
    /// Exactly this one.
    Exact(Version),
}

impl ExpectedVersion {
    /// Whether a stream at `actual` is as expected.
    #[must_use]
    pub fn admits(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::None => actual == Version::NONE,
            Self::Exact(version) => actual == version,
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::None => f.write_str("none"),
            Self::Exact(version) => version.fmt(f),
        }
    }
}

impl Serialize for ExpectedVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(version) => version.serialize(serializer),
            Self::Any | Self::None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for ExpectedVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Word(String),
        }
        const EXPECTED: &str = "expected \"any\", \"none\" or a version number";
        match Form::deserialize(deserializer).map_err(|_| D::Error::custom(EXPECTED))? {
            Form::Number(0) => Ok(Self::None),
            Form::Number(version) => Ok(Self::Exact(Version(version))),
            Form::Word(word) if word == "any" => Ok(Self::Any),
            Form::Word(word) if word == "none" => Ok(Self::None),
            Form::Word(_) => Err(D::Error::custom(EXPECTED)),
        }
    }
}

impl JsonSchema for ExpectedVersion {
    fn schema_name() -> Cow<'static, str> {
        "ExpectedVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "string", "enum": ["any", "none"] },
                { "type": "integer", "minimum": 0 },
            ],
            "description": "Version that the stream must have: any, none (it must not exist), or exactly this one.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        assert!(IdempotencyKey::new("order-17/retry~").is_ok());
        assert!(IdempotencyKey::new("k".repeat(128)).is_ok());
        for bad in [String::new(), "k".repeat(129), "a b".to_owned(), "ä".to_owned(), "a\n".to_owned()] {
            assert!(IdempotencyKey::new(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn expected_versions_round_trip() {
        for (text, expected) in [
            ("\"any\"", ExpectedVersion::Any),
            ("\"none\"", ExpectedVersion::None),
            ("7", ExpectedVersion::Exact(Version(7))),
        ] {
            assert_eq!(serde_json::from_str::<ExpectedVersion>(text).unwrap(), expected);
            assert_eq!(serde_json::to_string(&expected).unwrap(), text);
        }
        assert_eq!(serde_json::from_str::<ExpectedVersion>("0").unwrap(), ExpectedVersion::None);
        for bad in ["-1", "1.5", "\"some\"", "null", "[]"] {
            assert!(serde_json::from_str::<ExpectedVersion>(bad).is_err(), "{bad}");
        }
        assert!(ExpectedVersion::None.admits(Version::NONE) && !ExpectedVersion::None.admits(Version(1)));
        assert!(ExpectedVersion::Exact(Version(2)).admits(Version(2)));
    }
}
