//! OAuth2, OpenAPI and inquiries, through the whole server.

use std::time::Duration;

use openclaw_suite::{Server, counting::Counting, documents::workflow};
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_is_fetched_for_a_policy_and_used_for_every_call() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.body("/oauth2/token", json!({ "access_token": "t", "expires_in": 3600 }));
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": {
        "uri": counting.url("/api"), "authentication": { "use": "server" } } } });
    let mut document = workflow("granted", json!([{ "one": call }, { "two": call }]));
    document["use"] = json!({ "authentications": { "server": { "oauth2": {
        "authority": counting.url(""), "grant": "client_credentials", "scopes": ["a", "b"],
        "client": { "id": "me", "secret": "pass" } } } } });
    let run = server.run(document, Value::Null).await;
    assert_eq!(run["status"], "completed", "{run}");
    let asked = counting.calls_of("/oauth2/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a%20b&client_id=me&client_secret=pass");
    assert_eq!(counting.calls_of("/api").len(), 2);
}

#[tokio::test]
async fn an_operation_is_called_as_its_document_says() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let description = json!({
        "openapi": "3.0.3",
        "servers": [{ "url": "/v2" }],
        "paths": { "/pets/{id}": { "put": {
            "operationId": "updatePet",
            "parameters": [
                { "name": "id", "in": "path", "required": true, "schema": {} },
                { "name": "tag", "in": "query", "schema": { "type": "array" } } ],
            "requestBody": { "content": { "application/json": { "schema": { "properties": { "name": {} } } } } },
        } } },
    });
    counting.body("/openapi.json", description);
    let call = |operation: &str, parameters: Value| {
        let with = json!({
            "document": { "endpoint": counting.url("/openapi.json") }, "operationId": operation,
            "parameters": parameters,
        });
        workflow("described", json!([{ "call": { "call": "openapi", "with": with } }]))
    };
    let parameters = json!({ "id": "${ .id }", "tag": ["a", "b"], "name": "Rex" });
    let output = server.output(call("updatePet", parameters), json!({ "id": 7 })).await;
    assert_eq!(output["count"], 1);
    let called = &counting.calls_of("/v2/pets/7")[0];
    assert_eq!((called.method.as_str(), called.query.as_str()), ("PUT", "tag=a&tag=b"));
    assert_eq!(called.body, json!({ "name": "Rex" }));
    assert!(called.key.is_some());
    let run = server.run(call("updatPet", json!({})), Value::Null).await;
    let detail = run["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("Did you mean \"updatePet\"?"), "{detail}");
    assert_eq!(counting.calls_of("/openapi.json").len(), 1, "the document is kept");
}

/// A call whose outcome the receiver can be asked for.
fn queryable(counting: &Counting) -> Value {
    let task = json!({
        "call": "http", "with": { "method": "post", "endpoint": counting.url("/pay") },
        "metadata": {
            "effect": "queryable",
            "inquiry": { "endpoint": counting.url("/paid") },
        },
    });
    workflow("queried", json!([{ "pay": task }]))
}

#[tokio::test]
async fn the_receiver_is_asked_what_became_of_a_call_that_a_crash_cut_off() {
    for happened in [true, false] {
        let data = tempfile::tempdir().unwrap();
        let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
        counting.hold("/pay", 1);
        let params = json!({ "definition": queryable(&counting) });
        let run = server.rpc("run.start", params).await.unwrap()["runId"].as_str().unwrap().to_owned();
        counting.arrived("/pay", 1).await;
        if happened {
            counting.body("/paid", json!({ "receipt": 7 }));
        } else {
            counting.fail("/paid", 1, 404);
        }
        server.kill9().await;
        counting.release("/pay");
        let server = Server::on(data.path()).await;
        let ended = server.ended(&run).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        let calls = counting.calls_of("/pay").len();
        assert_eq!((calls, counting.calls_of("/paid").len()), (if happened { 1 } else { 2 }, 1));
        if happened {
            assert_eq!(ended["output"], json!({ "receipt": 7 }));
        }
        let keys: Vec<_> = counting.calls().into_iter().map(|call| call.key).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "the inquiry has the key of the call: {keys:?}");
        let _ = tokio::time::timeout(Duration::from_secs(30), server.terminate()).await.unwrap();
    }
}
