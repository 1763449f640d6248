//! Connections to the outside, against the real binary: what it calls, and what its tools reach.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod server;
mod tools;

use openclaw_suite::Server;
use serde_json::{Value, json};

/// The events of connections of a run, type and data, once `count` of them are there.
async fn connections(server: &Server, run: &str, count: usize) -> Vec<(String, Value)> {
    const QUERY: &str = "query($stream: String!) { events(filter: { stream: $stream }, first: 50, order: ASC) { nodes { type data } } }";
    openclaw_suite::eventually(&format!("{count} events of connections of {run}"), async || {
        let found = server.query(QUERY, json!({ "stream": format!("egress/{run}") })).await;
        let nodes = found["events"]["nodes"].as_array().cloned().unwrap_or_default();
        let events: Vec<_> = nodes
            .iter()
            .map(|node| (node["type"].as_str().unwrap().to_owned(), node["data"].clone()))
            .collect();
        (events.len() >= count).then_some(events)
    })
    .await
}
