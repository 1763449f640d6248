//! Subscriptions: nothing is lost and nothing comes twice, however often the connection breaks.

use futures_util::StreamExt;
use openclaw_suite::{
    Server,
    documents::{wait, workflow},
};
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

const EVENTS: &str = "subscription($after: Position, $filter: EventFilter) {
    events(after: $after, filter: $filter) { position type stream } }";

fn position(value: &Value) -> u64 {
    value["position"].as_str().unwrap().parse().unwrap()
}

/// The next update, which has to come.
async fn next(updates: &mut openclaw_client::Updates) -> Value {
    let update = timeout(Duration::from_secs(60), updates.next()).await.expect("an update comes");
    update.expect("the subscription goes on").expect("the subscription is right")
}

#[tokio::test]
async fn events_are_seen_once_each_over_connections_that_break() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let (caller, total) = (server.caller().clone(), 120_u64);
    let mut writer = tokio::task::JoinSet::new();
    writer.spawn(async move {
        for number in 1..total {
            let params = json!({ "sessionId": "s", "content": number.to_string() });
            caller.call("session.message", &params, None).await.unwrap().unwrap();
        }
    });
    let (mut seen, mut broken) = (Vec::new(), 0);
    while seen.len() < total as usize {
        let after = seen.last().copied().unwrap_or(0_u64);
        let mut updates =
            server.client().subscribe(EVENTS, json!({ "after": after.to_string() })).await.unwrap();
        // Dropped in the middle of what comes.
        for _ in 0..(7 + broken % 5) {
            if seen.len() < total as usize {
                seen.push(position(&next(&mut updates).await["events"]));
            }
        }
        broken += 1;
    }
    assert_eq!(seen, (1..=total).collect::<Vec<_>>());
    assert!(broken > 5, "{broken}");
    writer.join_all().await;
    server.terminate().await;
}

#[tokio::test]
async fn a_subscription_goes_on_after_the_server_was_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::on(data.path()).await;
    let mut seen = Vec::new();
    for round in 0..3_u64 {
        let session = format!("s{round}");
        let after = seen.last().copied().unwrap_or(0_u64);
        let mut updates =
            server.client().subscribe(EVENTS, json!({ "after": after.to_string() })).await.unwrap();
        server.rpc("session.create", json!({ "sessionId": session })).await.unwrap();
        for _ in 0..10 {
            server.rpc("session.message", json!({ "sessionId": session, "content": "x" })).await.unwrap();
        }
        for _ in 0..6 {
            seen.push(position(&next(&mut updates).await["events"]));
        }
        server = server.kill9_and_restart().await;
        let broken = timeout(Duration::from_secs(60), updates.collect::<Vec<_>>()).await.expect("it ends");
        seen.extend(
            broken.iter().filter_map(|update| update.as_ref().ok()).map(|update| position(&update["events"])),
        );
    }
    assert!(!seen.is_empty() && seen.iter().copied().eq(1..=seen.len() as u64), "{seen:?}");
    assert_eq!(server.terminate().await.0.len(), 33);
}

#[tokio::test]
async fn a_filter_leaves_only_what_is_wanted() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let filter = json!({ "type": ["session.message_received"], "stream": "session/b" });
    let mut updates =
        server.client().subscribe(EVENTS, json!({ "after": "0", "filter": filter })).await.unwrap();
    for session in ["a", "b"] {
        server.rpc("session.create", json!({ "sessionId": session })).await.unwrap();
        server.rpc("session.message", json!({ "sessionId": session, "content": "x" })).await.unwrap();
    }
    assert_eq!(position(&next(&mut updates).await["events"]), 4);
    server.terminate().await;
}

#[tokio::test]
async fn a_run_is_watched_to_its_end_and_the_subscription_ends_with_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow(
        "watched",
        json!([{ "a": { "set": { "n": 1 } } }, { "nap": wait(300) }, { "b": { "set": { "n": "${ .n + 1 }" } } }]),
    );
    let started = server.rpc("run.start", json!({ "definition": document })).await.unwrap();
    let id = started["runId"].as_str().unwrap().to_owned();
    let query = "subscription($id: ID!, $after: Position) { run(id: $id, after: $after) {
        position event { type } run { status output } } }";
    let (mut seen, mut last, mut types) = (Vec::new(), Value::Null, Vec::new());
    loop {
        // Every update over a new connection.
        let after = seen.last().copied().unwrap_or(0_u64);
        let variables = json!({ "id": id, "after": after.to_string() });
        let mut updates = server.client().subscribe(query, variables).await.unwrap();
        let Some(update) =
            timeout(Duration::from_secs(60), updates.next()).await.expect("an update or the end")
        else {
            break;
        };
        let update = update.unwrap()["run"].clone();
        seen.push(position(&update));
        types.push(update["event"]["type"].as_str().unwrap().to_owned());
        last = update["run"].clone();
    }
    assert_eq!(last, json!({ "status": "completed", "output": { "n": 2 } }));
    let history = server.terminate().await;
    let (positions, recorded): (Vec<u64>, Vec<String>) =
        history.of_run(&id).iter().map(|entry| (entry.position, entry.r#type.clone())).unzip();
    assert_eq!((seen, types), (positions, recorded));
}

#[tokio::test]
async fn the_projection_says_how_far_it_is() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let query = "subscription { projection { status position head lag } }";
    let mut updates = server.client().subscribe(query, json!({})).await.unwrap();
    assert_eq!(next(&mut updates).await["projection"]["position"], "0");
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    loop {
        let update = next(&mut updates).await["projection"].clone();
        if position(&update) == 1 && update["status"] == "FRESH" {
            assert_eq!((&update["head"], &update["lag"]), (&json!("1"), &json!(0)));
            break;
        }
    }
    server.terminate().await;
}

#[tokio::test]
async fn nobody_watches_without_a_token() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let stranger = openclaw_client::Client::new(server.client().url(), "not-the-token").unwrap();
    assert!(stranger.subscribe(EVENTS, json!({ "after": "0" })).await.is_err());
    server.terminate().await;
}
