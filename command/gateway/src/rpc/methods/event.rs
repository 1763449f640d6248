//! `event.publish`: tells everything that listens of something that happened outside.

use openclaw_model::{Position, Timestamp, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Call, EXAMPLE_POSITION, change_errors, guarded, namespaced};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Largest event, in bytes of its JSON text: what the CloudEvents specification asks everybody to forward.
pub const EVENT_MAX: usize = 64 << 10;
/// Longest attribute, in bytes.
const ATTRIBUTE_MAX: usize = 1_024;
/// The most attributes.
const ATTRIBUTES: usize = 64;

/// Publishes a CloudEvent (<https://cloudevents.io>, version 1.0): runs and schedules that listen for it go on, and
/// webhooks are told. Its source and id name it: publishing it twice publishes it once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publish {
    /// The event in its JSON form. `type` has to be there; `specversion`, `id` and `source` are filled in where they
    /// are missing.
    pub event: Map<String, Value>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the event's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
    /// The namespace to publish it in; without it the only one of the caller, or else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// An event is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Log position of the event; of the first one if it was published before.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of its stream.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Publish {
    const NAME: &'static str = "event.publish";
    const SUMMARY: &'static str = "Publishes a CloudEvent to everything that listens.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Published;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        namespaced(self.namespace.as_deref())?;
        check(&self.event)
    }

    fn example() -> (Self, Published) {
        let event = json!({
            "specversion": "1.0",
            "id": "17",
            "source": "/shop",
            "type": "com.example.order.paid",
            "data": { "order": 4711 },
        });
        let Value::Object(event) = event else { unreachable!("the literal is an object") };
        let published = Published {
            id: "17".into(),
            source: "/shop".into(),
            position: EXAMPLE_POSITION,
            stream_version: Version(1),
        };
        (Self { event, idempotency_key: None, expected_version: None, namespace: None }, published)
    }
}

/// CloudEvents 1.0, "Context Attributes" and the JSON format.
fn check(event: &Map<String, Value>) -> Result<(), Error> {
    let wrong = |name: &str, reason: &str| Err(Error::invalid(format!("event.{name}"), reason));
    if event.len() > ATTRIBUTES {
        return wrong("", "has too many attributes");
    }
    for (name, value) in event {
        match (name.as_str(), value) {
            ("data", _) => {}
            ("data_base64", Value::String(_)) if !event.contains_key("data") => {}
            ("data_base64", Value::String(_)) => return wrong(name, "is given together with `data`"),
            ("data_base64", _) => return wrong(name, "is no text"),
            ("specversion", Value::String(version)) if version == "1.0" => {}
            ("specversion", _) => return wrong(name, "is not \"1.0\""),
            ("time", Value::String(time)) if time.parse::<Timestamp>().is_ok() => {}
            ("time", _) => return wrong(name, "is no RFC 3339 time"),
            (_, Value::String(text)) if text.len() > ATTRIBUTE_MAX => {
                return wrong(name, "is longer than 1024 bytes");
            }
            (_, Value::String(text)) if text.is_empty() => return wrong(name, "is empty"),
            (_, Value::String(text)) if text.chars().any(char::is_control) => {
                return wrong(name, "has control characters");
            }
            ("id" | "source" | "type" | "subject" | "datacontenttype" | "dataschema", Value::String(_)) => {}
            ("id" | "source" | "type" | "subject" | "datacontenttype" | "dataschema", _) => {
                return wrong(name, "is no text");
            }
            _ if !is_attribute(name) => {
                return wrong(name, "is no attribute name: those are lower-case letters and digits");
            }
            (_, Value::Number(number)) if number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()) => {}
            (_, Value::String(_) | Value::Bool(_)) => {}
            _ => return wrong(name, "is no text, truth value or 32-bit integer"),
        }
    }
    if !event.contains_key("type") {
        return wrong("type", "is missing");
    }
    let size = serde_json::to_string(event).map_or(usize::MAX, |text| text.len());
    if size > EVENT_MAX { wrong("", "is larger than 65536 bytes") } else { Ok(()) }
}

/// CloudEvents 1.0, "Attribute Naming Convention".
pub(in crate::rpc) fn is_attribute(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=64).contains(&name.len()) && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(event: Value) -> Option<String> {
        let Value::Object(event) = event else { panic!("an object") };
        match check(&event) {
            Ok(()) => None,
            Err(Error::InvalidParams { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn cloud_events_are_told_from_what_is_none() {
        let good = [
            json!({ "type": "t" }),
            json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-11-24T10:00:00Z",
                "subject": "x", "datacontenttype": "text/plain", "data": null, "count": 3, "flag": true }),
            json!({ "type": "t", "data_base64": "AAAA" }),
        ];
        for event in good {
            assert_eq!(refused(event.clone()), None, "{event}");
        }
        let bad = [
            (json!({}), "event.type"),
            (json!({ "type": "" }), "event.type"),
            (json!({ "type": 3 }), "event.type"),
            (json!({ "type": "t", "specversion": "0.3" }), "event.specversion"),
            (json!({ "type": "t", "id": "" }), "event.id"),
            (json!({ "type": "t", "source": "a\nb" }), "event.source"),
            (json!({ "type": "t", "time": "yesterday" }), "event.time"),
            (json!({ "type": "t", "Upper": "x" }), "event.Upper"),
            (json!({ "type": "t", "list": [] }), "event.list"),
            (json!({ "type": "t", "count": 1.5 }), "event.count"),
            (json!({ "type": "t", "data": 1, "data_base64": "AAAA" }), "event.data_base64"),
            (json!({ "type": "x".repeat(1_025) }), "event.type"),
            (json!({ "type": "t", "data": "x".repeat(EVENT_MAX) }), "event."),
        ];
        for (event, field) in bad {
            assert_eq!(refused(event.clone()).as_deref(), Some(field));
        }
    }
}
