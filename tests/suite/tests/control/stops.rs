//! Cancel with compensation, and kill without.

use openclaw_suite::{
    Server, code,
    counting::Counting,
    documents::{post, workflow},
};
use serde_json::{Value, json};

/// Books, waits long, and unbooks when it is cancelled.
fn booking(counting: &Counting) -> Value {
    workflow(
        "booking",
        json!([{ "trip": {
            "try": [{ "book": post(&counting.url("/book")) }, { "wait": { "wait": { "minutes": 10 } } }],
            "catch": {
                "errors": { "with": { "type": "urn:openclaw:error:cancelled" } },
                "do": [{ "unbook": post(&counting.url("/unbook")) }],
            },
        } }, { "never": post(&counting.url("/never")) }]),
    )
}

#[tokio::test]
async fn a_cancelled_run_compensates_once_across_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let run = server.begin(booking(&counting), json!({})).await;
    server.shows(&run, "waiting").await;
    counting.hold("/unbook", 1);
    server.rpc("run.cancel", json!({ "runId": run })).await.unwrap();
    counting.arrived("/unbook", 1).await;
    let server = server.kill9_and_restart().await;
    counting.release("/unbook");
    assert_eq!(server.ended(&run).await["status"], "cancelled");
    let unbooked = counting.calls_of("/unbook");
    assert!(
        unbooked.len() == 2 && unbooked[0].key == unbooked[1].key,
        "one effect, sent again: {unbooked:?}"
    );
    assert_eq!((counting.calls_of("/book").len(), counting.calls_of("/never").len()), (1, 0));
    server.terminate().await;
}

#[tokio::test]
async fn a_killed_run_compensates_nothing_not_even_what_it_had_begun_to() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let first = server.begin(booking(&counting), json!({})).await;
    server.shows(&first, "waiting").await;
    server.rpc("run.kill", json!({ "runId": first, "reason": "enough" })).await.unwrap();
    assert_eq!(server.ended(&first).await["status"], "cancelled");
    assert!(counting.calls_of("/unbook").is_empty());

    let second = server.begin(booking(&counting), json!({})).await;
    server.shows(&second, "waiting").await;
    counting.hold("/unbook", 1);
    server.rpc("run.cancel", json!({ "runId": second })).await.unwrap();
    counting.arrived("/unbook", 1).await;
    server.rpc("run.kill", json!({ "runId": second })).await.unwrap();
    assert_eq!(server.ended(&second).await["status"], "cancelled", "although the call is held");
    counting.release("/unbook");
    assert_eq!(code(&server.rpc("run.kill", json!({ "runId": second })).await.unwrap_err()), "OC-RUN-003");
    server.terminate().await;
}

#[tokio::test]
async fn runs_are_taken_in_hand_at_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let run = server.begin(booking(&counting), json!({})).await;
    server.shows(&run, "waiting").await;
    let paused = server.cli(&["run", "pause", &run, "--json", "--reason", "r"], None).await.succeeded();
    assert_eq!(paused.json()["status"], "suspended");
    let _ = server.cli(&["run", "resume", &run], None).await.succeeded();
    let _ =
        server.cli(&["run", "signal", &run, "hello", "--payload", "-"], Some("{\"a\":1}")).await.succeeded();
    let forked =
        server.cli(&["run", "fork", &run, "--before-task", "wait", "--json"], None).await.succeeded();
    let fork = forked.json()["runId"].as_str().unwrap().to_owned();
    let _ = server.cli(&["run", "kill", &fork], None).await.succeeded();
    let _ = server.cli(&["run", "cancel", &run], None).await.succeeded();
    assert_eq!(server.ended(&run).await["status"], "cancelled");
    let refused = server.cli(&["run", "retry", &run], None).await;
    assert!(refused.code == Some(4) && refused.stderr.contains("OC-RUN-006"), "{refused:?}");
    assert_eq!((counting.calls_of("/book").len(), counting.calls_of("/unbook").len()), (1, 1));
    server.terminate().await;
}
