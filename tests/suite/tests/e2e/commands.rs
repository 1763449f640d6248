//! Commands over JSON-RPC.

use openclaw_client::{RegisterWorkflow, Status};
use openclaw_suite::{
    Server,
    documents::{version, wait, workflow},
};
use serde_json::{Value, json};

fn greet() -> Value {
    workflow("greet", json!([{ "greet": { "set": { "text": "${ \"Hello, \" + .name }" } } }]))
}

#[tokio::test]
async fn a_registered_workflow_runs_and_answers_with_its_output() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let registered = server
        .client()
        .register_workflow(&RegisterWorkflow { definition: greet() }, Some("reg"))
        .await
        .unwrap();
    assert_eq!((registered.namespace.as_str(), registered.version.as_str()), ("default", "1.0.0"));
    assert_eq!((registered.digest.len(), registered.stream_version.0), (64, 1));

    for named in [json!({ "version": "1.0.0" }), json!({}), json!({ "version": "latest" })] {
        let mut reference = json!({ "namespace": "default", "name": "greet" });
        reference.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        let params = json!({ "workflow": reference, "input": { "name": "Ada" }, "wait": "30s" });
        let run = server.rpc("run.start", params).await.unwrap();
        assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!({ "text": "Hello, Ada" })));
        assert!(
            run["position"].as_u64() > Some(registered.position.0) && run["streamVersion"].as_u64() > Some(1)
        );
    }

    let changed = json!({ "definition": workflow("greet", json!([{ "other": { "set": { "a": 1 } } }])) });
    let refused = server.rpc("workflow.register", changed).await.unwrap_err();
    assert_eq!(refused["data"]["code"], "OC-WF-101", "a version never changes: {refused}");
    let unknown = json!({ "workflow": { "namespace": "default", "name": "nothing" } });
    assert_eq!(server.rpc("run.start", unknown).await.unwrap_err()["data"]["code"], "OC-CMD-003");
    server.terminate().await;
}

#[tokio::test]
async fn a_retired_version_is_not_started_and_the_latest_is_one_that_is_not() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for number in ["1.0.0", "1.10.0", "1.9.0"] {
        server.rpc("workflow.register", json!({ "definition": version(greet(), number) })).await.unwrap();
    }
    let retire = json!({ "namespace": "default", "name": "greet", "version": "1.10.0" });
    server.rpc("workflow.retire", retire).await.unwrap();

    let start = |version: &str| {
        let workflow = json!({ "namespace": "default", "name": "greet", "version": version });
        json!({ "workflow": workflow, "input": { "name": "Ada" }, "wait": "30s" })
    };
    let refused = server.rpc("run.start", start("1.10.0")).await.unwrap_err();
    assert!(refused["data"]["code"].as_str().is_some_and(|code| code.starts_with("OC-")), "{refused}");
    let run = server.rpc("run.start", start("latest")).await.unwrap();
    assert_eq!(run["status"], "completed");
    let shown = server
        .query(
            "query($id: ID!, $at: Position) { run(id: $id, minPosition: $at) { workflow { version } } }",
            json!({ "id": run["runId"], "at": run["position"] }),
        )
        .await;
    assert_eq!(shown["run"]["workflow"]["version"], "1.9.0", "versions are ordered as numbers");
    server.terminate().await;
}

#[tokio::test]
async fn a_document_may_come_with_the_call_as_an_object_or_as_yaml() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let expected = json!({ "text": "Hello, Ada" });
    assert_eq!(server.output(greet(), json!({ "name": "Ada" })).await, expected);
    let yaml = "
document:
  dsl: '1.0.3'
  namespace: suite
  name: greet
  version: 1.0.0
do:
  - greet:
      set:
        text: ${ \"Hello, \" + .name }
";
    assert_eq!(server.output(yaml, json!({ "name": "Ada" })).await, expected);
    assert_eq!(server.output(greet().to_string(), json!({ "name": "Ada" })).await, expected);
    server.terminate().await;
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_at_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document =
        workflow("sleep", json!([{ "nap": { "wait": { "hours": 1 } } }, { "never": { "set": { "a": 1 } } }]));
    let started = server.rpc("run.start", json!({ "definition": document, "wait": "200ms" })).await.unwrap();
    assert_eq!(started["status"], "waiting", "{started}");
    let id = started["runId"].as_str().unwrap().to_owned();

    server.rpc("run.cancel", json!({ "runId": id, "reason": "enough" })).await.unwrap();
    assert_eq!(server.ended(&id).await["status"], "cancelled");
    let again = server.rpc("run.cancel", json!({ "runId": id })).await;
    assert!(again.is_err(), "there is nothing left to cancel: {again:?}");
    let nobody = json!({ "runId": "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10" });
    assert_eq!(server.rpc("run.cancel", nobody).await.unwrap_err()["data"]["code"], "OC-RUN-001");

    let history = server.terminate().await;
    let types: Vec<&str> = history.of_run(&id).iter().map(|entry| entry.r#type.as_str()).collect();
    assert!(types.contains(&"run.task_cancelled") && types.last() == Some(&"run.cancelled"), "{types:?}");
    assert!(!history.of_run(&id).iter().any(|entry| entry.data["name"] == "never"));
}

#[tokio::test]
async fn a_cancelled_run_kills_the_process_it_runs() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // The whole tree has to go: the shell, and what it has put into the background.
    let command = "sleep 7391 & sleep 7391";
    let document = workflow("stuck", json!([{ "stuck": { "run": { "shell": { "command": command } } } }]));
    let started = server.rpc("run.start", json!({ "definition": document })).await.unwrap();
    let sleeping = || processes_with("7391");
    openclaw_suite::eventually("the process", async || (sleeping() >= 2).then_some(())).await;
    server.rpc("run.cancel", json!({ "runId": started["runId"] })).await.unwrap();
    assert_eq!(server.ended(started["runId"].as_str().unwrap()).await["status"], "cancelled");
    openclaw_suite::eventually("the end of the process", async || (sleeping() == 0).then_some(())).await;
    server.terminate().await;
}

/// How many processes have `argument` among their arguments.
pub(crate) fn processes_with(argument: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes())).count()
}

#[tokio::test]
async fn a_signal_is_recorded_with_its_data() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow("patient", json!([{ "nap": wait(3_600_000) }]));
    let started = server.rpc("run.start", json!({ "definition": document })).await.unwrap();
    let id = started["runId"].as_str().unwrap().to_owned();
    let signal = json!({ "runId": id, "name": "approved", "data": { "by": "Ada" } });
    let signalled = server.rpc("run.signal", signal).await.unwrap();
    server.rpc("run.cancel", json!({ "runId": id })).await.unwrap();
    server.ended(&id).await;
    let late = server.rpc("run.signal", json!({ "runId": id, "name": "late" })).await.unwrap_err();
    assert!(late["data"]["code"].as_str().is_some_and(|code| code.starts_with("OC-")), "{late}");

    let history = server.terminate().await;
    let entry = history.at(signalled["position"].as_u64().unwrap()).unwrap();
    assert_eq!(entry.r#type, "run.signalled");
    assert_eq!(entry.data, json!({ "name": "approved", "data": { "by": "Ada" } }));
}

#[tokio::test]
async fn a_session_lives_from_its_opening_to_its_end() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let opened = server.rpc("session.create", json!({ "channel": "chat", "peerId": "ada" })).await.unwrap();
    let id = opened["sessionId"].clone();
    assert_eq!(opened["streamVersion"], 1);
    let said = json!({ "sessionId": id, "content": "Hello", "attachments": [{ "kind": "image", "mimeType": "image/png" }] });
    let first = server.rpc("session.message", said).await.unwrap();
    let answer = json!({ "sessionId": id, "content": "Hello yourself", "role": "assistant" });
    server.rpc("session.message", answer).await.unwrap();
    for (key, value) in [("mood", json!("good")), ("topic", json!({ "id": 7 })), ("mood", Value::Null)] {
        let params = json!({ "sessionId": id, "key": key, "value": value });
        server.rpc("session.set_state", params).await.unwrap();
    }
    let ended = server.rpc("session.end", json!({ "sessionId": id, "reason": "done" })).await.unwrap();
    let late =
        server.rpc("session.message", json!({ "sessionId": id, "content": "Anybody?" })).await.unwrap_err();
    assert!(late["data"]["code"].as_str().is_some_and(|code| code.starts_with("OC-")), "{late}");
    let nowhere = json!({ "sessionId": "nobody", "content": "x" });
    assert!(server.rpc("session.message", nowhere).await.is_err(), "a session has to be opened");

    let query =
        "query($id: ID!, $at: Position) { session(id: $id, minPosition: $at) { status channel peer endReason
        messageCount state { key value } messages { nodes { messageId direction content attachments } } } }";
    let shown = server.query(query, json!({ "id": id, "at": ended["position"] })).await;
    let session = &shown["session"];
    assert_eq!((&session["status"], &session["endReason"]), (&json!("ended"), &json!("done")));
    assert_eq!((&session["channel"], &session["peer"]), (&json!("chat"), &json!("ada")));
    assert_eq!(session["state"], json!([{ "key": "topic", "value": { "id": 7 } }]), "null removes a key");
    let messages = session["messages"]["nodes"].as_array().unwrap();
    assert_eq!((messages.len(), &session["messageCount"]), (2, &json!(2)));
    assert_eq!(messages[0]["messageId"], first["messageId"]);
    assert_eq!((&messages[0]["direction"], &messages[1]["direction"]), (&json!("received"), &json!("sent")));
    assert_eq!(messages[0]["attachments"][0]["mime_type"], "image/png");

    let reopened = server.rpc("session.create", json!({ "channel": "chat", "peerId": "ada" })).await.unwrap();
    assert_eq!(reopened["sessionId"], id);
    server.rpc("session.message", json!({ "sessionId": id, "content": "Back" })).await.unwrap();
    server.terminate().await;
}

#[tokio::test]
async fn two_runs_go_on_side_by_side() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // Each waits for what the other has done, which only works if neither holds the other up.
    let shared = openclaw_suite::counting::Counting::start().await;
    let poll = |own: &str, other: &str| {
        json!([
            { "tell": { "call": "http", "with": { "method": "post", "endpoint": shared.url(own) } } },
            { "hear": {
                "try": [{ "ask": { "call": "http", "with": { "method": "get", "endpoint": shared.url(other) } } },
                        { "judge": { "if": ".count < 2", "raise": { "error": { "type": "https://a.test/e", "status": 500 } } } }],
                "catch": { "retry": { "delay": { "milliseconds": 50 }, "limit": { "attempt": { "count": 200 } } } },
            } },
        ])
    };
    let (one, two) = tokio::join!(
        server.run(workflow("one", poll("/one", "/two")), json!({})),
        server.run(workflow("two", poll("/two", "/one")), json!({})),
    );
    assert_eq!((&one["status"], &two["status"]), (&json!("completed"), &json!("completed")), "{one} {two}");
    assert_eq!(serde_json::from_value::<Status>(one["status"].clone()).unwrap(), Status::Completed);
    server.terminate().await;
}
