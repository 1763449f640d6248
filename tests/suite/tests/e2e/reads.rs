//! What GraphQL tells of durable work: waits, decisions, effects, the past, differences of runs.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{post, wait, workflow},
    eventually,
};
use serde_json::{Value, json};

/// What a run waits for, once it is `kinds`.
async fn waits(server: &Server, run: &str, kinds: Value) -> Value {
    const QUERY: &str =
        "query($id: ID!) { run(id: $id) { waits { nodes { kind path since due approvalId childId
        child { status } approval { title state } interests reason error { status } } } } }";
    eventually(&format!("{run} waits for {kinds}"), async || {
        let data = server.client().graphql(QUERY, json!({ "id": run })).await.ok()?;
        let nodes = data["run"]["waits"]["nodes"].clone();
        let so: Vec<Value> = nodes.as_array()?.iter().map(|wait| wait["kind"].clone()).collect();
        // What is asked of people is a stream of its own, and shown a moment after the wait for it.
        let whole =
            nodes.as_array()?.iter().all(|wait| wait["kind"] != "approval" || !wait["approval"].is_null());
        (json!(so) == kinds && whole).then_some(nodes)
    })
    .await
}

#[tokio::test]
async fn an_open_run_says_what_it_waits_for_and_why() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let child = workflow("child", json!([{ "sleep": wait(3_600_000) }]));
    server.rpc("workflow.register", json!({ "definition": child })).await.unwrap();
    let run_child =
        json!({ "run": { "workflow": { "namespace": "default", "name": "child", "version": "1.0.0" } } });
    let listen = json!({ "listen": { "to": { "one": { "with": { "type": "order.paid" } } } } });
    let ask = json!({ "call": "approval", "with": { "title": "Pay?", "choices": ["approve", "deny"] } });
    let fork = json!({ "fork": { "branches": [
        { "nap": wait(3_600_000) }, { "hear": listen }, { "ask": ask }, { "sub": run_child } ] } });
    let run = server.begin(workflow("waiting", json!([{ "all": fork }])), json!({})).await;

    let nodes = waits(&server, &run, json!(["timer", "event", "approval", "child"])).await;
    assert_eq!(nodes[0]["path"], "/all/nap");
    assert!(nodes[0]["due"].is_string() && nodes[0]["since"].is_string());
    assert_eq!(nodes[1]["interests"], json!([{ "type": "order.paid" }]));
    let approval = nodes[2]["approvalId"].as_str().unwrap().to_owned();
    assert_eq!(nodes[2]["approval"], json!({ "title": "Pay?", "state": "open" }));
    let told = eventually("the child", async || {
        let query =
            "query($id: ID!) { run(id: $id) { status children { nodes { id status parent { id } } } } }";
        let data = server.client().graphql(query, json!({ "id": run })).await.ok()?;
        (data["run"]["children"]["nodes"][0]["status"] == "waiting").then(|| data["run"].clone())
    })
    .await;
    assert_eq!(told["children"]["nodes"][0]["id"], nodes[3]["childId"]);
    assert_eq!(told["children"]["nodes"][0]["parent"]["id"], run.as_str());

    let inbox = "{ approvals(state: open) { nodes { id runId choices { name } deciders { anybody } } }
        waits(kind: timer) { nodes { runId } } }";
    let all = server.query(inbox, json!({})).await;
    assert_eq!(
        all["approvals"]["nodes"],
        json!([{ "id": approval, "runId": run, "choices": [{ "name": "approve" }, { "name": "deny" }],
            "deciders": { "anybody": true } }])
    );
    assert_eq!(all["waits"]["nodes"].as_array().unwrap().len(), 2, "the run and its child");

    server.rpc("run.pause", json!({ "runId": run, "reason": "stocktaking" })).await.unwrap();
    let nodes = waits(&server, &run, json!(["timer", "event", "approval", "child", "paused"])).await;
    assert_eq!(nodes[4]["reason"], "stocktaking");
    server.rpc("run.kill", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "cancelled");
    waits(&server, &run, json!([])).await;
    server.terminate().await;
}

#[tokio::test]
async fn a_run_is_shown_as_it_was_and_compared_with_its_fork() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "steps",
        json!([{ "first": post(&counting.url("/first")) }, { "second": { "set": { "n": "${ $workflow.input.n }" } } },
            { "third": { "set": { "twice": "${ .n * 2 }" } } }]),
    );
    let run = server.begin(document, json!({ "n": 1 })).await;
    assert_eq!(server.ended(&run).await["output"], json!({ "twice": 2 }));
    let params = json!({ "runId": run, "at": { "beforeTask": "second" }, "input": { "n": 5 } });
    let forked = server.rpc("run.fork", params).await.unwrap();
    let fork = forked["runId"].as_str().unwrap().to_owned();
    assert_eq!(server.ended(&fork).await["output"], json!({ "twice": 10 }));

    let query = "query($id: ID!, $fork: ID!) {
        run(id: $id) { forks { nodes { id } } effects { nodes { effect { state kind class dispatches } task { name } } }
          events(first: 50) { nodes { position type } } timeline(first: 50) { nodes { what name } } }
        fork: run(id: $fork) { copying forkedFrom { id } tasks { nodes { name copied } } } }";
    let told = server.query(query, json!({ "id": run, "fork": fork })).await;
    assert_eq!(told["run"]["forks"]["nodes"], json!([{ "id": fork }]));
    assert_eq!(
        told["run"]["effects"]["nodes"],
        json!([{ "effect": { "state": "succeeded", "kind": "http", "class": "keyed", "dispatches": 1 },
            "task": { "name": "first" } }])
    );
    assert_eq!((&told["fork"]["copying"], &told["fork"]["forkedFrom"]["id"]), (&json!(false), &json!(run)));
    assert_eq!(
        told["fork"]["tasks"]["nodes"],
        json!([{ "name": "first", "copied": true }, { "name": "second", "copied": false },
            { "name": "third", "copied": false }])
    );
    let timeline = told["run"]["timeline"]["nodes"].as_array().unwrap();
    assert_eq!(timeline[0], json!({ "what": "started", "name": null }));
    assert!(timeline.contains(&json!({ "what": "task_completed", "name": "first" })), "{timeline:?}");
    assert_eq!(timeline.last().unwrap()["what"], "completed");

    // At the intent of the call, nothing of what came of it is there.
    let events = told["run"]["events"]["nodes"].as_array().unwrap();
    let intent = events.iter().find(|event| event["type"] == "run.task_started").unwrap();
    let query = "query($id: ID!, $at: Position) { run(id: $id, asOf: $at) { status output position
        tasks { nodes { name status output } } effects { nodes { effect { state } } } waits { nodes { kind } } } }";
    let then = server.query(query, json!({ "id": run, "at": intent["position"] })).await;
    assert_eq!(
        then["run"],
        json!({ "status": "running", "output": null, "position": intent["position"],
            "tasks": { "nodes": [{ "name": "first", "status": "running", "output": null }] },
            "effects": { "nodes": [{ "effect": { "state": "intended" } }] }, "waits": { "nodes": [{ "kind": "effect" }] } })
    );

    let query = "query($a: ID!, $b: ID!) { runDiff(a: $a, b: $b) { identical sameDefinition inputChanged outputChanged
        firstDivergence { path difference a { output } b { output } } changed { path } onlyInACount onlyInBCount } }";
    let diff = server.query(query, json!({ "a": run, "b": fork })).await["runDiff"].clone();
    assert_eq!(
        diff,
        json!({ "identical": false, "sameDefinition": true, "inputChanged": true, "outputChanged": true,
            "firstDivergence": { "path": "/second", "difference": "output", "a": { "output": { "n": 1 } },
                "b": { "output": { "n": 5 } } },
            "changed": [{ "path": "/second" }, { "path": "/third" }], "onlyInACount": 0, "onlyInBCount": 0 })
    );
    server.terminate().await;
}
