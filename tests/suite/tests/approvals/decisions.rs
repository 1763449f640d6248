//! Who may decide what, and that exactly one decision counts.

use std::time::Duration;

use futures_util::future::join_all;
use openclaw_suite::{Server, code, counting::Counting, documents::workflow};
use serde_json::{Value, json};

use super::asking;

#[tokio::test]
async fn a_decision_is_the_output_and_the_next_one_is_told_who_was_first() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = asking(&json!({ "subject": { "amount": "${ .amount }" }, "assignees": ["ada", "bob"] }));
    let run = server.begin(document, json!({ "amount": 20 })).await;
    let request = server.asked(&run, 1).await;
    assert_eq!(request["subject"], json!({ "amount": 20 }));
    server.shows(&run, "waiting").await;

    let decided = server.decide(&request, "ada", "approve").await.unwrap();
    assert_eq!((&decided["resolved"], &decided["choice"]), (&json!(true), &json!("approve")));
    let refused = server.decide(&request, "bob", "deny").await.unwrap_err();
    assert_eq!(code(&refused), "OC-APR-002");
    assert!(refused["message"].as_str().unwrap().contains("ada"), "{refused}");

    let output = server.ended(&run).await["output"].clone();
    assert_eq!((&output["choice"], &output["how"]), (&json!("approve"), &json!("votes")), "{output}");
    assert_eq!((&output["votes"][0]["by"], &output["approval"]), (&json!("ada"), &request["approval"]));
    server.terminate().await;
}

#[tokio::test]
async fn of_many_decisions_at_the_same_time_one_counts_and_every_other_is_told() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.begin(asking(&json!({})), json!({})).await;
    let request = server.asked(&run, 1).await;
    let people: Vec<String> = (0..12).map(|number| format!("person-{number}")).collect();
    let choices = ["approve", "deny"].into_iter().cycle();
    let votes = people.iter().zip(choices).map(|(name, choice)| server.decide(&request, name, choice));
    let answers = join_all(votes).await;
    let winners = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(winners, 1, "{answers:?}");
    let codes: Vec<&str> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(code).collect();
    assert_eq!(codes, ["OC-APR-002"; 11]);
    let output = server.ended(&run).await["output"].clone();
    assert_eq!(output["votes"].as_array().unwrap().len(), 1, "{output}");
    server.terminate().await;
}

#[tokio::test]
async fn a_run_waits_for_a_decision_across_a_crash_and_is_asked_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.begin(asking(&json!({ "roles": ["finance"] })), json!({})).await;
    let request = server.asked(&run, 1).await;
    let server = server.kill9_and_restart().await;
    let ada = json!({ "name": "ada", "roles": ["finance"] });
    server.decide_with(&request, ada.clone(), "deny", Value::Null).await.unwrap();
    // Acknowledged, so it is on disk, whatever becomes of the server before the run has heard of it.
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["output"]["choice"], "deny");
    let late = server.decide_with(&request, ada, "approve", Value::Null).await.unwrap_err();
    assert_eq!(code(&late), "OC-APR-002");
    let history = server.terminate().await;
    let asked = history.0.iter().filter(|entry| entry.r#type == "approval.requested").count();
    assert_eq!(asked, 1);
    assert_eq!(history.started(&run), ["ask"]);
}

#[tokio::test]
async fn only_those_who_are_asked_choose_what_there_is_with_answers_that_fit() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let schema = json!({ "type": "object", "properties": { "amount": { "type": "integer", "maximum": 50 } },
        "required": ["amount"] });
    let document = asking(&json!({
        "assignees": ["ada"], "roles": ["finance"],
        "choices": ["deny", { "name": "grant", "title": "Grant it", "schema": schema }],
    }));
    let run = server.begin(document, json!({})).await;
    let request = server.asked(&run, 1).await;
    let ada = json!({ "name": "ada" });
    let try_it = async |by: &Value, choice: &str, answer: Value| {
        let refused = server.decide_with(&request, by.clone(), choice, answer).await.unwrap_err();
        code(&refused).to_owned()
    };
    let mallory = json!({ "name": "mallory", "roles": ["sales"] });
    assert_eq!(try_it(&mallory, "deny", Value::Null).await, "OC-APR-005");
    assert_eq!(try_it(&ada, "approve", Value::Null).await, "OC-APR-008");
    assert_eq!(try_it(&ada, "grant", json!({ "amount": 51 })).await, "OC-APR-009");
    assert_eq!(try_it(&ada, "grant", Value::Null).await, "OC-APR-009");
    assert_eq!(try_it(&ada, "deny", json!(1)).await, "OC-RPC-004", "there is no answer to give");
    let mut other = request.clone();
    other["digest"] = json!("5a".repeat(32));
    let refused = server.decide(&other, "ada", "deny").await.unwrap_err();
    assert_eq!(code(&refused), "OC-APR-006");
    let unknown = json!({ "approval": "00".repeat(16), "digest": request["digest"] });
    assert_eq!(code(&server.decide(&unknown, "ada", "deny").await.unwrap_err()), "OC-APR-001");

    let zoe = json!({ "name": "zoe", "roles": ["finance"] });
    server.decide_with(&request, zoe, "grant", json!({ "amount": 50 })).await.unwrap();
    assert_eq!(server.ended(&run).await["output"]["answer"], json!({ "amount": 50 }));
    server.terminate().await;
}

#[tokio::test]
async fn a_quorum_needs_different_people_who_choose_the_same() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let three = asking(&json!({ "assignees": ["ada", "bob", "eve"], "quorum": 2 }));
    let run = server.begin(three.clone(), json!({})).await;
    let request = server.asked(&run, 1).await;
    assert_eq!(server.decide(&request, "ada", "approve").await.unwrap()["resolved"], false);
    assert_eq!(code(&server.decide(&request, "ada", "approve").await.unwrap_err()), "OC-APR-007");
    assert_eq!(server.decide(&request, "bob", "deny").await.unwrap()["resolved"], false);
    let server = server.kill9_and_restart().await;
    assert_eq!(server.decide(&request, "eve", "approve").await.unwrap()["resolved"], true);
    let output = server.ended(&run).await["output"].clone();
    assert_eq!((&output["choice"], output["votes"].as_array().unwrap().len()), (&json!("approve"), 3));

    let all = asking(&json!({ "assignees": ["ada", "bob"], "quorum": 2 }));
    let run = server.begin(all, json!({})).await;
    let request = server.asked(&run, 1).await;
    server.decide(&request, "ada", "approve").await.unwrap();
    let denied = server.decide(&request, "bob", "deny").await.unwrap();
    assert_eq!((&denied["resolved"], &denied["choice"]), (&json!(true), &Value::Null));
    assert_eq!(server.ended(&run).await["output"]["how"], "no_quorum");
    server.terminate().await;
}

#[tokio::test]
async fn a_repeated_decision_under_one_key_is_one_decision() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.begin(asking(&json!({})), json!({})).await;
    let request = server.asked(&run, 1).await;
    let params = json!({ "approvalId": request["approval"], "digest": request["digest"], "choice": "approve",
        "by": { "name": "ada" } });
    let first = server.caller().call("approval.decide", &params, Some("k")).await.unwrap().unwrap();
    let server = server.kill9_and_restart().await;
    let again = server.caller().call("approval.decide", &params, Some("k")).await.unwrap().unwrap();
    assert_eq!(first, again);
    server.terminate().await;
}

#[tokio::test]
async fn what_is_decided_about_may_change_and_then_earlier_decisions_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let price = json!({ "call": "http", "with": { "method": "get", "endpoint": counting.url("/price") } });
    let ask = json!({
        "call": "approval", "with": { "title": "Buy?", "subject": "${ .count }", "assignees": ["ada"] },
        "timeout": { "after": { "seconds": 2 } },
    });
    let document = workflow(
        "offer",
        json!([{ "offer": {
            "try": [{ "price": price }, { "ask": ask }],
            "catch": { "errors": { "with": { "status": 408 } },
                "retry": { "delay": { "milliseconds": 1 }, "limit": { "attempt": { "count": 3 } } } },
        } }]),
    );
    let run = server.begin(document, json!({})).await;
    let first = server.asked(&run, 1).await;
    let second = server.asked(&run, 2).await;
    assert_eq!((&first["subject"], &second["subject"]), (&json!(1), &json!(2)));
    assert_eq!(first["approval"], second["approval"], "it is one approval");
    let refused = server.decide(&first, "ada", "approve").await.unwrap_err();
    assert_eq!(code(&refused), "OC-APR-006");
    assert!(refused["message"].as_str().unwrap().contains(second["digest"].as_str().unwrap()), "{refused}");
    server.decide(&second, "ada", "approve").await.unwrap();
    assert_eq!(server.ended(&run).await["output"]["choice"], "approve");
    server.terminate().await;
}

#[tokio::test]
async fn nobody_decides_for_a_run_that_was_cancelled() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.begin(asking(&json!({})), json!({})).await;
    let request = server.asked(&run, 1).await;
    server.rpc("run.cancel", json!({ "runId": run })).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "cancelled");
    server.approval_happened(&request, "approval.voided").await;
    let refused = server.decide(&request, "ada", "approve").await.unwrap_err();
    assert_eq!(code(&refused), "OC-APR-003");
    server.terminate().await;
}

#[tokio::test]
async fn people_decide_at_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = asking(&json!({ "subject": { "amount": 20 }, "assignees": ["ada"] }));
    let run = server.begin(document, json!({})).await;
    let request = server.asked(&run, 1).await;
    let id = request["approval"].as_str().unwrap();
    openclaw_suite::eventually("the list to show it", async || {
        let listed = server.cli(&["approvals", "list", "--assignee", "ada"], None).await.succeeded();
        (listed.stdout.contains(id) && listed.stdout.contains("Refund?")).then_some(())
    })
    .await;
    let others = server.cli(&["approvals", "list", "--assignee", "bob"], None).await.succeeded();
    assert!(!others.stdout.contains(id), "{others:?}");
    let shown = server.cli(&["approvals", "show", id], None).await.succeeded();
    assert!(shown.stdout.contains("\"amount\": 20") && shown.stdout.contains("assignees: ada"), "{shown:?}");
    let wrong = server.cli(&["approvals", "decide", id, "approve", "--by", "bob"], None).await;
    assert!(wrong.code == Some(4) && wrong.stderr.contains("OC-APR-005"), "{wrong:?}");
    let decided = server.cli(&["approvals", "decide", id, "approve", "--by", "ada"], None).await.succeeded();
    assert!(decided.stderr.contains("decided: approve"), "{decided:?}");
    assert_eq!(server.ended(&run).await["output"]["choice"], "approve");
    tokio::time::timeout(Duration::from_secs(60), server.terminate()).await.unwrap();
}
