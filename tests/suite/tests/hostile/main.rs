//! Input that means harm: a coded error that names the place, bounded time and memory, and others are served
//! meanwhile.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod configuration;
mod connections;
mod documents;
mod doors;
mod frames;
mod graphql;
mod rpc;

use std::time::Duration;

use openclaw_suite::{Caller, Server};
use serde_json::json;
use tokio::time::timeout;

/// What the server may ever have in physical memory.
const MEMORY: u64 = 400 << 20;
/// Whoever does no harm is answered in this time, on any machine.
const NEIGHBOUR: Duration = Duration::from_secs(10);

/// Carries `hostile` out while somebody else asks and asks. Panics when the other one is not answered in time.
async fn beside_others<T>(server: &Server, hostile: impl Future<Output = T>) -> T {
    // On connections of its own.
    let neighbour = Caller::new(server.caller().base(), server.caller().token());
    tokio::pin!(hostile);
    loop {
        let asked = async {
            let answer = timeout(NEIGHBOUR, neighbour.call("system.version", &json!([]), None)).await;
            let answer = answer.expect("others are answered in time").expect("others are answered");
            assert_eq!(answer.expect("others are answered well")["name"], "openclaw");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        tokio::select! {
            biased;
            () = asked => {}
            outcome = &mut hostile => return outcome,
        }
    }
}

/// The server lives, has kept to its memory, and still does its work.
async fn unharmed(mut server: Server) {
    assert!(server.is_alive());
    let peak = server.memory(true);
    assert!(peak < MEMORY, "it had {} MiB", peak >> 20);
    let document =
        openclaw_suite::documents::workflow("after", json!([{ "a": { "set": { "fine": true } } }]));
    assert_eq!(server.output(document, json!({})).await, json!({ "fine": true }));
    server.terminate().await;
}
