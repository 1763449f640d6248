//! `workflow.register`, `workflow.validate` and `workflow.retire`.

use openclaw_model::{Digest, Position, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Call, Document, EXAMPLE_POSITION, bounded, change_errors, guarded};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Registers a version of a workflow. A version is immutable: registering the same document again answers as the
/// first time, another document under the same version is rejected.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    /// The workflow.
    pub definition: Document,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the stream that all versions of the workflow share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A version is registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Namespace in the document.
    pub namespace: String,
    /// Name in the document.
    pub name: String,
    /// Version in the document.
    pub version: String,
    /// BLAKE3 over the canonical bytes of the document, hexadecimal.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the workflow's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Register {
    const NAME: &'static str = "workflow.register";
    const SUMMARY: &'static str = "Registers a version of a workflow, which is immutable from then on.";
    const ERRORS: &'static [Kind] = change_errors!(INVALID_DEFINITION, REJECTED);
    type Answer = Registered;

    guarded!();

    fn example() -> (Self, Registered) {
        let definition = json!({
            "document": { "dsl": "1.0.1", "namespace": "examples", "name": "greet", "version": "1.0.0" },
            "do": [{ "greet": { "set": { "text": "${ \"Hello, \" + .name }" } } }],
        });
        let serde_json::Value::Object(definition) = definition else {
            unreachable!("the literal is an object")
        };
        (
            Self { definition: Document::Object(definition), idempotency_key: None, expected_version: None },
            Registered {
                namespace: "examples".into(),
                name: "greet".into(),
                version: "1.0.0".into(),
                digest: Digest([0x5a; 32]),
                position: EXAMPLE_POSITION,
                stream_version: Version(1),
            },
        )
    }
}

/// Checks a workflow without registering it: what `workflow.register` would refuse, and what it would accept and a run
/// would trip over, such as a task that nothing leads to. A bad document is an answer here, not an error.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validate {
    /// The workflow. Lines and columns are only known of a text.
    pub definition: Document,
}

/// What is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Whether there are no problems; there may be warnings.
    pub valid: bool,
    /// What has to be corrected, in the order of the text. At most a hundred.
    pub problems: Vec<Finding>,
    /// What deserves a look.
    pub warnings: Vec<Finding>,
}

/// One thing that is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its code, `OC-WF-...`.
    pub code: String,
    /// JSON pointer to the place in the document; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Line in the text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the text, in characters from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl Call for Validate {
    const NAME: &'static str = "workflow.validate";
    const SUMMARY: &'static str = "Says everything that is wrong with a workflow, without registering it.";
    const ERRORS: &'static [Kind] = &[Kind::STOPPING];
    type Answer = Validated;

    fn example() -> (Self, Validated) {
        let text = concat!(
            "document: { dsl: '1.0.3', namespace: examples, name: greet, version: '1.0.0' }\n",
            "do:\n",
            "  - greet: { set: { text: Hello }, then: thank }\n",
        );
        let finding = Finding {
            code: "OC-WF-030".into(),
            path: "/do/0/greet/then".into(),
            message: "there is no task `thank` in this scope".into(),
            suggestion: Some(
                "a flow directive leads to a task of the same list (greet), or is continue, exit or end"
                    .into(),
            ),
            line: Some(3),
            column: Some(42),
        };
        (
            Self { definition: Document::Text(text.into()) },
            Validated { valid: false, problems: vec![finding], warnings: Vec::new() },
        )
    }
}

/// Retires a version: it can no longer be started. Runs that use it go on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retire {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which version.
    pub version: String,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the stream that all versions of the workflow share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// A version is retired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which version.
    pub version: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the workflow's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Retire {
    const NAME: &'static str = "workflow.retire";
    const SUMMARY: &'static str = "Retires a version of a workflow, so that it can no longer be started.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Retired;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("namespace", &self.namespace, 63)?;
        bounded("name", &self.name, 63)?;
        bounded("version", &self.version, 64)
    }

    fn example() -> (Self, Retired) {
        (
            Self {
                namespace: "examples".into(),
                name: "greet".into(),
                version: "1.0.0".into(),
                idempotency_key: None,
                expected_version: None,
            },
            Retired {
                namespace: "examples".into(),
                name: "greet".into(),
                version: "1.0.0".into(),
                position: EXAMPLE_POSITION,
                stream_version: Version(2),
            },
        )
    }
}
