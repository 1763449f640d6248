//! The crash table, by what comes from outside and by the clock: events and schedules.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{post, workflow},
    eventually,
};
use serde_json::{Value, json};

fn event(kind: &str, id: &str) -> Value {
    json!({ "event": { "type": kind, "id": id, "source": "/test", "data": { "id": id } } })
}

/// A run that listens as `to` says, and then calls `/after` with what it heard.
async fn listening(server: &Server, counting: &Counting, to: Value) -> String {
    let document = workflow(
        "listen",
        json!([{ "hear": { "listen": { "to": to } } }, { "after": post(&counting.url("/after")) }]),
    );
    let run = server.begin(document, json!({})).await;
    server.happened(&run, "run.task_started", 1).await;
    run
}

#[tokio::test]
async fn while_it_listens_and_right_after_the_event() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let run = listening(&server, &counting, json!({ "one": { "with": { "type": "go" } } })).await;
    let server = server.kill9_and_restart().await;
    server.rpc("event.publish", event("other", "1")).await.unwrap();
    server.rpc("event.publish", event("go", "2")).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    // The same event again is no other event.
    server.rpc("event.publish", event("go", "2")).await.unwrap();
    let history = server.terminate().await;
    assert_eq!(history.of_type(&run, "run.event_consumed").len(), 1);
    let published = history.0.iter().filter(|entry| entry.r#type == "event.published");
    assert_eq!(published.count(), 2);
    let after = counting.calls_of("/after");
    assert!(after.iter().all(|call| call.body == json!([{ "id": "2" }])), "{after:?}");
}

#[tokio::test]
async fn between_two_events_of_which_all_are_needed() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let all = json!({ "all": [{ "with": { "type": "left" } }, { "with": { "type": "right" } }] });
    let run = listening(&server, &counting, all).await;
    server.rpc("event.publish", event("left", "1")).await.unwrap();
    server.happened(&run, "run.event_consumed", 1).await;
    let server = server.kill9_and_restart().await;
    // Another one of the kind that was heard already is not taken for the other.
    server.rpc("event.publish", event("left", "2")).await.unwrap();
    server.rpc("event.publish", event("right", "3")).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    let history = server.terminate().await;
    let ids: Vec<&str> = history
        .of_type(&run, "run.event_consumed")
        .iter()
        .map(|entry| entry.data["event"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "3"]);
}

#[tokio::test]
async fn between_the_ticks_of_a_schedule() {
    let data = tempfile::tempdir().unwrap();
    let (mut server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let mut document = workflow("ticks", json!([{ "tick": post(&counting.url("/tick")) }]));
    document["schedule"] = json!({ "every": { "seconds": 1 } });
    server.rpc("workflow.register", json!({ "definition": document })).await.unwrap();
    for round in 1..=3 {
        // Keys, not calls: a call that the death of the server made uncertain comes again under its
        // own key.
        let ticks = async || (counting.by_key().len() >= 2 * round).then_some(());
        eventually("the call of a further tick", ticks).await;
        server = server.kill9_and_restart().await;
    }
    let retire = json!({ "namespace": "default", "name": "ticks", "version": "1.0.0" });
    server.rpc("workflow.retire", retire).await.unwrap();
    let ended = async |server: &Server| {
        let open = server.query("{ stats { runsByStatus { status runs } } }", json!({})).await;
        let counts = open["stats"]["runsByStatus"].as_array().unwrap().clone();
        counts.iter().all(|count| count["status"] == "completed" || count["runs"] == 0)
    };
    eventually("the end of all runs", async || ended(&server).await.then_some(())).await;
    let history = server.terminate().await;
    let ticked: Vec<&str> = history
        .0
        .iter()
        .filter(|entry| entry.r#type == "schedule.ticked")
        .filter_map(|entry| entry.data["run"].as_str())
        .collect();
    assert!(ticked.len() >= 5, "{} ticks", ticked.len());
    let runs = history.streams("run/");
    assert_eq!(runs.len(), ticked.len(), "each tick started one run, and nothing else did");
    assert!(ticked.iter().all(|run| runs.contains_key(format!("run/{run}").as_str())));
    let mut due: Vec<&str> = history
        .0
        .iter()
        .filter(|entry| entry.r#type == "schedule.ticked")
        .filter_map(|entry| entry.data["due"].as_str())
        .collect();
    let ticks = due.len();
    due.dedup();
    assert_eq!(due.len(), ticks, "no time ticked twice");
    assert_eq!(counting.by_key().len(), ticked.len());
}
