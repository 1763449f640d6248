//! Who waits for which events: found by the type of the event where a filter names one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use openclaw_model::{RunId, TaskId, event::run::Interest};
use openclaw_workflow::interest;
use serde_json::{Value, json};

use crate::lifecycle;

type Listener = (RunId, TaskId);

/// Listening tasks by what they wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    by_type: HashMap<String, BTreeSet<Listener>>,
    /// Those with a filter that names no type, or only a pattern.
    any: BTreeSet<Listener>,
    /// Those that want lifecycle events.
    lifecycle: BTreeSet<Listener>,
}

/// Lists of interests, each kept once however many runs wait for the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interests(HashSet<Arc<[Interest]>>);

impl Interests {
    /// The list that is kept for one like `interests`.
    pub(crate) fn shared(&mut self, interests: &[Interest]) -> Arc<[Interest]> {
        if let Some(known) = self.0.get(interests) {
            return known.clone();
        }
        if self.0.len() >= 1_024 && self.0.len().is_power_of_two() {
            self.0.retain(|known| Arc::strong_count(known) > 1);
        }
        let list: Arc<[Interest]> = interests.into();
        self.0.insert(list.clone());
        list
    }
}

/// Characters of a regular expression that have no place in the name of a type. Dots mean themselves.
fn is_pattern(text: &str) -> bool {
    text.bytes().any(|byte| b"\\+*?()|[]{}^$".contains(&byte))
}

/// Whether `interest` asks for lifecycle events by the type it names. A filter without a type does not.
fn wants_lifecycle(interest: &Interest) -> bool {
    let Some(text) = interest.0.get("type") else { return false };
    let only_type = Interest([("type".to_owned(), text.clone())].into());
    text.starts_with(lifecycle::PREFIX)
        || (is_pattern(text)
            && lifecycle::TYPES.iter().any(|name| interest::fits(&only_type, &json!({ "type": name }))))
}

impl Listeners {
    /// Adds a task with its interests.
    pub(crate) fn add(&mut self, listener: Listener, interests: &[Interest]) {
        for interest in interests {
            match interest.0.get("type") {
                Some(name) if !is_pattern(name) => {
                    self.by_type.entry(name.clone()).or_default().insert(listener);
                }
                _ => {
                    self.any.insert(listener);
                }
            }
            if wants_lifecycle(interest) {
                self.lifecycle.insert(listener);
            }
        }
        if interests.is_empty() {
            self.any.insert(listener);
        }
    }

    /// Removes a task; `interests` are those it was added with.
    pub(crate) fn remove(&mut self, listener: Listener, interests: &[Interest]) {
        self.any.remove(&listener);
        self.lifecycle.remove(&listener);
        for name in interests.iter().filter_map(|interest| interest.0.get("type")) {
            if let Some(listeners) = self.by_type.get_mut(name) {
                listeners.remove(&listener);
                if listeners.is_empty() {
                    self.by_type.remove(name);
                }
            }
        }
    }

    /// Whether anybody waits for lifecycle events.
    pub(crate) fn want_lifecycle(&self) -> bool {
        !self.lifecycle.is_empty()
    }

    /// Those that may be interested in `event`, without those that certainly are not.
    pub(crate) fn candidates(&self, event: &Value, lifecycle: bool) -> Vec<Listener> {
        let named = event.get("type").and_then(Value::as_str).and_then(|name| self.by_type.get(name));
        let mut found: Vec<Listener> = named.into_iter().flatten().chain(&self.any).copied().collect();
        found.sort_unstable();
        found.dedup();
        if lifecycle {
            found.retain(|listener| self.lifecycle.contains(listener));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use openclaw_model::RunId;
    use uuid::Uuid;

    use super::*;

    fn interest(name: &str) -> Interest {
        Interest([("type".to_owned(), name.to_owned())].into())
    }

    fn listener(number: u64) -> Listener {
        (RunId(Uuid::from_u64_pair(1, number)), TaskId(1))
    }

    #[test]
    fn only_those_who_may_be_interested_are_found() {
        let mut listeners = Listeners::default();
        for number in 0..1_000 {
            listeners.add(listener(number), &[interest(&format!("com.example.{number}"))]);
        }
        listeners.add(listener(5_000), &[interest("com\\.other\\..*")]);
        let found = listeners.candidates(&json!({ "type": "com.example.7" }), false);
        assert_eq!(found, [listener(7), listener(5_000)]);
        listeners.remove(listener(7), &[interest("com.example.7")]);
        assert_eq!(listeners.candidates(&json!({ "type": "com.example.7" }), false), [listener(5_000)]);
    }

    #[test]
    fn lifecycle_events_are_for_those_who_name_them() {
        let mut listeners = Listeners::default();
        listeners.add(listener(1), &[]);
        assert!(!listeners.want_lifecycle(), "anything is not asking for them");
        listeners.add(listener(2), &[interest("io\\.serverlessworkflow\\.workflow\\..*")]);
        listeners.add(listener(3), &[interest("io.serverlessworkflow.task.faulted.v1")]);
        let event = json!({ "type": "io.serverlessworkflow.task.faulted.v1" });
        assert_eq!(listeners.candidates(&event, true), [listener(2), listener(3)]);
    }
}
