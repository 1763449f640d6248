//! The same command twice, and commands that expect a version.

use openclaw_suite::{Caller, Server, documents::workflow};
use serde_json::{Value, json};

async fn call(caller: &Caller, method: &str, params: Value, key: Option<&str>) -> Result<Value, Value> {
    caller.call(method, &params, key).await.unwrap()
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_even_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::on(data.path()).await;
    let document = workflow("once", json!([{ "one": { "set": { "a": 1 } } }]));
    let steps: [(&str, Value); 6] = [
        ("workflow.register", json!({ "definition": document })),
        ("session.create", json!({ "sessionId": "s" })),
        ("session.message", json!({ "sessionId": "s", "content": "Hello" })),
        ("session.set_state", json!({ "sessionId": "s", "key": "k", "value": 1 })),
        ("run.start", json!({ "workflow": { "namespace": "default", "name": "once" }, "wait": "30s" })),
        ("session.end", json!({ "sessionId": "s" })),
    ];
    let mut first = Vec::new();
    for (index, (method, params)) in steps.iter().enumerate() {
        let key = format!("key-{index}");
        // Every second key comes as a parameter.
        let mut with_key = params.clone();
        let header = if index % 2 == 0 { Some(key.as_str()) } else { None };
        if header.is_none() {
            with_key["idempotencyKey"] = json!(key);
        }
        first.push(call(server.caller(), method, with_key, header).await.unwrap());
    }
    for round in 0..2 {
        for (index, (method, params)) in steps.iter().enumerate() {
            let key = format!("key-{index}");
            let again = call(server.caller(), method, params.clone(), Some(&key)).await.unwrap();
            assert_eq!(again, first[index], "{method} in round {round}");
        }
        if round == 0 {
            server = server.kill9_and_restart().await;
        }
    }
    let history = server.terminate().await;
    let count = |event: &str| history.0.iter().filter(|entry| entry.r#type == event).count();
    assert_eq!(
        (count("session.started"), count("session.message_received"), count("session.ended")),
        (1, 1, 1)
    );
    assert_eq!((count("workflow.registered"), count("run.started"), count("run.completed")), (1, 1, 1));
}

#[tokio::test]
async fn a_key_with_other_content_is_refused_and_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let caller = server.caller();
    call(caller, "session.create", json!({ "sessionId": "s" }), Some("k1")).await.unwrap();
    let others = [
        ("session.create", json!({ "sessionId": "other" })),
        ("session.end", json!({ "sessionId": "s" })),
        ("run.start", json!({ "definition": workflow("w", json!([{ "a": { "set": { "a": 1 } } }])) })),
    ];
    for (method, params) in others {
        let refused = call(caller, method, params, Some("k1")).await.unwrap_err();
        assert_eq!(
            (&refused["code"], &refused["data"]["code"]),
            (&json!(-32021), &json!("OC-CMD-002")),
            "{method}"
        );
    }
    let both = json!({ "sessionId": "x", "idempotencyKey": "k2" });
    assert!(
        call(caller, "session.create", both, Some("k3")).await.is_err(),
        "two keys contradict each other"
    );
    assert_eq!(server.terminate().await.0.len(), 1);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_does_it_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let caller = server.caller().clone();
        callers.spawn(async move {
            call(&caller, "session.message", json!({ "sessionId": "s", "content": "Hello" }), Some("same"))
                .await
        });
    }
    let answers: Vec<Value> = callers.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(server.terminate().await.0.len(), 2);
}

#[tokio::test]
async fn an_expected_version_is_met_or_the_actual_one_is_told() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let create = |expected: Value| json!({ "sessionId": "s", "expectedVersion": expected });
    let message = |expected: Value| json!({ "sessionId": "s", "content": "x", "expectedVersion": expected });
    let conflict = |error: Value| {
        assert_eq!(
            (&error["code"], &error["data"]["code"]),
            (&json!(-32020), &json!("OC-CMD-001")),
            "{error}"
        );
        error["data"]["actualVersion"].clone()
    };

    assert_eq!(conflict(server.rpc("session.create", create(json!(3))).await.unwrap_err()), 0);
    server.rpc("session.create", create(json!("none"))).await.unwrap();
    assert_eq!(conflict(server.rpc("session.create", create(json!("none"))).await.unwrap_err()), 1);
    assert_eq!(server.rpc("session.message", message(json!(1))).await.unwrap()["streamVersion"], 2);
    assert_eq!(conflict(server.rpc("session.message", message(json!(1))).await.unwrap_err()), 2);
    assert_eq!(server.rpc("session.message", message(json!("any"))).await.unwrap()["streamVersion"], 3);
    assert_eq!(conflict(server.rpc("session.message", message(json!("none"))).await.unwrap_err()), 3);

    // Of many that expect the same version one is right.
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (caller, params) = (server.caller().clone(), message(json!(3)));
        callers.spawn(async move { call(&caller, "session.message", params, None).await });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(conflict(error), 4);
    }
    server.terminate().await;
}
