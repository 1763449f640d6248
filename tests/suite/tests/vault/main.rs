//! The vault of a real server.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod canary;
mod lifecycle;

use openclaw_suite::Server;
use serde_json::{Value, json};

const PASSPHRASE: &str = "correct horse battery";

/// Makes the vault and answers its recovery key.
async fn init(server: &Server) -> String {
    let made =
        server.rpc("vault.init", json!({ "passphrase": PASSPHRASE })).await.expect("there is none yet");
    made["recoveryKey"].as_str().expect("a text").to_owned()
}

async fn set(server: &Server, name: &str, value: &str) -> Value {
    // The namespace of the documents of this suite.
    let params = json!({ "namespace": "default", "name": name, "value": value });
    server.rpc("credential.set", params).await.expect("the vault is unsealed")
}

async fn state(server: &Server) -> String {
    let status =
        server.rpc("vault.status", json!({})).await.expect("anybody who looks after the server may ask");
    status["state"].as_str().expect("a text").to_owned()
}

/// The code of a refusal.
fn code(refused: Result<Value, Value>) -> String {
    let error = refused.expect_err("it is refused");
    error["data"]["code"].as_str().unwrap_or_default().to_owned()
}

/// A document that sends the secret `api` to `url`.
fn sending(url: &str) -> Value {
    let mut document = openclaw_suite::documents::workflow(
        "sending",
        json!([{ "send": { "call": "http", "with": {
            "method": "post", "endpoint": url, "body": { "token": "${ $secrets.api }" } } } }]),
    );
    document["use"] = json!({ "secrets": ["api"] });
    document
}
