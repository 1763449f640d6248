//! Events from outside, through every door.

use openclaw_suite::{Server, code, documents::workflow};
use serde_json::{Value, json};

/// A workflow that waits for an event of a type and outputs the data of all that it took in.
fn listening(event_type: &str) -> Value {
    workflow(
        "listening",
        json!([{ "hear": { "listen": { "to": { "one": { "with": { "type": event_type } } } } } }]),
    )
}

async fn post(server: &Server, headers: &[(&str, &str)], body: String) -> (u16, Value) {
    let mut request = server.caller().request("POST".parse().expect("it is there"), "/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body).send().await.expect("it is there");
    (response.status().as_u16(), response.json().await.expect("it is there"))
}

#[tokio::test]
async fn an_event_from_outside_wakes_whoever_listens_whichever_door_it_takes() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let mut runs = Vec::new();
    for door in ["rpc", "structured", "batched", "binary", "cli"] {
        let run = server.begin(listening(&format!("test.{door}")), json!({})).await;
        server.shows(&run, "waiting").await;
        runs.push(run);
    }
    let event =
        |door: &str| json!({ "type": format!("test.{door}"), "source": "/t", "data": { "door": door } });
    let published = server.rpc("event.publish", json!({ "event": event("rpc") })).await.unwrap();
    assert!(published["id"].as_str().unwrap().len() > 30, "an id is made: {published}");
    let structured = [("content-type", "application/cloudevents+json")];
    let (status, _) = post(&server, &structured, event("structured").to_string()).await;
    assert_eq!(status, 200);
    let batched = [("content-type", "application/cloudevents-batch+json")];
    let (status, body) =
        post(&server, &batched, json!([event("batched"), event("nobody")]).to_string()).await;
    assert_eq!((status, body.as_array().unwrap().len()), (200, 2), "{body}");
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-type", "test.binary"),
        ("ce-source", "/t"),
        ("ce-id", "1"),
        ("content-type", "application/json"),
    ];
    let (status, body) = post(&server, &binary, json!({ "door": "binary" }).to_string()).await;
    assert_eq!((status, &body["id"]), (200, &json!("1")), "{body}");
    let _ = server.cli(&["event", "publish", "-"], Some(&event("cli").to_string())).await.succeeded();
    for (run, door) in runs.iter().zip(["rpc", "structured", "batched", "binary", "cli"]) {
        let output = server.ended(run).await["output"].clone();
        assert_eq!(output[0], json!({ "door": door }), "{output}");
    }
    server.terminate().await;
}

#[tokio::test]
async fn an_event_that_is_published_twice_is_one_event() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let event = json!({ "id": "1", "source": "/t", "type": "t", "data": 1 });
    let first = server.rpc("event.publish", json!({ "event": event })).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.rpc("event.publish", json!({ "event": event })).await.unwrap(), first);
    let other = json!({ "id": "1", "source": "/t", "type": "t", "data": 2 });
    let refused = server.rpc("event.publish", json!({ "event": other })).await.unwrap_err();
    assert_eq!(code(&refused), "OC-EVT-001");
    // Without an id of its own, a repetition under one key is the same event.
    let anonymous = json!({ "event": { "type": "t" } });
    let one = server.caller().call("event.publish", &anonymous, Some("k")).await.unwrap().unwrap();
    let again = server.caller().call("event.publish", &anonymous, Some("k")).await.unwrap().unwrap();
    assert_eq!(one, again);
    let history = server.terminate().await;
    assert_eq!(history.0.iter().filter(|entry| entry.r#type == "event.published").count(), 2);
}
