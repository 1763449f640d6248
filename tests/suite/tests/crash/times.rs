//! The crash table, by time: what was waited for already is not waited for again, and counts go on.

use std::time::Duration;

use openclaw_model::Timestamp;
use openclaw_suite::{
    Entry, History, Server,
    counting::Counting,
    documents::{post, workflow},
    eventually,
};
use serde_json::{Value, json};

fn time(text: &Value) -> Timestamp {
    text.as_str().unwrap().parse().unwrap()
}

fn at(entry: &Entry) -> Timestamp {
    entry.at.parse().unwrap()
}

/// When the timer of a run was due, and when it ended.
fn timer(history: &History, run: &str) -> (Timestamp, Timestamp, Timestamp) {
    let timers: Vec<_> = history
        .of_type(run, "run.task_started")
        .into_iter()
        .filter(|entry| entry.data["work"]["type"] == "timer")
        .collect();
    assert_eq!(timers.len(), 1, "the timer is started once");
    let completed = history
        .of_type(run, "run.task_completed")
        .into_iter()
        .find(|entry| entry.data["task"] == timers[0].data["task"])
        .unwrap();
    (at(timers[0]), time(&timers[0].data["work"]["due"]), at(completed))
}

#[tokio::test]
async fn two_thirds_through_a_wait_of_six_seconds_the_rest_remains() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow(
        "timer",
        json!([{ "nap": { "wait": { "seconds": 6 } } }, { "end": { "set": { "done": true } } }]),
    );
    let run = server.begin(document, json!({})).await;
    server.happened(&run, "run.task_started", 1).await;
    // The moment is a time, so there is nothing else to wait for.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["output"], json!({ "done": true }));
    let (began, due, ended) = timer(&server.terminate().await, &run);
    // The event is appended some moments after its due time was computed.
    assert!(due <= began.plus_millis(6_000) && due > began.plus_millis(5_000), "{began} {due}");
    assert!(ended >= due, "not before: {began} {due} {ended}");
    assert!(ended < began.plus_millis(10_000), "not the whole of it again: {began} {due} {ended}");
}

#[tokio::test]
async fn a_timer_that_was_due_while_nobody_ran_ends_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server
        .begin(workflow("timer", json!([{ "nap": { "wait": { "milliseconds": 400 } } }])), json!({}))
        .await;
    server.happened(&run, "run.task_started", 1).await;
    server.kill9().await;
    // The moment is a time, so there is nothing else to wait for.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let server = Server::on(data.path()).await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    let (_, due, ended) = timer(&server.terminate().await, &run);
    assert!(ended >= due);
}

fn retried(url: &str, delay: u64) -> Value {
    workflow(
        "retried",
        json!([{ "persist": {
            "try": [{ "call": post(url) }],
            "catch": {
                "retry": { "delay": { "milliseconds": delay }, "limit": { "attempt": { "count": 5 } } },
            },
        } }]),
    )
}

/// The attempts of a run, as its calls say and as its retries say.
fn attempts(history: &History, run: &str) -> (Vec<u64>, Vec<u64>) {
    let calls =
        history.of_type(run, "run.task_started").into_iter().filter(|entry| entry.data["name"] == "call");
    let calls = calls.map(|entry| entry.data["attempt"].as_u64().unwrap()).collect();
    (calls, history.numbers(run, "run.task_retried", "attempt"))
}

#[tokio::test]
async fn in_the_third_attempt_the_count_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.fail("/flaky", 100, 503);
    counting.hold("/flaky", 3);
    let run = server.begin(retried(&counting.url("/flaky"), 20), json!({})).await;
    counting.arrived("/flaky", 3).await;
    let server = server.kill9_and_restart().await;
    counting.arrived("/flaky", 4).await;
    counting.release("/flaky");
    let ended = server.ended(&run).await;
    assert_eq!(ended["error"]["status"], 503, "{ended}");
    let history = server.terminate().await;
    assert_eq!(attempts(&history, &run), (vec![1, 2, 3, 4, 5], vec![2, 3, 4, 5]));
    assert_eq!(counting.calls().len(), 6, "attempt 3 twice, because nobody knew how the first went");
    assert_eq!(counting.by_key().len(), 1, "all attempts are one effect");
}

#[tokio::test]
async fn in_the_back_off_after_the_second_attempt_its_rest_remains() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.fail("/flaky", 2, 503);
    let run = server.begin(retried(&counting.url("/flaky"), 1_500), json!({ "n": 7 })).await;
    server.happened(&run, "run.task_retried", 2).await;
    let server = server.kill9_and_restart().await;
    let ended = server.ended(&run).await;
    assert_eq!(ended["output"]["received"], json!({ "n": 7 }), "{ended}");
    let history = server.terminate().await;
    assert_eq!(attempts(&history, &run), (vec![1, 2, 3], vec![2, 3]));
    assert_eq!(counting.calls().len(), 3, "no attempt is begun by the restart");
    let due = time(&history.of_type(&run, "run.task_retried")[1].data["due"]);
    let third =
        history.of_type(&run, "run.task_started").into_iter().find(|entry| entry.data["attempt"] == 3);
    assert!(at(third.unwrap()) >= due, "not before it was due");
}

#[tokio::test]
async fn a_time_limit_goes_on_counting_while_nobody_runs() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let mut slow = post(&counting.url("/slow"));
    slow["timeout"] = json!({ "after": { "milliseconds": 1_500 } });
    counting.hold("/slow", 1);
    let run = server.begin(workflow("limited", json!([{ "slow": slow }])), json!({})).await;
    counting.arrived("/slow", 1).await;
    let server = server.kill9_and_restart().await;
    let ended = server.ended(&run).await;
    assert_eq!(ended["error"]["status"], 408, "{ended}");
    let history = server.terminate().await;
    let started = history.of_type(&run, "run.task_started");
    let faulted = history.of_type(&run, "run.task_faulted");
    let deadline = time(&started[0].data["deadline"]);
    assert!(deadline <= at(started[0]).plus_millis(1_500), "it is not set anew");
    assert!(at(faulted[0]) >= deadline && at(faulted[0]) < deadline.plus_millis(10_000));
    // The call that is given up is closed, which the other side sees as a client that is gone.
    eventually("at most two calls", async || (counting.calls().len() <= 2).then_some(())).await;
}
