//! The crash table, by what people do: a command that was acknowledged counts, once, whatever dies right after it.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

/// A task that POSTs to the path of its name.
fn task(counting: &Counting, name: &str) -> Value {
    json!({ name: post(&counting.url(&format!("/{name}"))) })
}

fn calls(counting: &Counting, path: &str) -> usize {
    counting.calls_of(path).len()
}

/// A run that has done `before`, waits for a decision, and then does `after`. Returns it with the approval's id and the
/// digest of what is to be decided.
async fn asked(server: &Server, counting: &Counting) -> (String, String, Value) {
    let ask = json!({ "call": "approval", "with": { "title": "Pay?", "choices": ["approve", "deny"] } });
    let document =
        workflow("ask", json!([task(counting, "before"), { "ask": ask }, task(counting, "after")]));
    let run = server.begin(document, json!({})).await;
    let started = server.happened(&run, "run.task_started", 2).await;
    let request = started[1]["work"]["request"].clone();
    let approval = request["approval"].as_str().unwrap().to_owned();
    server.appended(&format!("approval/{approval}"), "approval.requested", 1).await;
    (run, approval, request["digest"].clone())
}

fn decision(approval: &str, digest: &Value, choice: &str, by: &str) -> Value {
    json!({ "approvalId": approval, "digest": digest, "choice": choice, "by": { "name": by } })
}

#[tokio::test]
async fn while_it_waits_for_a_decision() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let (run, approval, digest) = asked(&server, &counting).await;
    let server = server.kill9_and_restart().await.kill9_and_restart().await;
    server.rpc("approval.decide", decision(&approval, &digest, "approve", "ann")).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!((calls(&counting, "/before"), calls(&counting, "/after")), (1, 1));
    let history = server.terminate().await;
    let asked = history.0.iter().filter(|entry| entry.r#type == "approval.requested");
    assert_eq!(asked.count(), 1, "nobody is asked again");
    assert_eq!(history.of_type(&run, "run.effect_unknown").len(), 0);
}

#[tokio::test]
async fn right_after_a_decision() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let (run, approval, digest) = asked(&server, &counting).await;
    let decided =
        server.rpc("approval.decide", decision(&approval, &digest, "approve", "ann")).await.unwrap();
    assert_eq!(decided["choice"], "approve", "{decided}");
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!((calls(&counting, "/before"), calls(&counting, "/after")), (1, 1));
    assert_eq!(counting.calls_of("/after")[0].body["choice"], "approve");
    let late = server.rpc("approval.decide", decision(&approval, &digest, "deny", "bob")).await.unwrap_err();
    assert!(late["data"]["code"].as_str().is_some_and(|code| code.starts_with("OC-")), "{late}");
    let history = server.terminate().await;
    let resolved = history.0.iter().filter(|entry| entry.r#type == "approval.resolved");
    assert_eq!(resolved.count(), 1, "it has one outcome");
}

#[tokio::test]
async fn while_two_people_decide() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let (run, approval, digest) = asked(&server, &counting).await;
    let (ann, bob) =
        (decision(&approval, &digest, "approve", "ann"), decision(&approval, &digest, "deny", "bob"));
    let caller = server.caller().clone();
    let (first, second) = (ann.clone(), bob.clone());
    let mut both = tokio::task::JoinSet::new();
    both.spawn({
        let caller = caller.clone();
        async move { drop(caller.call("approval.decide", &first, Some("ann")).await) }
    });
    both.spawn(async move { drop(caller.call("approval.decide", &second, Some("bob")).await) });
    both.join_next().await.unwrap().unwrap();
    let server = server.kill9_and_restart().await;
    both.join_all().await;
    // Both ask what became of it, under the keys that they used.
    let answers = [
        server.caller().call("approval.decide", &ann, Some("ann")).await.unwrap(),
        server.caller().call("approval.decide", &bob, Some("bob")).await.unwrap(),
    ];
    let won: Vec<&str> = answers.iter().flatten().filter_map(|answer| answer["choice"].as_str()).collect();
    assert_eq!(won.len(), 1, "one counts, the other is told why not: {answers:?}");
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!(counting.calls_of("/after").len(), 1);
    assert_eq!(counting.calls_of("/after")[0].body["choice"], won[0]);
    server.terminate().await;
}

#[tokio::test]
async fn right_after_an_unknown_effect_was_reconciled() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let mut pay = post(&counting.url("/pay"));
    pay["metadata"] = json!({ "effect": "irreversible" });
    let document = workflow("pay", json!([{ "pay": pay }, task(&counting, "after")]));
    counting.hold("/pay", 1);
    let mut runs = Vec::new();
    for paid in 1..=2 {
        runs.push(server.begin(document.clone(), json!({})).await);
        counting.arrived("/pay", paid).await;
    }
    let server = server.kill9_and_restart().await;
    counting.release("/pay");
    let reconcile = async |server: &Server, run: &str, outcome: Value| {
        server.happened(run, "run.effect_unknown", 1).await;
        let params = json!({ "runId": run, "task": 1, "outcome": outcome });
        server.rpc("effect.reconcile", params).await.unwrap();
    };
    reconcile(&server, &runs[0], json!({ "succeeded": { "receipt": 7 } })).await;
    let server = server.kill9_and_restart().await;
    reconcile(&server, &runs[1], json!({ "notDone": {} })).await;
    for run in &runs {
        assert_eq!(server.ended(run).await["status"], "completed");
    }
    let after: Vec<Value> = counting.calls_of("/after").into_iter().map(|call| call.body).collect();
    assert_eq!(after.len(), 2);
    assert!(after.contains(&json!({ "receipt": 7 })), "{after:?}");
    let keys: Vec<_> = counting.calls_of("/pay").into_iter().map(|call| call.key.unwrap()).collect();
    assert!(keys.len() == 3 && keys[2] == keys[1], "only what was not done is done: {keys:?}");
    let history = server.terminate().await;
    assert_eq!(history.of_type(&runs[0], "run.effect_reconciled").len(), 1);
}

#[tokio::test]
async fn while_a_run_is_paused_and_right_after_it_is_resumed() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow("paused", json!([task(&counting, "slow"), task(&counting, "after")]));
    counting.hold("/slow", 1);
    let run = server.begin(document, json!({})).await;
    counting.arrived("/slow", 1).await;
    server.rpc("run.pause", json!({ "runId": run })).await.unwrap();
    counting.release("/slow");
    server.happened(&run, "run.task_completed", 1).await;
    let server = server.kill9_and_restart().await;
    server.shows(&run, "suspended").await;
    // Another run from its start to its end: whoever was to be begun has been by then.
    server.output(workflow("other", json!([task(&counting, "other")])), json!({})).await;
    assert_eq!(calls(&counting, "/after"), 0, "it is still paused");
    server.rpc("run.resume", json!({ "runId": run })).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    let history = server.terminate().await;
    let after = calls(&counting, "/after");
    assert_eq!(calls(&counting, "/slow"), 1, "what ended while it was paused is recorded");
    assert!(after <= 2 && after <= history.dispatches().values().sum::<usize>() - 2, "{after} calls");
    assert_eq!(history.started(&run), ["slow", "after"]);
}

#[tokio::test]
async fn right_after_a_failed_run_is_retried() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document = workflow(
        "retried",
        json!([task(&counting, "before"), task(&counting, "flaky"), task(&counting, "after")]),
    );
    counting.fail("/flaky", 1, 500);
    let run = server.begin(document, json!({})).await;
    assert_eq!(server.ended(&run).await["status"], "faulted");
    counting.hold("/flaky", 2);
    server.rpc("run.retry", json!({ "runId": run })).await.unwrap();
    let server = server.kill9_and_restart().await;
    counting.arrived("/flaky", 2).await;
    counting.release("/flaky");
    server.shows(&run, "completed").await;
    assert_eq!((calls(&counting, "/before"), calls(&counting, "/after")), (1, 1));
    let history = server.terminate().await;
    assert_eq!(history.of_type(&run, "run.retried").len(), 1);
}

#[tokio::test]
async fn right_after_a_run_is_forked() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let document =
        workflow("forked", json!([task(&counting, "a"), task(&counting, "b"), task(&counting, "c")]));
    let run = server.begin(document, json!({})).await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    let forked = server.rpc("run.fork", json!({ "runId": run, "at": { "beforeTask": "c" } })).await.unwrap();
    let server = server.kill9_and_restart().await;
    let fork = forked["runId"].as_str().unwrap();
    assert_eq!(server.ended(fork).await["status"], "completed");
    assert_eq!((calls(&counting, "/a"), calls(&counting, "/b")), (1, 1), "what was done is not done again");
    let keys: std::collections::BTreeSet<_> =
        counting.calls_of("/c").into_iter().map(|call| call.key.unwrap()).collect();
    assert_eq!(keys.len(), 2, "what the fork does is its own");
    let history = server.terminate().await;
    assert_eq!(history.started(fork), ["a", "b", "c"]);
    assert_eq!(history.of_type(fork, "run.forked").len(), 1);
}
