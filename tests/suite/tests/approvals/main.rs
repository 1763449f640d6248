//! Decisions of people, against the real binary.

mod deadlines;
mod decisions;

use serde_json::{Value, json};

use openclaw_suite::documents::workflow;

/// A workflow that asks, and outputs what was decided.
fn asking(with: &Value) -> Value {
    let mut with = with.clone();
    with["title"] = json!("Refund?");
    workflow("asking", json!([{ "ask": { "call": "approval", "with": with } }]))
}
