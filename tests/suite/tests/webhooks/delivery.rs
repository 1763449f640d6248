//! What is delivered, in which order, and how often.

use openclaw_suite::{Server, code, documents::workflow};
use serde_json::json;

use super::{Receiver, SECRET, options, publish, register};

#[tokio::test]
async fn events_are_delivered_in_order_signed_and_only_those_that_are_wanted() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(5)).await, Receiver::start().await);
    publish(&server, "test.before", 1).await;
    register(&server, &receiver, json!(["test.*"])).await;
    for number in 2..=6 {
        publish(&server, if number == 4 { "other" } else { "test.after" }, number).await;
    }
    receiver.took(4).await;
    assert_eq!(receiver.numbers(), [2, 3, 5, 6]);
    let first = &receiver.deliveries()[0];
    assert_eq!(first.event["specversion"], "1.0");
    assert_eq!(first.headers["x-team"], "blue");
    let history = server.terminate().await;
    let log = serde_json::to_string(&history.0.iter().map(|entry| &entry.data).collect::<Vec<_>>()).unwrap();
    assert!(!log.contains(SECRET), "the key is in no event");
    let advanced = history.0.iter().filter(|entry| entry.r#type == "webhook.advanced").count();
    assert!(advanced <= 4, "{advanced} events say how far it has come");
    let cursor = history.0.iter().rfind(|entry| entry.r#type == "webhook.advanced").unwrap();
    // Uses of the key are events, too, and nothing that anybody wants to be told of.
    let through = cursor.data["through"].as_u64().unwrap();
    assert!(through >= receiver_position(&history), "all of it is recorded at the stop: {through}");
}

/// Position of the newest published event.
fn receiver_position(history: &openclaw_suite::History) -> u64 {
    history.0.iter().rfind(|entry| entry.r#type == "event.published").expect("it is there").position
}

#[tokio::test]
async fn what_runs_do_is_told_in_the_words_of_the_specification() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(5)).await, Receiver::start().await);
    register(&server, &receiver, json!(["io.serverlessworkflow.*", "com.example.*"])).await;
    let emit = json!({ "emit": { "event": { "with": { "type": "com.example.made", "source": "/t" } } } });
    let document = workflow(
        "told",
        json!([{ "make": emit }, { "fail": { "raise": { "error": {
        "type": "urn:broken", "status": 500, "title": "Broken" } } } }]),
    );
    let run = server.run(document, json!({})).await;
    assert_eq!(run["status"], "faulted");
    let last = "io.serverlessworkflow.workflow.faulted.v1";
    openclaw_suite::eventually("the last event", async || {
        receiver.taken().iter().any(|delivery| delivery.event["type"] == last).then_some(())
    })
    .await;
    let taken = receiver.taken();
    let types: Vec<&str> = taken.iter().filter_map(|delivery| delivery.event["type"].as_str()).collect();
    let place = |name: &str| {
        types.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name}: {types:?}"))
    };
    let order = [
        "io.serverlessworkflow.workflow.started.v1",
        "io.serverlessworkflow.task.started.v1",
        "com.example.made",
        "io.serverlessworkflow.task.completed.v1",
        "io.serverlessworkflow.task.faulted.v1",
        last,
    ]
    .map(place);
    assert!(order.is_sorted(), "{types:?}");
    let faulted = &taken[order[5]].event["data"];
    assert_eq!(faulted["error"]["type"], "urn:broken", "{faulted}");
    assert!(faulted["name"].as_str().unwrap().contains(run["runId"].as_str().unwrap()), "{faulted}");
    let ids: std::collections::BTreeSet<&str> = taken.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(ids.len(), taken.len(), "every event has an id of its own");
    server.terminate().await;
}

#[tokio::test]
async fn what_a_fork_has_copied_is_not_told_again() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(5)).await, Receiver::start().await);
    register(&server, &receiver, json!(["test.*"])).await;
    let made = json!({ "type": "test.made", "source": "/t", "data": { "n": 1 } });
    let emit = json!({ "emit": { "event": { "with": made } } });
    let tasks = json!([{ "make": emit }, { "end": { "set": { "n": 1 } } }]);
    let run = server.run(workflow("made", tasks), json!({})).await;
    let fork = json!({ "runId": run["runId"], "at": { "beforeTask": "end" } });
    let fork = server.rpc("run.fork", fork).await.unwrap();
    server.shows(fork["runId"].as_str().unwrap(), "completed").await;
    publish(&server, "test.after", 2).await;
    receiver.took(2).await;
    assert_eq!(receiver.numbers(), [1, 2]);
    server.terminate().await;
}

#[tokio::test]
async fn a_receiver_that_fails_gets_each_event_again_under_one_id_until_it_takes_it() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(10)).await, Receiver::start().await);
    register(&server, &receiver, json!(["*"])).await;
    receiver.refuse(3);
    for number in 1..=3 {
        publish(&server, "t", number).await;
    }
    receiver.took(3).await;
    assert_eq!(receiver.numbers(), [1, 2, 3], "nothing overtakes what is tried again");
    let first: Vec<_> = receiver.deliveries().into_iter().take(4).collect();
    assert!(first.iter().all(|delivery| delivery.id == first[0].id), "{first:?}");
    assert_eq!(receiver.deliveries().len(), 6);
    server.terminate().await;
}

#[tokio::test]
async fn nothing_is_left_out_when_the_receiver_is_down_and_the_server_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let (server, mut receiver) = (Server::start(data.path(), options(1_000)).await, Receiver::start().await);
    register(&server, &receiver, json!(["t"])).await;
    publish(&server, "t", 1).await;
    receiver.took(1).await;
    receiver.down().await;
    for number in 2..=5 {
        publish(&server, "t", number).await;
    }
    let server = server.kill9_and_restart().await;
    publish(&server, "t", 6).await;
    receiver.up().await;
    receiver.took(6).await;
    assert_eq!(receiver.numbers(), [1, 2, 3, 4, 5, 6]);
    // What was recorded is not delivered again.
    openclaw_suite::eventually("the record of the last", async || {
        let advanced = server.events_of_type("webhook.advanced").await;
        let delivered: u64 = advanced.iter().filter_map(|node| node["data"]["delivered"].as_u64()).sum();
        (delivered >= 5).then_some(())
    })
    .await;
    let seen = receiver.deliveries().len();
    let server = server.kill9_and_restart().await;
    publish(&server, "t", 7).await;
    receiver.took(7).await;
    assert_eq!(receiver.deliveries().len(), seen + 1);
    server.terminate().await;
}

#[tokio::test]
async fn a_webhook_that_is_removed_while_it_fails_is_told_nothing_more() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(100_000)).await, Receiver::start().await);
    register(&server, &receiver, json!(["t"])).await;
    receiver.refuse(usize::MAX);
    publish(&server, "t", 1).await;
    receiver.saw(2).await;
    server.rpc("webhook.remove", json!({ "name": "hook" })).await.unwrap();
    let refused = server.rpc("webhook.remove", json!({ "name": "hook" })).await.unwrap_err();
    assert_eq!(code(&refused), "OC-HOOK-001");
    // Registered anew it begins after that.
    receiver.refuse(0);
    register(&server, &receiver, json!(["t"])).await;
    publish(&server, "t", 2).await;
    receiver.took(1).await;
    assert_eq!(receiver.numbers(), [2]);
    server.terminate().await;
}

#[tokio::test]
async fn a_corrected_address_is_used_at_once_and_nothing_is_left_out() {
    let data = tempfile::tempdir().unwrap();
    let slow = options(10).set("webhooks.first_pause", "10m").set("webhooks.longest_pause", "10m");
    let (server, wrong, right) =
        (Server::start(data.path(), slow).await, Receiver::start().await, Receiver::start().await);
    register(&server, &wrong, json!(["t"])).await;
    wrong.refuse(usize::MAX);
    publish(&server, "t", 1).await;
    wrong.saw(1).await;
    register(&server, &right, json!(["t"])).await;
    right.took(1).await;
    server.terminate().await;
}

#[tokio::test]
async fn what_is_no_webhook_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let good = json!({ "name": "n", "url": "http://localhost/x", "types": ["t"], "secret": "s" });
    for (field, value) in [
        ("name", json!("")),
        ("url", json!("ftp://x/y")),
        ("url", json!("/relative")),
        ("types", json!([])),
        ("types", json!(["a*b"])),
        ("types", json!(["**"])),
        ("headers", json!({ "Webhook-Id": "x" })),
        ("headers", json!({ "bad name": "x" })),
        ("headers", json!({ "x": "a\nb" })),
    ] {
        let mut params = good.clone();
        params[field] = value;
        let refused = server.rpc("webhook.register", params.clone()).await.unwrap_err();
        assert_eq!(code(&refused), "OC-RPC-004", "{params}");
    }
    server.terminate().await;
}
