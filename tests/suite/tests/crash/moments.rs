//! Kills at chosen moments.

use std::time::Duration;

use openclaw_suite::{
    Options, Server,
    counting::Counting,
    documents::{post, workflow},
    eventually,
};
use serde_json::{Value, json};

async fn start(server: &Server, document: Value) -> String {
    let started = server.rpc("run.start", json!({ "definition": document })).await.unwrap();
    started["runId"].as_str().unwrap().to_owned()
}

/// Waits for an event of a run, as the log has it.
async fn happened(server: &Server, run: &str, event: &str) {
    let query = "query($filter: EventFilter) { events(filter: $filter) { nodes { position } } }";
    let filter = json!({ "filter": { "stream": format!("run/{run}"), "type": [event] } });
    eventually(event, async || {
        let data = server.query(query, filter.clone()).await;
        (!data["events"]["nodes"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let refused =
        Server::try_start(data.path(), Options::default()).await.expect_err("the directory is in use");
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("OC-LOG-005"), "{refused:?}");
    server.rpc("session.create", json!({ "sessionId": "still" })).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.terminate().await.0.len(), 1, "a killed process leaves no lock behind");
}

#[tokio::test]
async fn a_timer_that_was_killed_ends_when_it_was_due() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow(
        "timer",
        json!([{ "nap": { "wait": { "seconds": 3 } } }, { "end": { "set": { "done": true } } }]),
    );
    let run = start(&server, document).await;
    happened(&server, &run, "run.task_started").await;
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["output"], json!({ "done": true }));
    let history = server.terminate().await;
    let naps: Vec<_> = history.of_run(&run).into_iter().filter(|entry| entry.data["name"] == "nap").collect();
    assert_eq!(naps.len(), 1, "the timer is not started again");
    let due = naps[0].data["work"]["due"].as_str().unwrap();
    let completed =
        history.of_run(&run).into_iter().find(|entry| entry.r#type == "run.task_completed").unwrap();
    assert_eq!(completed.data["task"], naps[0].data["task"]);
    assert!(completed.at.as_str() >= due, "not before {due}: {}", completed.at);
}

#[tokio::test]
async fn a_timer_that_was_due_while_nobody_ran_ends_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run =
        start(&server, workflow("timer", json!([{ "nap": { "wait": { "milliseconds": 400 } } }]))).await;
    happened(&server, &run, "run.task_started").await;
    server.kill9().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let server = Server::on(data.path()).await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    server.terminate().await;
}

#[tokio::test]
async fn a_kill_in_the_second_attempt_does_not_begin_the_count_again() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let counting = Counting::start().await;
    counting.fail("/flaky", 100, 503);
    let document = workflow(
        "retried",
        json!([{ "persist": {
            "try": [{ "call": post(&counting.url("/flaky")) }],
            "catch": { "retry": { "delay": { "milliseconds": 600 }, "limit": { "attempt": { "count": 4 } } } },
        } }]),
    );
    let run = start(&server, document).await;
    happened(&server, &run, "run.task_retried").await;
    // The second attempt hangs, and is killed.
    counting.delay("/flaky", Duration::from_secs(60));
    eventually("the second attempt", async || (counting.calls().len() == 2).then_some(())).await;
    server.kill9().await;
    counting.delay("/flaky", Duration::ZERO);
    let server = Server::on(data.path()).await;
    assert_eq!(server.ended(&run).await["status"], "faulted");
    let history = server.terminate().await;
    let attempts = |event: &str| -> Vec<u64> {
        let entries = history.of_run(&run).into_iter().filter(|entry| entry.r#type == event);
        entries.filter_map(|entry| entry.data["attempt"].as_u64()).collect()
    };
    assert_eq!(attempts("run.task_retried"), [2, 3, 4]);
    let calls = history.of_run(&run).into_iter().filter(|entry| entry.data["name"] == "call");
    assert_eq!(calls.map(|entry| entry.data["attempt"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(counting.calls().len(), 5, "attempt 2 twice, because nobody knew how the first went");
    assert_eq!(history.dispatches().values().sum::<usize>(), 5);
}

#[tokio::test]
async fn an_effect_that_may_not_be_repeated_waits_for_a_decision() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let counting = Counting::start().await;
    counting.delay("/pay", Duration::from_secs(60));
    let mut pay = post(&counting.url("/pay"));
    pay["metadata"] = json!({ "effect": "irreversible" });
    let run = start(&server, workflow("pay", json!([{ "pay": pay }]))).await;
    eventually("the call", async || (counting.calls().len() == 1).then_some(())).await;
    let server = server.kill9_and_restart().await;
    happened(&server, &run, "run.effect_unknown").await;
    let query = "query($id: ID!) { run(id: $id) { status tasks { nodes { name status dispatches } } } }";
    let shown = eventually("the view", async || {
        let data = server.query(query, json!({ "id": run })).await;
        (data["run"]["status"] == "suspended").then(|| data["run"].clone())
    })
    .await;
    assert_eq!(shown["tasks"]["nodes"], json!([{ "name": "pay", "status": "suspended", "dispatches": 1 }]));
    let server = server.kill9_and_restart().await;
    server.rpc("session.create", json!({ "sessionId": "others-go-on" })).await.unwrap();
    assert_eq!(counting.calls().len(), 1, "it is not called again");
    server.rpc("run.cancel", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "cancelled", "a person can end it");
    server.terminate().await;
}

#[tokio::test]
async fn a_child_that_was_killed_with_its_parent_is_started_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let child = workflow(
        "child",
        json!([{ "nap": { "wait": { "milliseconds": 800 } } }, { "end": { "set": { "n": 1 } } }]),
    );
    server.rpc("workflow.register", json!({ "definition": child })).await.unwrap();
    let call =
        json!({ "run": { "workflow": { "namespace": "suite", "name": "child", "version": "1.0.0" } } });
    let run = start(&server, workflow("parent", json!([{ "delegate": call }]))).await;
    eventually("the child", async || {
        let data = server.query("{ runs { totalCount } }", json!({})).await;
        (data["runs"]["totalCount"] == 2).then_some(())
    })
    .await;
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["output"], json!({ "n": 1 }));
    assert_eq!(server.terminate().await.streams("run/").len(), 2);
}
