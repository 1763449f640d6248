//! Tool policies, against the real binary: what is denied never happens, what people are asked about waits for them.

mod asking;
mod crash;
mod injection;
mod methods;

use openclaw_suite::{Server, documents::workflow};
use serde_json::{Value, json};

/// Puts `rules` in force for the namespace of the suite's documents.
async fn guard(server: &Server, rules: Value) -> Value {
    let params = json!({ "namespace": "default", "document": { "rules": rules } });
    server.rpc("policy.set", params).await.expect("the policy is right")
}

/// A workflow that calls `url` once, in a way that may not be repeated when its outcome is unknown.
fn paying(url: &str) -> Value {
    let call = json!({ "method": "post", "endpoint": url, "body": { "amount": 20 } });
    workflow(
        "pay",
        json!([{ "pay": { "call": "http", "with": call, "metadata": { "effect": "irreversible" } } }]),
    )
}

fn ask() -> Value {
    json!([{ "name": "ask", "tools": ["http"], "action": "ask", "ask": { "title": "Pay?", "assignees": ["ada", "bob"] } }])
}
