//! The read model: rebuilt when it is gone or broken, stopped by what it cannot show, never wrong.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{fs, path::Path, sync::Arc};

use openclaw_log::{EventLog, pack};
use openclaw_model::{
    Actor, Causality, CommandDigest, CommandId, EventId, Recorded, SessionId, StreamId, Timestamp, Version,
};
use openclaw_sled::SledLog;
use openclaw_suite::{Options, Server, documents::workflow, eventually};
use serde_json::{Value, json};

const ALL: &str = "query($at: Position) { runs(first: 50, minPosition: $at) { nodes { id status output taskCount version position } }
    tasks(first: 50, minPosition: $at) { nodes { id name kind status output } }
    sessions(minPosition: $at) { nodes { id messageCount position state { key value } } }
    messages(minPosition: $at) { nodes { position content direction } }
    events(first: 100, minPosition: $at) { nodes { position type stream data } } }";

async fn seed(server: &Server) -> Value {
    for number in 0..4 {
        server.run(workflow("w", json!([{ "a": { "set": { "n": number } } }])), json!({})).await;
    }
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    server.rpc("session.set_state", json!({ "sessionId": "s", "key": "k", "value": [1] })).await.unwrap();
    let said = server.rpc("session.message", json!({ "sessionId": "s", "content": "Hello" })).await.unwrap();
    json!({ "at": said["position"].to_string() })
}

fn files(views: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(views).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "sqlite")).collect()
}

#[tokio::test]
async fn a_read_model_that_was_deleted_is_rebuilt_and_answers_the_same() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let at = seed(&server).await;
    let before = server.query(ALL, at.clone()).await;
    server.terminate().await;
    fs::remove_dir_all(data.path().join("views")).unwrap();

    let server = Server::on(data.path()).await;
    let after = eventually("the rebuild", async || server.client().graphql(ALL, at.clone()).await.ok()).await;
    assert_eq!(after, before);
    // Whether it was killed or stopped makes no difference.
    server.kill9().await;
    fs::remove_dir_all(data.path().join("views")).unwrap();
    let server = Server::on(data.path()).await;
    let after = eventually("the rebuild", async || server.client().graphql(ALL, at.clone()).await.ok()).await;
    assert_eq!(after, before);
    server.terminate().await;
}

#[tokio::test]
async fn a_read_model_that_is_broken_is_rebuilt_and_answers_the_same() {
    let data = tempfile::tempdir().unwrap();
    let options = Options::default().expect_error("OC-PRJ-002");
    let mut server = Server::start(data.path(), options.clone()).await;
    let at = seed(&server).await;
    let before = server.query(ALL, at.clone()).await;
    let damages: [fn(&Path); 3] = [
        |file| fs::write(file, "this is no database").unwrap(),
        |file| fs::write(file, "").unwrap(),
        |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    for damage in damages {
        server.terminate().await;
        let broken = files(&data.path().join("views"));
        assert_eq!(broken.len(), 1, "one generation serves: {broken:?}");
        damage(&broken[0]);
        server = Server::start(data.path(), options.clone()).await;
        let after =
            eventually("the rebuild", async || server.client().graphql(ALL, at.clone()).await.ok()).await;
        assert_eq!(after, before);
    }
    server.terminate().await;
}

/// Appends an event that no program of this version has ever written.
async fn poison(data: &Path) -> u64 {
    let log = SledLog::open(&data.join("log"), openclaw_sled::Options::default()).unwrap();
    let head = log.head();
    let event = Recorded {
        position: head.position.next(),
        stream: StreamId::session(&SessionId::new("poisoned").unwrap()),
        version: Version(1),
        id: EventId("0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10".parse().unwrap()),
        event_type: "session.invented_later".into(),
        schema: 1,
        at: Timestamp::from_micros(head.at.as_micros() + 1),
        actor: Actor("token:operator".into()),
        command: CommandId([7; 16]),
        digest: CommandDigest([7; 16]),
        causality: Causality::default(),
        data: Arc::from(&b"{\"a\":1}"[..]),
    };
    let position = event.position.0;
    let (frames, _) = pack(head, vec![vec![event]]).unwrap();
    log.append(frames, head).await.unwrap();
    log.close();
    position
}

#[tokio::test]
async fn an_event_that_cannot_be_shown_stops_the_view_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let at = seed(&server).await;
    let before = server.query(ALL, at.clone()).await;
    server.terminate().await;
    let poisoned = poison(data.path()).await;

    let options = Options::default().expect_error("OC-PRJ-001");
    let mut server = Server::start(data.path(), options.clone()).await;
    for rebuilt in [false, true] {
        let run = server.run(workflow("w", json!([{ "a": { "set": { "n": 9 } } }])), json!({})).await;
        assert_eq!(run["status"], "completed", "commands and runs go on: {run}");
        let projection = eventually("the failure", async || {
            let query = "{ projection { status position lag failure { code position message } } }";
            let data = server.client().graphql(query, json!({})).await.ok()?;
            (data["projection"]["status"] == "FAILED").then(|| data["projection"].clone())
        })
        .await;
        let failure = &projection["failure"];
        assert_eq!(
            (&failure["code"], &failure["position"]),
            (&json!("OC-PRJ-001"), &json!(poisoned.to_string()))
        );
        assert!(failure["message"].as_str().unwrap().contains("session.invented_later"), "{failure}");
        let (status, ready) = server.caller().get("/readyz").await;
        assert!(status == 503 && ready.contains("OC-PRJ-001"), "{status} {ready}");
        let health = server.client().health().await.unwrap();
        assert_eq!(health.status, "degraded");

        let body = json!({ "query": "query($at: Position) { runs(minPosition: $at, timeoutMs: 100) { position } }",
            "variables": { "at": run["position"].to_string() } });
        let (_, answer) = server.caller().post("/graphql", body.to_string()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "it says that it cannot: {answer}");
        if !rebuilt {
            assert_eq!(projection["position"], (poisoned - 1).to_string(), "nothing is skipped");
            assert_eq!(server.query(ALL, json!({})).await, before, "what is shown stays right");
            server.kill9().await;
            fs::remove_dir_all(data.path().join("views")).unwrap();
            server = Server::start(data.path(), options.clone()).await;
        }
    }
    server.terminate().await;
}
