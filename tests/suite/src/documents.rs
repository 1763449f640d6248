//! Workflow documents, as short as tests want them.

use serde_json::{Value, json};

/// A document with these tasks, each an object of one entry: `[{ "name": { "set": {} } }]`.
#[must_use]
pub fn workflow(name: &str, tasks: Value) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "default", "name": name, "version": "1.0.0" },
        "do": tasks,
    })
}

/// `document` in another version.
#[must_use]
pub fn version(mut document: Value, version: &str) -> Value {
    document["document"]["version"] = json!(version);
    document
}

/// A task that runs a command line in the sandbox.
#[must_use]
pub fn shell(command: &str) -> Value {
    json!({ "run": { "shell": { "command": command } } })
}

/// A task that waits.
#[must_use]
pub fn wait(milliseconds: u64) -> Value {
    json!({ "wait": { "milliseconds": milliseconds } })
}

/// A task that POSTs its input to `url`.
#[must_use]
pub fn post(url: &str) -> Value {
    json!({ "call": "http", "with": { "method": "post", "endpoint": url, "body": "${ . }" } })
}
