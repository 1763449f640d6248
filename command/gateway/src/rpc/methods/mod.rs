//! The methods: what each takes and answers. The types here are what dispatch reads and writes, and what
//! `rpc.discover` is generated from; there is no second description.

use std::borrow::Cow;

use openclaw_model::{
    Position,
    access::{Need, is_namespace},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

use super::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

pub mod approval;
pub mod control;
pub mod credential;
pub mod event;
pub mod fork;
pub mod policy;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod system;
pub mod token;
pub mod user;
pub mod vault;
pub mod webhook;
pub mod workflow;

/// A method, seen as its parameters.
///
/// Parameters come by name or by position; positions are the order of the fields.
pub trait Call: DeserializeOwned + Serialize + JsonSchema + Send + 'static {
    /// The method's name.
    const NAME: &'static str;
    /// One sentence for `rpc.discover`.
    const SUMMARY: &'static str;
    /// What it asks of its caller.
    const NEED: Need = Need::Command(Self::NAME);
    /// What it may be refused with, beside the errors that every method shares.
    const ERRORS: &'static [Kind];
    /// Parameters that are no part of a command's content, so that a repetition may differ in them.
    const NOT_CONTENT: &'static [&'static str] = &["idempotencyKey"];
    /// What it answers.
    type Answer: DeserializeOwned + Serialize + JsonSchema + Send + 'static;

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`Error::InvalidParams`].
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Key and expected version, if the method changes anything.
    fn guard(&self) -> Option<Guard<'_>> {
        None
    }

    /// A call and its answer, shown by `rpc.discover`.
    fn example() -> (Self, Self::Answer);
}

/// What guards a change.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// The parameter `idempotencyKey`.
    pub key: Option<&'a IdempotencyKey>,
    /// The parameter `expectedVersion`.
    pub expected: ExpectedVersion,
}

macro_rules! guarded {
    () => {
        fn guard(&self) -> Option<super::Guard<'_>> {
            Some(super::Guard {
                key: self.idempotency_key.as_ref(),
                expected: self.expected_version.unwrap_or_default(),
            })
        }
    };
}
use guarded;

/// What every change may be refused with.
macro_rules! change_errors {
    ($($more:ident),*) => {
        &[$(super::Kind::$more,)* super::Kind::CONFLICT, super::Kind::KEY_REUSED, super::Kind::READ_ONLY,
            super::Kind::BUSY, super::Kind::STOPPING]
    };
}
use change_errors;

/// A workflow document: an object, or its YAML or JSON text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Document {
    /// Its text.
    Text(String),
    /// The document as JSON.
    Object(Map<String, Value>),
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Object(object) => Ok(Self::Object(object)),
            _ => Err(D::Error::custom(
                "expected a workflow document: an object, or a string with its YAML or JSON",
            )),
        }
    }
}

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "Document".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [{ "type": "object" }, { "type": "string" }],
            "description": "A Serverless Workflow DSL 1.0 document: an object, or its YAML or JSON text.",
        })
    }
}

/// Refuses a text parameter that is empty or longer than `max` bytes.
fn bounded(field: &'static str, text: &str, max: usize) -> Result<(), Error> {
    if text.is_empty() {
        Err(Error::invalid(field, "is empty"))
    } else if text.len() > max {
        Err(Error::invalid(field, format!("is longer than {max} bytes")))
    } else {
        Ok(())
    }
}

/// Refuses a parameter `namespace` that is given and is no name of a namespace.
fn namespaced(namespace: Option<&str>) -> Result<(), Error> {
    if namespace.is_none_or(is_namespace) {
        return Ok(());
    }
    Err(Error::invalid("namespace", "is no name of a namespace: lower-case letters, digits and `-` within"))
}

/// The example's position: any will do.
const EXAMPLE_POSITION: Position = Position(42);
