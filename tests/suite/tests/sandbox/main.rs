//! The sandbox, against the real binary: what it says of a machine, what tasks may ask of it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod asking;
mod terminal;

use openclaw_suite::{Server, documents::workflow};
use serde_json::{Value, json};

/// A task that runs `command` and asks for `sandbox`.
fn tool(command: &str, sandbox: Value) -> Value {
    json!({ "run": { "shell": { "command": command } }, "metadata": { "sandbox": sandbox } })
}

/// The output of a run of one such task.
async fn output(server: &Server, command: &str, sandbox: Value) -> Value {
    server.output(workflow("tool", json!([{ "tool": tool(command, sandbox) }])), Value::Null).await
}

/// Kind, status and detail of the error with which it ends.
async fn fault(server: &Server, command: &str, sandbox: Value) -> (String, u64, String) {
    let document = workflow("tool", json!([{ "tool": tool(command, sandbox) }]));
    let run = server.run(document, Value::Null).await;
    assert_eq!(run["status"], "faulted", "{command}: {run}");
    let error = &run["error"];
    let kind = error["type"].as_str().unwrap().rsplit('/').next().unwrap();
    (kind.to_owned(), error["status"].as_u64().unwrap(), error["detail"].as_str().unwrap().to_owned())
}
