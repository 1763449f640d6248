//! Pause, resume, retry, reconcile.

use openclaw_suite::{
    Server, code,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

use super::irreversible;

#[tokio::test]
async fn a_paused_run_ends_what_is_under_way_and_begins_nothing_until_it_is_resumed() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "two",
        json!([{ "one": post(&counting.url("/one")) }, { "two": post(&counting.url("/two")) }]),
    );
    counting.hold("/one", 1);
    let run = server.begin(document, json!({})).await;
    counting.arrived("/one", 1).await;
    let paused = server.rpc("run.pause", json!({ "runId": run, "reason": "wait" })).await.unwrap();
    assert_eq!(paused["status"], "suspended");
    counting.release("/one");
    server.happened(&run, "run.task_completed", 1).await;
    // It stays so across a crash, and pausing again changes nothing.
    let server = server.kill9_and_restart().await;
    let again = server.rpc("run.pause", json!({ "runId": run })).await.unwrap();
    assert_eq!(again["status"], "suspended");
    server.shows(&run, "suspended").await;
    assert!(counting.calls_of("/two").is_empty());
    server.rpc("run.resume", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!((counting.calls_of("/one").len(), counting.calls_of("/two").len()), (1, 1));
    let refused = server.rpc("run.resume", json!({ "runId": run })).await.unwrap_err();
    assert_eq!(code(&refused), "OC-RUN-003");
    server.terminate().await;
}

#[tokio::test]
async fn a_faulted_run_goes_on_at_the_task_that_failed() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "three",
        json!([{ "one": post(&counting.url("/one")) }, { "two": post(&counting.url("/two")) },
            { "three": post(&counting.url("/three")) }]),
    );
    counting.fail("/two", 2, 500);
    let run = server.begin(document, json!({})).await;
    assert_eq!(server.ended(&run).await["status"], "faulted");
    let key = counting.calls_of("/two")[0].key.clone();
    server.rpc("run.retry", json!({ "runId": run })).await.unwrap();
    server.happened(&run, "run.faulted", 2).await;
    let server = server.kill9_and_restart().await;
    server.rpc("run.retry", json!({ "runId": run })).await.unwrap();
    server.happened(&run, "run.completed", 1).await;
    assert_eq!(counting.calls_of("/one").len(), 1, "what was done is not done again");
    assert!(counting.calls_of("/two").iter().all(|call| call.key == key), "it is the same effect");
    assert_eq!((counting.calls_of("/two").len(), counting.calls_of("/three").len()), (3, 1));
    let refused = server.rpc("run.retry", json!({ "runId": run })).await.unwrap_err();
    assert_eq!(code(&refused), "OC-RUN-006");
    server.kill9().await;
}

#[tokio::test]
async fn a_held_task_runs_again_or_its_error_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let mut task = post(&counting.url("/act"));
    task["metadata"] = json!({ "onFault": "pause" });
    let document = workflow("held", json!([{ "act": task }, { "done": { "set": { "done": true } } }]));
    counting.fail("/act", 1, 500);
    let run = server.begin(document.clone(), json!({})).await;
    server.happened(&run, "run.task_held", 1).await;
    server.shows(&run, "suspended").await;
    let server = server.kill9_and_restart().await;
    server.rpc("run.retry", json!({ "runId": run, "task": 1 })).await.unwrap();
    assert_eq!(server.ended(&run).await["output"], json!({ "done": true }));

    counting.fail("/act", 1, 500);
    let run = server.begin(document, json!({})).await;
    server.happened(&run, "run.task_held", 1).await;
    server.rpc("run.resume", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "faulted");
    assert_eq!(counting.calls_of("/act").len(), 3);
    server.terminate().await;
}

/// A run whose irreversible call is under way when the server dies, with a server that has come back.
async fn uncertain(directory: &std::path::Path, counting: &Counting) -> (Server, String) {
    let server = Server::on(directory).await;
    let document = workflow(
        "pay",
        json!([{ "pay": {
            "try": [{ "pay": irreversible(&counting.url("/pay")) }, { "note": post(&counting.url("/note")) }],
            "catch": { "errors": { "with": { "status": 402 } }, "do": [{ "caught": { "set": { "caught": true } } }] },
        } }]),
    );
    counting.hold("/pay", counting.calls_of("/pay").len() + 1);
    let run = server.begin(document, json!({})).await;
    counting.arrived("/pay", counting.calls_of("/pay").len().max(1)).await;
    let server = server.kill9_and_restart().await;
    server.happened(&run, "run.effect_unknown", 1).await;
    counting.release("/pay");
    (server, run)
}

async fn reconcile(server: &Server, run: &str, outcome: Value) -> Result<Value, Value> {
    let params = json!({ "runId": run, "task": 2, "outcome": outcome, "note": "looked it up" });
    server.rpc("effect.reconcile", params).await
}

#[tokio::test]
async fn a_person_says_that_an_uncertain_effect_happened() {
    let (data, counting) = (tempfile::tempdir().unwrap(), Counting::start().await);
    let (server, run) = uncertain(data.path(), &counting).await;
    let wrong =
        server.rpc("effect.reconcile", json!({ "runId": run, "task": 1, "outcome": { "notDone": {} } }));
    assert_eq!(code(&wrong.await.unwrap_err()), "OC-RUN-008");
    reconcile(&server, &run, json!({ "succeeded": { "receipt": 7 } })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!(counting.calls_of("/note")[0].body, json!({ "receipt": 7 }), "it is the output of the task");
    assert_eq!(counting.calls_of("/pay").len(), 1);
    assert_eq!(code(&reconcile(&server, &run, json!({ "notDone": {} })).await.unwrap_err()), "OC-RUN-003");
    server.terminate().await;
}

#[tokio::test]
async fn a_person_says_that_an_uncertain_effect_failed() {
    let (data, counting) = (tempfile::tempdir().unwrap(), Counting::start().await);
    let (server, run) = uncertain(data.path(), &counting).await;
    reconcile(&server, &run, json!({ "failed": { "type": "urn:declined", "status": 402 } })).await.unwrap();
    assert_eq!(server.ended(&run).await["output"], json!({ "caught": true }));
    assert_eq!((counting.calls_of("/pay").len(), counting.calls_of("/note").len()), (1, 0));
    server.terminate().await;
}

#[tokio::test]
async fn a_person_says_that_an_uncertain_effect_did_not_happen_and_it_is_tried_again() {
    let (data, counting) = (tempfile::tempdir().unwrap(), Counting::start().await);
    let (server, run) = uncertain(data.path(), &counting).await;
    reconcile(&server, &run, json!({ "notDone": {} })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    let calls = counting.calls_of("/pay");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].key, calls[1].key, "it is the same effect");
    server.terminate().await;
}
