//! The workflows that are measured, as documents. Their twins for the peer are in
//! `tests/bench/peers/mastra/workflows.mjs`.
//!
//! A task that acts on the world is a POST to the server that counts, at `/RUN/NUMBER`.

use serde_json::{Value, json};

/// Namespace of everything here.
pub(crate) const NAMESPACE: &str = "bench";

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// So many calls, one after the other, each with the answer to the one before.
    Sequence(usize),
    /// So many calls at the same time.
    Fork(usize),
    /// One call for each of so many items, one after the other.
    For(usize),
    /// So many child runs of one call each, one after the other.
    Children(usize),
    /// So many tasks that only compute.
    Compute(usize),
}

impl Scenario {
    /// Its name, here and for the peer.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Sequence(count) => format!("sequence-{count}"),
            Self::Fork(count) => format!("fork-{count}"),
            Self::For(count) => format!("for-{count}"),
            Self::Children(count) => format!("children-{count}"),
            Self::Compute(count) => format!("compute-{count}"),
        }
    }

    /// For people.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Sequence(count) => format!("{count} calls in sequence"),
            Self::Fork(count) => format!("fork of {count} calls"),
            Self::For(count) => format!("for of {count} calls"),
            Self::Children(count) => format!("{count} child runs"),
            Self::Compute(count) => format!("{count} tasks, no call"),
        }
    }

    /// How many tasks one run has that do something.
    pub(crate) const fn tasks(self) -> usize {
        match self {
            Self::Sequence(count)
            | Self::Fork(count)
            | Self::For(count)
            | Self::Children(count)
            | Self::Compute(count) => count,
        }
    }

    /// Whether the calls of a run come one after the other and say which run they belong to.
    pub(crate) const fn is_sequential(self) -> bool {
        !matches!(self, Self::Fork(_) | Self::Compute(_))
    }

    /// The document, and those that it refers to, in the order in which they have to be registered. Calls go to `base`.
    pub(crate) fn documents(self, base: &str) -> Vec<Value> {
        let name = self.name();
        let calls = |count: usize| -> Vec<Value> {
            (0..count).map(|n| json!({ (format!("call{n}")): post(base, &n.to_string()) })).collect()
        };
        match self {
            Self::Sequence(count) => vec![document(&name, calls(count))],
            Self::Fork(count) => {
                vec![document(&name, vec![json!({ "all": { "fork": { "branches": calls(count) } } })])]
            }
            Self::For(count) => vec![document(&name, vec![each(count, json!({ "call": item(base) }))])],
            Self::Children(count) => {
                let start = json!({ "child": { "run": { "workflow": {
                    "namespace": NAMESPACE,
                    "name": "child",
                    "version": "1.0.0",
                    "input": { "run": "${ $workflow.id }", "n": "${ $item }" },
                } } } });
                vec![
                    document("child", vec![json!({ "call": handed(base) })]),
                    document(&name, vec![each(count, start)]),
                ]
            }
            Self::Compute(count) => {
                let task = |n| json!({ (format!("set{n}")): { "set": { "n": n } } });
                vec![document(&name, (0..count).map(task).collect())]
            }
        }
    }
}

/// A document of these tasks.
pub(crate) fn document(name: &str, tasks: Vec<Value>) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": NAMESPACE, "name": name, "version": "1.0.0" },
        "do": tasks,
    })
}

/// A task that POSTs its input to `/RUN/PLACE` of the server that counts.
pub(crate) fn post(base: &str, place: &str) -> Value {
    request(&format!("${{ \"{base}/\\($workflow.id)/{place}\" }}"), json!("${ . }"))
}

/// The same, with the current item as its place.
pub(crate) fn item(base: &str) -> Value {
    request(&format!("${{ \"{base}/\\($workflow.id)/\\($item)\" }}"), json!({ "n": "${ $item }" }))
}

/// The same, with run and place from the input.
fn handed(base: &str) -> Value {
    request(&format!("${{ \"{base}/\\(.run)/\\(.n)\" }}"), json!("${ . }"))
}

fn request(endpoint: &str, body: Value) -> Value {
    json!({ "call": "http", "with": { "method": "post", "endpoint": endpoint, "body": body } })
}

/// A `for` over the numbers below `count`.
pub(crate) fn each(count: usize, task: Value) -> Value {
    let items = format!("[range({count})]");
    json!({ "each": { "for": { "each": "item", "in": items }, "do": [task] } })
}

#[cfg(test)]
mod tests {
    use openclaw_workflow::definition;

    use super::*;

    #[test]
    fn every_document_is_a_valid_workflow() {
        let scenarios = [
            Scenario::Sequence(100),
            Scenario::Fork(10),
            Scenario::For(100),
            Scenario::Children(10),
            Scenario::Compute(10),
        ];
        for document in scenarios.iter().flat_map(|scenario| scenario.documents("http://127.0.0.1:1")) {
            let read = definition::from_value(document.clone());
            assert!(read.is_ok(), "{document}: {:?}", read.err());
        }
    }
}
