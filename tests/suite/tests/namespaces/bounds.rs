//! What there may be of a namespace, and what its runs may reach.

use openclaw_suite::{Options, Server};
use serde_json::{Value, json};

use crate::world::workflow;

fn waits(namespace: &str, name: &str) -> Value {
    workflow(namespace, name, json!([{ "w": { "wait": { "hours": 1 } } }]))
}

#[tokio::test]
async fn a_namespace_has_no_more_open_runs_and_workflows_than_it_may_however_many_ask_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        Options::default().set("namespaces.a.max_open_runs", 5).set("namespaces.a.max_workflows", 2);
    let mut server = Server::start(directory.path(), options).await;
    for round in 0..2 {
        let starts = (0..20).map(|_| server.rpc("run.start", json!({ "definition": waits("a", "w") })));
        let answers = futures_util::future::join_all(starts).await;
        let (started, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        // The second round is after a restart, with all places taken.
        assert_eq!(started.len(), if round == 0 { 5 } else { 0 });
        for error in refused.into_iter().map(Result::unwrap_err) {
            assert_eq!(error["data"]["code"], "OC-NSP-001", "{error}");
            assert!(error["message"].as_str().unwrap().contains("5 open runs"), "{error}");
        }
        server = server.kill9_and_restart().await;
    }
    server.rpc("run.start", json!({ "definition": waits("b", "w") })).await.expect("b has no limit");
    let one = openclaw_suite::eventually("a run of a is shown", async || {
        let data = server.query("{ runs(filter: { namespace: \"a\" }) { nodes { id } } }", json!({})).await;
        let first = data["runs"]["nodes"][0]["id"].clone();
        first.is_string().then_some(first)
    })
    .await;
    server.rpc("run.kill", json!({ "runId": one })).await.unwrap();
    server.ended(one.as_str().unwrap()).await;
    server.rpc("run.start", json!({ "definition": waits("a", "w") })).await.expect("a place is free");
    assert!(server.rpc("run.start", json!({ "definition": waits("a", "w") })).await.is_err());

    let register = async |name: &str, version: &str| {
        let mut definition = waits("a", name);
        definition["document"]["version"] = json!(version);
        server.rpc("workflow.register", json!({ "definition": definition })).await
    };
    register("one", "1.0.0").await.unwrap();
    register("two", "1.0.0").await.unwrap();
    register("one", "2.0.0").await.expect("another version is no other workflow");
    assert_eq!(register("three", "1.0.0").await.unwrap_err()["data"]["code"], "OC-NSP-001");
}

#[tokio::test]
async fn a_run_starts_workflows_of_its_own_namespace_and_of_those_that_are_shared() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::default().set("workflows.share", "[\"common\"]");
    let server = Server::start(directory.path(), options).await;
    for namespace in ["a", "b", "common"] {
        let child = workflow(namespace, "child", json!([{ "x": { "set": { "of": namespace } } }]));
        server.rpc("workflow.register", json!({ "definition": child })).await.unwrap();
    }
    let starts = |other: &str| {
        let call =
            json!({ "run": { "workflow": { "namespace": other, "name": "child", "version": "1.0.0" } } });
        workflow("a", "starts", json!([{ "start": call }]))
    };
    assert_eq!(server.output(starts("a"), json!({})).await["of"], "a");
    assert_eq!(server.output(starts("common"), json!({})).await["of"], "common");
    let refused = server.run(starts("b"), json!({})).await;
    assert_eq!(refused["status"], "faulted");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("OC-NSP-002"), "{refused}");
}

#[tokio::test]
async fn a_run_opens_sessions_in_its_namespace_and_reaches_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::on(directory.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s", "namespace": "b" })).await.unwrap();
    let open = workflow(
        "a",
        "opens",
        json!([
            { "open": { "call": "session.create", "with": { "sessionId": "s" } } },
        ]),
    );
    assert_eq!(server.output(open, json!({})).await["sessionId"], "@a/s");
    let intrudes = workflow(
        "a",
        "intrudes",
        json!([
            { "say": { "call": "session.message", "with": { "sessionId": "@b/s", "content": "x" } } },
        ]),
    );
    let refused = server.run(intrudes, json!({})).await;
    assert_eq!(refused["status"], "faulted");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("OC-SES-001"), "{refused}");
}
