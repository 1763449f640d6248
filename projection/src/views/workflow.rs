//! Registered workflow definitions, one row per version.

use std::collections::BTreeMap;

use openclaw_model::{Digest, Position, Timestamp, event::WorkflowEvent};
use serde_json::Value;

use super::{Place, json};

/// Row of `workflows`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) stream: Position,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: Digest,
    pub(crate) actor: i64,
    pub(crate) registered_at: Timestamp,
    pub(crate) tasks: u32,
    pub(crate) title: Option<String>,
    pub(crate) definition: String,
}

/// A version that may no longer be started.
#[derive(Clone, Debug)]
pub(crate) struct Retired {
    pub(crate) stream: Position,
    pub(crate) version: String,
    pub(crate) at: Timestamp,
}

/// Changed rows of the workflow table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) registered: BTreeMap<Position, Row>,
    pub(crate) retired: Vec<Retired>,
}

pub(super) fn apply(place: &Place, event: WorkflowEvent, changes: &mut Changes) {
    match event {
        WorkflowEvent::Registered(event) => {
            let title = event.definition["document"]["title"].as_str().map(str::to_owned);
            changes.registered.insert(
                place.position,
                Row {
                    stream: place.key,
                    tasks: count_tasks(&event.definition["do"]),
                    title,
                    definition: json(&event.definition),
                    namespace: event.namespace,
                    name: event.name,
                    version: event.version,
                    digest: event.digest,
                    actor: place.actor,
                    registered_at: place.at,
                },
            );
        }
        WorkflowEvent::Retired(event) => {
            changes.retired.push(Retired { stream: place.key, version: event.version, at: place.at })
        }
    }
}

/// The tasks of a task list, at all depths. The lists of the DSL are arrays of objects with one key, the name.
fn count_tasks(list: &Value) -> u32 {
    let tasks =
        list.as_array().into_iter().flatten().filter_map(Value::as_object).flat_map(|item| item.values());
    tasks
        .map(|task| {
            let nested =
                [&task["do"], &task["fork"]["branches"], &task["try"], &task["catch"]["do"]].map(count_tasks);
            1 + nested.iter().sum::<u32>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tasks_are_counted_at_all_depths() {
        let list = json!([
            { "a": { "set": { "x": 1 } } },
            { "b": { "fork": { "branches": [{ "c": { "do": [{ "d": { "wait": {} } }] } }] } } },
            { "e": { "try": [{ "f": { "call": "http" } }], "catch": { "do": [{ "g": { "raise": {} } }] } } },
            { "h": { "for": { "each": "i" }, "do": [{ "i": { "set": {} } }] } },
        ]);
        assert_eq!(count_tasks(&list), 9);
        assert_eq!(count_tasks(&json!({ "not": "a list" })), 0);
    }
}
