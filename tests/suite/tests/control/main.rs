//! Taking runs in hand: against the real binary.

mod events;
mod forks;
mod holds;
mod starts;
mod stops;

use serde_json::{Value, json};

/// A call with POST that is not repeated after a crash.
fn irreversible(url: &str) -> Value {
    json!({
        "call": "http", "with": { "method": "post", "endpoint": url }, "metadata": { "effect": "irreversible" },
    })
}
