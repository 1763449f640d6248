//! What happens when nobody decides in time.

use std::time::Duration;

use openclaw_suite::{Server, code};
use serde_json::{Value, json};

use super::asking;

const SOON: u64 = 300;

fn due(outcome: Value) -> Value {
    asking(&json!({
        "assignees": ["ada"], "deadline": { "after": { "milliseconds": SOON }, "outcome": outcome },
    }))
}

#[tokio::test]
async fn it_is_denied_or_decided_by_default_when_the_time_is_over() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let denied = server.begin(due(json!("deny")), json!({})).await;
    let request = server.asked(&denied, 1).await;
    let default = json!({ "default": { "choice": "approve", "answer": "${ .limit }" } });
    let granted = server.begin(due(default), json!({ "limit": 5 })).await;

    let output = server.ended(&denied).await["output"].clone();
    assert_eq!((&output["choice"], &output["how"]), (&Value::Null, &json!("deadline")), "{output}");
    let output = server.ended(&granted).await["output"].clone();
    assert_eq!((&output["choice"], &output["answer"]), (&json!("approve"), &json!(5)), "{output}");
    assert_eq!(code(&server.decide(&request, "ada", "approve").await.unwrap_err()), "OC-APR-002");
    server.terminate().await;
}

#[tokio::test]
async fn a_time_that_is_over_while_the_server_is_down_is_over_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.begin(due(json!("deny")), json!({})).await;
    let request = server.asked(&run, 1).await;
    server.kill9().await;
    tokio::time::sleep(Duration::from_millis(SOON)).await;
    let server = Server::on(data.path()).await;
    // Whether this comes before or after the server has noticed.
    let refused = server.decide(&request, "ada", "approve").await.unwrap_err();
    assert!(["OC-APR-002", "OC-APR-004"].contains(&code(&refused)), "{refused}");
    assert_eq!(server.ended(&run).await["output"]["how"], "deadline");
    server.terminate().await;
}

#[tokio::test]
async fn others_are_asked_besides_and_it_is_denied_when_their_time_is_over_too() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let to = |after: u64| json!({ "escalate": { "assignees": ["zoe"], "after": { "milliseconds": after } } });
    let decided = server.begin(due(to(60_000)), json!({})).await;
    let request = server.asked(&decided, 1).await;
    server.approval_happened(&request, "approval.escalated").await;
    assert_eq!(code(&server.decide(&request, "mallory", "approve").await.unwrap_err()), "OC-APR-005");
    let server = server.kill9_and_restart().await;
    server.decide(&request, "zoe", "approve").await.unwrap();
    assert_eq!(server.ended(&decided).await["output"]["votes"][0]["by"], "zoe");

    let denied = server.begin(due(to(SOON)), json!({})).await;
    let output = server.ended(&denied).await["output"].clone();
    assert_eq!((&output["choice"], &output["how"]), (&Value::Null, &json!("deadline")));
    server.terminate().await;
}
