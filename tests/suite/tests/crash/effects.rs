//! The crash table, between a side effect and its recorded outcome: what becomes of it is a matter of its class.

use openclaw_suite::{Server, counting::Counting, documents::workflow};
use serde_json::{Value, json};

fn call(url: &str, method: &str, class: Option<&str>) -> Value {
    let mut call = json!({ "call": "http", "with": { "method": method, "endpoint": url } });
    if let Some(class) = class {
        call["metadata"] = json!({ "effect": class });
    }
    call
}

/// The effect has happened at the other side, its outcome is not recorded; the server dies there `kills` times.
async fn repeated(method: &str, class: Option<&str>, recorded: &str, kills: usize) {
    let data = tempfile::tempdir().unwrap();
    let (mut server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "effect",
        json!([{ "act": call(&counting.url("/act"), method, class) }, { "done": { "set": { "done": true } } }]),
    );
    counting.hold("/act", 1);
    let run = server.begin(document, json!({})).await;
    for kill in 1..=kills {
        counting.arrived("/act", kill).await;
        server = server.kill9_and_restart().await;
    }
    counting.arrived("/act", kills + 1).await;
    counting.release("/act");
    assert_eq!(server.ended(&run).await["output"], json!({ "done": true }));
    let history = server.terminate().await;
    let calls = counting.calls();
    assert_eq!(calls.len(), kills + 1, "once by each process");
    let keys: Vec<&str> =
        calls.iter().map(|call| call.key.as_deref().expect("every effect has a key")).collect();
    let intended = &history.of_type(&run, "run.task_started")[0].data["work"];
    assert_eq!(intended["class"], recorded);
    assert!(keys.iter().all(|key| intended["key"] == *key), "{keys:?} {intended}");
    let dispatches: Vec<u64> = (2..).take(kills).collect();
    assert_eq!(history.numbers(&run, "run.effect_redispatched", "dispatch"), dispatches, "never silently");
    assert_eq!(history.of_type(&run, "run.task_completed").len(), 2, "it has one outcome");
}

#[tokio::test]
async fn a_pure_effect_is_tried_again() {
    repeated("get", None, "pure", 1).await;
}

#[tokio::test]
async fn an_idempotent_effect_is_tried_again() {
    repeated("put", None, "idempotent", 1).await;
}

#[tokio::test]
async fn a_keyed_effect_is_tried_again_under_the_same_key_as_often_as_it_takes() {
    repeated("post", None, "keyed", 3).await;
}

#[tokio::test]
async fn a_declared_class_wins_over_that_of_the_method() {
    repeated("post", Some("pure"), "pure", 1).await;
}

#[tokio::test]
async fn an_irreversible_effect_is_called_once_and_its_run_is_suspended() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let pay = call(&counting.url("/pay"), "post", Some("irreversible"));
    counting.hold("/pay", 1);
    let run = server
        .begin(workflow("pay", json!([{ "pay": pay }, { "done": { "set": { "done": true } } }])), json!({}))
        .await;
    counting.arrived("/pay", 1).await;
    let server = server.kill9_and_restart().await;
    server.happened(&run, "run.effect_unknown", 1).await;
    server.shows(&run, "suspended").await;
    // Another start does not ask again, nor does it try.
    let server = server.kill9_and_restart().await;
    server.rpc("session.create", json!({ "sessionId": "others-go-on" })).await.unwrap();
    server.shows(&run, "suspended").await;
    server.rpc("run.cancel", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "cancelled", "a person can end it");
    let history = server.terminate().await;
    assert_eq!(counting.calls().len(), 1, "it is not called again");
    assert_eq!(history.of_type(&run, "run.effect_unknown").len(), 1);
    assert_eq!(history.started(&run), ["pay"]);
}

#[tokio::test]
async fn an_irreversible_effect_suspends_its_own_branch_and_no_other() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "branches",
        json!([{ "both": { "fork": { "branches": [
            { "pay": call(&counting.url("/pay"), "post", Some("irreversible")) },
            { "tell": { "do": [{ "ask": call(&counting.url("/ask"), "post", None) },
                               { "note": call(&counting.url("/note"), "post", None) }] } },
        ] } } }]),
    );
    counting.hold("/pay", 1);
    counting.hold("/ask", 1);
    let run = server.begin(document, json!({})).await;
    counting.arrived("/pay", 1).await;
    counting.arrived("/ask", 1).await;
    let server = server.kill9_and_restart().await;
    counting.arrived("/ask", 2).await;
    counting.release("/ask");
    counting.arrived("/note", 1).await;
    server.shows(&run, "suspended").await;
    assert_eq!(counting.calls_of("/pay").len(), 1);
    server.terminate().await;
}
