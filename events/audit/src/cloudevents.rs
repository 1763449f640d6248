//! The log as [CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) 1.0, in their
//! [JSON format](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), one per line.
//!
//! | attribute | is |
//! |---|---|
//! | `id` | the event's id, a UUID; the same whenever it is exported |
//! | `source` | `urn:openclaw:log:` and the hash of the log's first frame |
//! | `type` | `io.openclaw.` and the event's type, for example `io.openclaw.run.started` |
//! | `subject` | its stream, for example `run/0199b3a0-...` |
//! | `time` | when it happened |
//! | `datacontenttype` | `application/json` |
//! | `data` | its data |
//! | `position`, `streamversion`, `dataversion` | where it stands, and the schema of its data; texts, since a number of this format has 32 bits |
//! | `actor`, `command`, `causationid`, `correlationid` | who and why |

use openclaw_model::{Digest, Recorded};
use serde::Serialize;
use serde_json::value::RawValue;

/// The source of a log's events.
#[must_use]
pub fn source(log: &Digest) -> String {
    format!("urn:openclaw:log:{log}")
}

/// The event as a CloudEvent, on one line.
///
/// # Errors
/// When its data is not JSON.
pub fn to_line(source: &str, event: &Recorded) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct CloudEvent<'a> {
        specversion: &'static str,
        id: String,
        source: &'a str,
        r#type: String,
        subject: &'a str,
        time: String,
        datacontenttype: &'static str,
        position: String,
        streamversion: String,
        dataversion: String,
        actor: &'a str,
        command: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        causationid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        correlationid: Option<String>,
        data: &'a RawValue,
    }
    serde_json::to_string(&CloudEvent {
        specversion: "1.0",
        id: event.id.to_string(),
        source,
        r#type: format!("io.openclaw.{}", event.event_type),
        subject: event.stream.as_str(),
        time: event.at.to_string(),
        datacontenttype: "application/json",
        position: event.position.to_string(),
        streamversion: event.version.to_string(),
        dataversion: event.schema.to_string(),
        actor: &event.actor.0,
        command: event.command.to_string(),
        causationid: event.causality.causation.map(|id| id.to_string()),
        correlationid: event.causality.correlation.map(|id| id.to_string()),
        data: serde_json::from_slice(&event.data)?,
    })
}

#[cfg(test)]
mod tests {
    use openclaw_log::EventLog;
    use openclaw_model::{Position, Timestamp};
    use serde_json::Value;

    use super::*;
    use crate::testing::Written;

    /// Section "Required Attributes", and "Naming Conventions" for the rest.
    #[tokio::test]
    async fn every_event_has_what_the_specification_asks_for() {
        let mut log = Written::new();
        log.fill(3).await;
        let events = openclaw_log::conformance::collect(log.memory.read(Position(1))).await;
        let mut ids = std::collections::BTreeSet::new();
        for event in &events {
            let line = to_line(&source(&Digest([0xab; 32])), event).unwrap();
            assert!(!line.contains('\n'));
            let cloud: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(cloud["specversion"], "1.0");
            for required in ["id", "source", "type"] {
                assert!(cloud[required].as_str().is_some_and(|text| !text.is_empty()), "{required}");
            }
            assert!(
                ids.insert((cloud["source"].to_string(), cloud["id"].to_string())),
                "source and id are unique"
            );
            assert_eq!(cloud["type"], format!("io.openclaw.{}", event.event_type));
            assert_eq!(cloud["subject"], event.stream.as_str());
            assert_eq!(cloud["time"].as_str().unwrap().parse::<Timestamp>().unwrap(), event.at);
            assert_eq!(cloud["data"], serde_json::from_slice::<Value>(&event.data).unwrap());
            for (name, value) in cloud.as_object().unwrap() {
                let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                assert!(plain && name.len() <= 20, "{name} is a name of an attribute");
                assert!(name == "data" || value.is_string(), "{name} has a type that attributes have");
            }
        }
        assert_eq!(ids.len(), 3);
    }
}
