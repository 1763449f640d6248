//! The crash table, by the place in the flow: a run goes on where it stood, and nothing that was done is done again.
//!
//! Each test holds one call open at the server that counts, kills our server while it waits, and lets the call end
//! after the next start. That call is made twice under one key, because nobody could know how the first one went;
//! every other call is made once.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

/// Kills the server while `held` is open, starts it again, lets the call end, and waits for the end of the run.
/// Returns the server and the run as it is shown.
async fn killed_while_open(server: Server, counting: &Counting, run: &str, held: &str) -> (Server, Value) {
    counting.arrived(held, 1).await;
    let server = server.kill9_and_restart().await;
    counting.arrived(held, 2).await;
    counting.release(held);
    let ended = server.ended(run).await;
    (server, ended)
}

/// The paths that were called, in order.
fn paths(counting: &Counting) -> Vec<String> {
    counting.calls().into_iter().map(|call| call.path).collect()
}

/// The calls of `path` came under one key, and no other path had it.
fn one_key(counting: &Counting, path: &str) {
    let of_path: Vec<_> = counting.calls_of(path).into_iter().map(|call| call.key.expect("a key")).collect();
    assert!(
        of_path.iter().all(|key| *key == of_path[0]),
        "{path} was called under several keys: {of_path:?}"
    );
    let by_key = counting.by_key();
    assert_eq!(by_key[&of_path[0]], of_path.len(), "the key of {path} is its own");
}

#[tokio::test]
async fn in_the_third_of_five_tasks() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let task = |name: &str| json!({ name: post(&counting.url(&format!("/{name}"))) });
    let document = workflow("five", json!([task("a"), task("b"), task("c"), task("d"), task("e")]));
    counting.hold("/c", 1);
    let run = server.begin(document, json!({ "n": 1 })).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/c").await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(paths(&counting), ["/a", "/b", "/c", "/c", "/d", "/e"]);
    one_key(&counting, "/c");
    let history = server.terminate().await;
    assert_eq!(history.started(&run), ["a", "b", "c", "d", "e"]);
    assert_eq!(history.numbers(&run, "run.effect_redispatched", "dispatch"), [2]);
}

#[tokio::test]
async fn in_the_slow_branch_of_a_fork_whose_fast_ones_are_done() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    for path in ["/left", "/slow", "/right"] {
        counting.body(path, json!(path));
    }
    let branch = |name: &str| json!({ name: post(&counting.url(&format!("/{name}"))) });
    let document = workflow(
        "fork",
        json!([{ "all": { "fork": { "branches": [branch("left"), branch("slow"), branch("right")] } } }]),
    );
    counting.hold("/slow", 1);
    let run = server.begin(document, json!({})).await;
    server.happened(&run, "run.task_completed", 2).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/slow").await;
    assert_eq!(ended["output"], json!(["/left", "/slow", "/right"]), "{ended}");
    let calls = |path: &str| counting.calls_of(path).len();
    assert_eq!((calls("/left"), calls("/slow"), calls("/right")), (1, 2, 1));
    one_key(&counting, "/slow");
    let history = server.terminate().await;
    assert_eq!(history.of_type(&run, "run.task_started").len(), 4);
}

#[tokio::test]
async fn in_one_branch_of_a_competing_fork() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.body("/left", json!("left"));
    let branch = |name: &str| json!({ name: post(&counting.url(&format!("/{name}"))) });
    let document = workflow(
        "race",
        json!([{ "race": { "fork": { "compete": true, "branches": [branch("left"), branch("right")] } } }]),
    );
    counting.hold("/left", 1);
    counting.hold("/right", 1);
    let run = server.begin(document, json!({})).await;
    counting.arrived("/right", 1).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/left").await;
    assert_eq!(ended["output"], "left", "both ran again, and one won: {ended}");
    let history = server.terminate().await;
    assert_eq!(history.of_type(&run, "run.task_cancelled").len(), 1);
    assert_eq!(history.of_type(&run, "run.task_cancelled")[0].data["reason"], "lost_race");
}

#[tokio::test]
async fn at_item_seven_of_ten() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let call = json!({ "call": "http", "with": {
        "method": "post",
        "endpoint": format!("${{ \"{}\" + ($item | tostring) }}", counting.url("/item/")),
        "body": "${ $item }",
    }, "output": { "as": "${ { sum: ($input.sum + .received) } }" } });
    let document = workflow(
        "items",
        json!([{ "each": { "for": { "in": ".items" }, "input": { "from": "${ { items: .items, sum: 0 } }" },
                           "do": [{ "call": call }] } }]),
    );
    counting.hold("/item/7", 1);
    let run = server.begin(document, json!({ "items": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] })).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/item/7").await;
    assert_eq!(ended["output"], json!({ "sum": 55 }), "{ended}");
    let expected: Vec<String> =
        [1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10].iter().map(|item| format!("/item/{item}")).collect();
    assert_eq!(paths(&counting), expected);
    one_key(&counting, "/item/7");
    assert_eq!(counting.by_key().len(), 10, "each item has a key of its own");
    let history = server.terminate().await;
    let iterations = history.numbers(&run, "run.task_started", "iteration");
    assert_eq!(iterations, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn in_the_fourth_round_of_a_while() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let call = json!({ "call": "http", "with": {
        "method": "post",
        "endpoint": format!("${{ \"{}\" + (.turn + 1 | tostring) }}", counting.url("/turn/")),
        "body": "${ . }",
    }, "output": { "as": "${ { turn: (.received.turn + 1) } }" } });
    let document = workflow(
        "turns",
        json!([
            { "begin": { "set": { "turn": 0 } } },
            { "loop": { "for": { "in": "[range(100)]" }, "while": ".turn < 6", "do": [{ "call": call }] } },
        ]),
    );
    counting.hold("/turn/4", 1);
    let run = server.begin(document, json!({})).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/turn/4").await;
    assert_eq!(ended["output"], json!({ "turn": 6 }), "{ended}");
    let expected: Vec<String> = [1, 2, 3, 4, 4, 5, 6].iter().map(|turn| format!("/turn/{turn}")).collect();
    assert_eq!(paths(&counting), expected);
    one_key(&counting, "/turn/4");
    server.terminate().await;
}

#[tokio::test]
async fn inside_a_loop_made_with_then() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let call = json!({ "call": "http", "with": {
        "method": "post",
        "endpoint": format!("${{ \"{}\" + (.turn + 1 | tostring) }}", counting.url("/turn/")),
        "body": "${ . }",
    }, "output": { "as": "${ { turn: (.received.turn + 1) } }" } });
    let document = workflow(
        "rounds",
        json!([
            { "begin": { "set": { "turn": 0 } } },
            { "call": call },
            { "again": { "switch": [{ "more": { "when": ".turn < 4", "then": "call" } },
                                    { "enough": { "then": "end" } }] } },
        ]),
    );
    counting.hold("/turn/3", 1);
    let run = server.begin(document, json!({})).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/turn/3").await;
    assert_eq!(ended["output"], json!({ "turn": 4 }), "{ended}");
    assert_eq!(paths(&counting), ["/turn/1", "/turn/2", "/turn/3", "/turn/3", "/turn/4"]);
    one_key(&counting, "/turn/3");
    assert_eq!(counting.by_key().len(), 4, "each round has a key of its own");
    server.terminate().await;
}

#[tokio::test]
async fn inside_a_child_run() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let task = |name: &str| json!({ name: post(&counting.url(&format!("/{name}"))) });
    let child = workflow("child", json!([task("first"), task("second")]));
    server.rpc("workflow.register", json!({ "definition": child })).await.unwrap();
    let delegate =
        json!({ "run": { "workflow": { "namespace": "default", "name": "child", "version": "1.0.0" } } });
    let parent = workflow("parent", json!([task("before"), { "delegate": delegate }, task("after")]));
    counting.hold("/second", 1);
    let run = server.begin(parent, json!({})).await;
    let (server, ended) = killed_while_open(server, &counting, &run, "/second").await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(paths(&counting), ["/before", "/first", "/second", "/second", "/after"]);
    one_key(&counting, "/second");
    let history = server.terminate().await;
    assert_eq!(history.streams("run/").len(), 2, "the child is started once");
    assert_eq!(
        history.of_type(&run, "run.effect_redispatched").len(),
        0,
        "its parent only waits for it again"
    );
}

#[tokio::test]
async fn inside_a_child_run_that_nobody_waits_for() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let task = |name: &str| json!({ name: post(&counting.url(&format!("/{name}"))) });
    server
        .rpc("workflow.register", json!({ "definition": workflow("child", json!([task("second")])) }))
        .await
        .unwrap();
    let delegate = json!({ "run": { "await": false, "workflow":
        { "namespace": "default", "name": "child", "version": "1.0.0" } } });
    let parent = workflow("parent", json!([{ "delegate": delegate }, task("after")]));
    counting.hold("/second", 1);
    let run = server.begin(parent, json!({})).await;
    assert_eq!(server.ended(&run).await["status"], "completed");
    counting.arrived("/second", 1).await;
    let server = server.kill9_and_restart().await;
    counting.arrived("/second", 2).await;
    counting.release("/second");
    openclaw_suite::eventually("the end of the child", async || {
        let data = server.query("{ runs { nodes { status } } }", json!({})).await;
        let nodes = data["runs"]["nodes"].as_array().unwrap().clone();
        (nodes.len() == 2 && nodes.iter().all(|node| node["status"] == "completed")).then_some(())
    })
    .await;
    assert_eq!(counting.calls_of("/after").len(), 1);
    assert_eq!(server.terminate().await.streams("run/").len(), 2);
}
