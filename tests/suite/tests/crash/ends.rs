//! The crash table, at the ends: while a run is cancelled, and when two processes want one data directory.

use openclaw_suite::{
    Options, Server,
    counting::Counting,
    documents::{post, workflow},
    eventually,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_harms_nobody() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.hold("/slow", 1);
    let run =
        server.begin(workflow("slow", json!([{ "slow": post(&counting.url("/slow")) }])), json!({})).await;
    counting.arrived("/slow", 1).await;
    let refused =
        Server::try_start(data.path(), Options::default()).await.expect_err("the directory is in use");
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("OC-LOG-005"), "{refused:?}");
    counting.release("/slow");
    assert_eq!(server.ended(&run).await["status"], "completed", "the first goes on");
    assert_eq!(counting.calls().len(), 1, "the second touched nothing");
    let server = server.kill9_and_restart().await;
    server.rpc("session.create", json!({ "sessionId": "a-killed-process-leaves-no-lock" })).await.unwrap();
    server.terminate().await;
}

/// Runs that are killed while they are cancelled: whatever was acknowledged ends, and nothing that comes after is
/// begun. With `children` each of them waits for a child, which ends with it.
async fn killed_while_cancelled(children: bool) {
    const RUNS: usize = 8;
    let data = tempfile::tempdir().unwrap();
    let (mut server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let hang = json!([{ "hang": post(&counting.url("/hang")) }, { "after": post(&counting.url("/after")) }]);
    let mut document = workflow("hangs", hang);
    if children {
        server.rpc("workflow.register", json!({ "definition": document })).await.unwrap();
        let delegate =
            json!({ "run": { "workflow": { "namespace": "default", "name": "hangs", "version": "1.0.0" } } });
        let after = post(&counting.url("/after"));
        document = workflow("parent", json!([{ "delegate": delegate }, { "after": after }]));
    }
    counting.hold("/hang", 1);
    let mut runs: Vec<String> = Vec::new();
    for _ in 0..RUNS {
        runs.push(server.begin(document.clone(), json!({})).await);
    }
    counting.arrived("/hang", RUNS).await;
    let mut told: Vec<String> = Vec::new();
    for pair in runs.chunks(2) {
        // Two at a time, so that the kill falls on different moments of their ends.
        let mut cancels = JoinSet::new();
        for run in pair {
            let (caller, run) = (server.caller().clone(), run.clone());
            cancels.spawn(async move {
                let answer = caller.call("run.cancel", &json!({ "runId": run }), Some(&run)).await;
                answer.is_ok_and(|answer| answer.is_ok()).then_some(run)
            });
        }
        told.extend(cancels.join_next().await.expect("there are two").expect("no panic"));
        server = server.kill9_and_restart().await;
        told.extend(cancels.join_all().await.into_iter().flatten());
    }
    assert!(told.len() >= RUNS / 2, "the first of each pair was acknowledged");
    for run in &told {
        assert_eq!(server.ended(run).await["status"], "cancelled");
    }
    // Those that were not told so are asked again; whether they had been cancelled makes no difference.
    for run in &runs {
        let _ = server.rpc("run.cancel", json!({ "runId": run })).await;
        assert_eq!(server.ended(run).await["status"], "cancelled");
    }
    let open = async || -> Vec<Value> {
        let data = server.query("{ runs(first: 100) { nodes { id status } } }", json!({})).await;
        let nodes = data["runs"]["nodes"].as_array().unwrap().clone();
        nodes.into_iter().filter(|node| node["status"] != "cancelled").collect()
    };
    eventually("the end of every child", async || open().await.is_empty().then_some(())).await;
    counting.release("/hang");
    let history = server.terminate().await;
    assert_eq!(history.streams("run/").len(), if children { 2 * RUNS } else { RUNS });
    assert_eq!(counting.calls_of("/after"), [], "nothing is begun after a cancellation");
}

#[tokio::test]
async fn while_runs_are_cancelled() {
    killed_while_cancelled(false).await;
}

#[tokio::test]
async fn while_runs_that_wait_for_a_child_are_cancelled() {
    killed_while_cancelled(true).await;
}
