//! Forks: a new run with the history of another one up to a point.

use openclaw_suite::{
    Server, code,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

/// Two calls, then the context and what the workflow got.
fn steps(counting: &Counting, last: &str) -> Value {
    let mut first = post(&counting.url("/first"));
    first["export"] = json!({ "as": "${ { discount: 0 } }" });
    workflow(
        "steps",
        json!([
            { "first": first },
            { "second": post(&counting.url("/second")) },
            { "show": { "set": { "discount": "${ $context.discount }", "given": "${ $workflow.input }", "end": last } } },
        ]),
    )
}

async fn fork(server: &Server, run: &str, at: Value, more: Value) -> Result<String, Value> {
    let mut params = json!({ "runId": run, "at": at });
    for (name, value) in more.as_object().expect("it is there") {
        params[name] = value.clone();
    }
    let forked = server.rpc("run.fork", params).await?;
    assert_eq!(forked["origin"], run);
    Ok(forked["runId"].as_str().expect("it is there").to_owned())
}

#[tokio::test]
async fn a_fork_repeats_nothing_from_before_and_may_have_another_context_input_and_document() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let origin = server.begin(steps(&counting, "old"), json!({ "n": 1 })).await;
    assert_eq!(
        server.ended(&origin).await["output"],
        json!({ "discount": 0, "given": { "n": 1 }, "end": "old" })
    );
    let before = json!({ "beforeTask": "second" });

    let changed =
        fork(&server, &origin, before.clone(), json!({ "context": { "discount": 10 } })).await.unwrap();
    assert_eq!(server.ended(&changed).await["output"]["discount"], 10);
    let other = fork(&server, &origin, before.clone(), json!({ "input": { "n": 2 } })).await.unwrap();
    assert_eq!(server.ended(&other).await["output"]["given"], json!({ "n": 2 }));
    let newer = json!({ "definition": steps(&counting, "new") });
    let newer = fork(&server, &origin, before, newer).await.unwrap();
    assert_eq!(server.ended(&newer).await["output"]["end"], "new");

    assert_eq!(counting.calls_of("/first").len(), 1, "it was done before the fork");
    let second = counting.calls_of("/second");
    assert_eq!(second.len(), 4);
    let keys: std::collections::BTreeSet<_> = second.iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys.len(), 4, "each run does it as its own effect");
    assert_eq!(server.ended(&origin).await["output"]["end"], "old", "the origin is as it was");
    server.terminate().await;
}

#[tokio::test]
async fn a_fork_begins_at_a_version_or_a_position_and_forks_can_be_forked() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let origin = server.begin(steps(&counting, "end"), json!({})).await;
    server.ended(&origin).await;
    let after_first = server.events_of_type("run.task_completed").await[0]["position"].clone();
    let position: u64 = after_first.as_str().unwrap().parse().unwrap();
    let one = fork(&server, &origin, json!({ "position": position }), json!({})).await.unwrap();
    assert_eq!(server.ended(&one).await["status"], "completed");
    assert_eq!((counting.calls_of("/first").len(), counting.calls_of("/second").len()), (1, 2));

    let two = fork(&server, &one, json!({ "beforeTask": "/do/2/show" }), json!({})).await.unwrap();
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&two).await["status"], "completed");
    assert_eq!((counting.calls_of("/first").len(), counting.calls_of("/second").len()), (1, 2));

    // From the start: everything is done again, because nothing was done before it.
    let three = fork(&server, &two, json!({ "version": 1 }), json!({})).await.unwrap();
    assert_eq!(server.ended(&three).await["status"], "completed");
    assert_eq!(counting.calls_of("/first").len(), 2);
    server.terminate().await;
}

#[tokio::test]
async fn a_fork_that_makes_no_sense_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let origin = server.begin(steps(&counting, "end"), json!({})).await;
    server.ended(&origin).await;
    let last = server.events_of_type("run.completed").await[0]["position"].clone();
    let last: u64 = last.as_str().unwrap().parse().unwrap();
    let elsewhere = workflow("elsewhere", json!([{ "other": { "set": { "x": 1 } } }]));
    let refusals = [
        (json!({ "version": 0 }), json!({}), "OC-RUN-011"),
        (json!({ "version": 1_000 }), json!({}), "OC-RUN-011"),
        (json!({ "position": last + 1_000 }), json!({}), "OC-RUN-011"),
        (json!({ "beforeTask": "nothing" }), json!({}), "OC-RUN-011"),
        (json!({ "beforeTask": 99 }), json!({}), "OC-RUN-011"),
        (json!({ "position": last }), json!({}), "OC-RUN-013"),
        (json!({ "beforeTask": "second" }), json!({ "definition": elsewhere }), "OC-RUN-012"),
    ];
    for (at, more, expected) in refusals {
        let refused = fork(&server, &origin, at.clone(), more).await.unwrap_err();
        assert_eq!(code(&refused), expected, "{at}: {refused}");
    }
    let nobody = "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10";
    let refused = fork(&server, nobody, json!({ "version": 1 }), json!({})).await.unwrap_err();
    assert_eq!(code(&refused), "OC-RUN-001");
    let both = fork(&server, &origin, json!({ "version": 1, "position": 1 }), json!({})).await.unwrap_err();
    assert_eq!(code(&both), "OC-RPC-004");
    server.terminate().await;
}
