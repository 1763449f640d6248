//! Webhooks, against the real binary and a receiver that fails as it is told.

mod delivery;
mod letters;
mod receiver;

use openclaw_suite::{Options, Server};
use receiver::{Receiver, SECRET};
use serde_json::{Value, json};

/// With the key of the receivers, short pauses, and as many attempts.
fn options(attempts: u32) -> Options {
    let mut options = Options::default()
        .set("webhooks.attempts", attempts)
        .set("webhooks.first_pause", "20ms")
        .set("webhooks.longest_pause", "50ms")
        .set("webhooks.timeout", "2s");
    options.environment.push(("OPENCLAW_SECRET_HOOK".into(), SECRET.into()));
    options
}

async fn register(server: &Server, receiver: &Receiver, types: Value) {
    let params = json!({ "name": "hook", "url": receiver.url(), "types": types, "secret": "HOOK",
        "headers": { "X-Team": "blue" } });
    server.rpc("webhook.register", params).await.expect("the server takes it");
}

/// Publishes an event and answers its log position.
async fn publish(server: &Server, event_type: &str, number: u64) -> u64 {
    let event =
        json!({ "type": event_type, "source": "/t", "id": number.to_string(), "data": { "n": number } });
    let published =
        server.rpc("event.publish", json!({ "event": event })).await.expect("the server takes it");
    published["position"].as_u64().expect("the server takes it")
}
