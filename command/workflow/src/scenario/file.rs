//! The file that scenarios are written in.

use std::{collections::BTreeMap, fmt};

use openclaw_model::{Timestamp, event::run::WorkflowError};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use super::names;
use crate::{
    definition::{Definition, Format, Problem, read_typed},
    duration, error,
};

/// The scenarios of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// They are independent of each other.
    pub scenarios: Vec<Scenario>,
}

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The input of the run.
    #[serde(default)]
    pub input: Value,
    /// When the run starts; 2026-01-01 if nothing is said. From then on the clock jumps from one thing that is due to
    /// the next.
    #[serde(default = "new_year")]
    pub now: Timestamp,
    /// Answers to calls, processes, approvals and child runs, by name or reference of the task.
    #[serde(default)]
    pub mocks: BTreeMap<String, Responses>,
    /// CloudEvents, given one by one as soon as a task listens.
    #[serde(default)]
    pub events: Vec<Value>,
    /// The secrets that exist, with made-up values.
    #[serde(default)]
    pub secrets: BTreeMap<String, Value>,
    /// What has to come of it. Where nothing is said of an error, the run has to complete.
    #[serde(default)]
    pub expect: Expect,
}

fn new_year() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("the text is a timestamp")
}

/// What a task answers: always the same, or one after the other.
#[derive(Debug)]
pub struct Responses {
    /// In order.
    pub responses: Vec<Response>,
    /// Whether the only one is given as often as it is asked for.
    pub always: bool,
}

/// One answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The raw output, before `output.as`.
    #[serde(default)]
    pub output: Value,
    /// An error in place of an output.
    #[serde(default)]
    pub error: Option<Failure>,
    /// How long it takes, as in `wait`; nothing if it is not said.
    #[serde(default)]
    pub after: Option<Value>,
}

impl Response {
    /// How long it takes, in milliseconds.
    pub(super) fn millis(&self) -> Result<u64, String> {
        self.after.as_ref().map_or(Ok(0), duration::millis_of)
    }
}

/// An error that a task answers with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// URI, or the last word of a standard type, such as `timeout`.
    #[serde(default = "communication")]
    pub r#type: String,
    /// Status code.
    #[serde(default = "internal")]
    pub status: u16,
    /// Short summary.
    #[serde(default)]
    pub title: Option<String>,
    /// This occurrence.
    #[serde(default)]
    pub detail: Option<String>,
}

fn communication() -> String {
    "communication".into()
}

const fn internal() -> u16 {
    500
}

impl Failure {
    pub(super) fn error(&self) -> WorkflowError {
        let standard = !self.r#type.contains([':', '/']);
        let r#type = if standard { format!("{}{}", error::TYPES, self.r#type) } else { self.r#type.clone() };
        WorkflowError {
            r#type,
            status: self.status,
            title: self.title.clone(),
            detail: self.detail.clone(),
            instance: None,
        }
    }
}

/// What has to come of a scenario. Everything that is said has to hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The output, exactly.
    #[serde(default, deserialize_with = "some")]
    pub output: Option<Value>,
    /// A part of the output: entries of objects that are not named here may be there too.
    #[serde(default, rename = "match", deserialize_with = "some")]
    pub part: Option<Value>,
    /// jq expressions that hold for the output.
    #[serde(default)]
    pub holds: Holds,
    /// A part of the error that ends the run. `type` may be the last word of a standard type.
    #[serde(default, deserialize_with = "some")]
    pub error: Option<Value>,
    /// The tasks that started, in order, by name or reference. Those that were skipped are not among them.
    #[serde(default)]
    pub path: Option<Vec<String>>,
    /// Parts of what tasks asked the world, in order, by name or reference of the task.
    #[serde(default)]
    pub calls: BTreeMap<String, Vec<Value>>,
    /// Parts of the events that `emit` published, in order.
    #[serde(default)]
    pub emitted: Option<Vec<Value>>,
    /// How long the run took on its own clock, as in `wait`.
    #[serde(default, deserialize_with = "some")]
    pub took: Option<Value>,
}

/// One expression or several.
#[derive(Debug, Default)]
pub struct Holds(pub Vec<String>);

/// `null` is something that can be expected.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Holds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Holds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression or a list of them")
            }

            fn visit_str<E>(self, text: &str) -> Result<Holds, E> {
                Ok(Holds(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Holds, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = access.next_element()? {
                    texts.push(text);
                }
                Ok(Holds(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for Responses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Responses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer (output, error, after) or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Responses, A::Error> {
                let response = Response::deserialize(MapAccessDeserializer::new(access))?;
                Ok(Responses { responses: vec![response], always: true })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Responses, A::Error> {
                let mut responses = Vec::new();
                while let Some(response) = access.next_element()? {
                    responses.push(response);
                }
                Ok(Responses { responses, always: false })
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl Suite {
    /// Reads scenarios of the workflow `definition` from YAML or JSON text.
    ///
    /// # Errors
    /// What is wrong with the text, with its place: `OC-WF-060`, or the codes of a text that is no YAML or too large.
    pub fn read(text: &str, definition: &Definition) -> Result<Self, Vec<Problem>> {
        let suite: Self = read_typed(text).map_err(|problem| vec![problem])?;
        let mut problems = names::check(&suite, definition);
        if problems.is_empty() {
            return Ok(suite);
        }
        crate::definition::locate(text, Format::Yaml, &mut problems);
        Err(problems)
    }
}
