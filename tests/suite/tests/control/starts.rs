//! Labels, later starts, and runs that take turns.

use openclaw_suite::{
    Server, code,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

async fn start(server: &Server, definition: &Value, more: Value) -> Result<String, Value> {
    let mut params = json!({ "definition": definition });
    for (name, value) in more.as_object().expect("it is there") {
        params[name] = value.clone();
    }
    Ok(server.rpc("run.start", params).await?["runId"].as_str().expect("it is there").to_owned())
}

#[tokio::test]
async fn runs_of_one_key_take_turns_and_the_highest_priority_is_next() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow("turn", json!([{ "call": post(&counting.url("/turn")) }]));
    let with = |priority: i32, name: &str| {
        let concurrency = json!({ "key": "k", "limit": 1 });
        json!({ "concurrency": concurrency, "priority": priority, "input": { "name": name }, "labels": { "n": name } })
    };
    counting.hold("/turn", 1);
    let first = start(&server, &document, with(0, "first")).await.unwrap();
    counting.arrived("/turn", 1).await;
    let low = start(&server, &document, with(0, "low")).await.unwrap();
    let high = start(&server, &document, with(5, "high")).await.unwrap();
    server.shows(&low, "pending").await;
    server.shows(&high, "pending").await;
    let server = server.kill9_and_restart().await;
    counting.arrived("/turn", 2).await;
    counting.release("/turn");
    for run in [&first, &low, &high] {
        assert_eq!(server.ended(run).await["status"], "completed");
    }
    let calls = counting.calls_of("/turn");
    let names: Vec<&str> = calls.iter().filter_map(|call| call.body["name"].as_str()).collect();
    assert_eq!(names, ["first", "first", "high", "low"], "the first was under way when the server died");
    let history = server.terminate().await;
    assert_eq!(history.of_type(&low, "run.started")[0].data["labels"], json!({ "n": "low" }));
}

#[tokio::test]
async fn a_run_starts_at_its_time_and_not_before() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow("later", json!([{ "call": post(&counting.url("/later")) }]));
    let soon = start(&server, &document, json!({ "delay": "700ms" })).await.unwrap();
    let never = start(&server, &document, json!({ "startAt": "2099-01-01T00:00:00Z" })).await.unwrap();
    let past = start(&server, &document, json!({ "startAt": "2020-01-01T00:00:00Z" })).await.unwrap();
    assert_eq!(server.ended(&past).await["status"], "completed");
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&soon).await["status"], "completed");
    server.shows(&never, "pending").await;
    server.rpc("run.cancel", json!({ "runId": never })).await.unwrap();
    assert_eq!(server.ended(&never).await["status"], "cancelled");
    let history = server.terminate().await;
    let started = &history.of_type(&soon, "run.started")[0];
    let running = &history.of_type(&soon, "run.running")[0];
    assert!(started.data["not_before"].as_str().unwrap() <= running.at.as_str(), "{started:?} {running:?}");
    assert_eq!(counting.calls_of("/later").len(), 2);
}

#[tokio::test]
async fn what_a_start_cannot_have_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow("w", json!([{ "a": { "set": { "x": 1 } } }]));
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("l{n}"), json!("x"))).collect();
    for more in [
        json!({ "delay": "1s", "startAt": "2099-01-01T00:00:00Z" }),
        json!({ "delay": "9000h" }),
        json!({ "startAt": "tomorrow" }),
        json!({ "concurrency": { "key": "k", "limit": 0 } }),
        json!({ "concurrency": { "key": "", "limit": 1 } }),
        json!({ "labels": many }),
        json!({ "labels": { "a": 1 } }),
    ] {
        assert_eq!(code(&start(&server, &document, more.clone()).await.unwrap_err()), "OC-RPC-004", "{more}");
    }
    server.terminate().await;
}
