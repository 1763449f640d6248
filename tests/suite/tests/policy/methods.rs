//! `policy.*`: putting rules in force, asking what would happen, and what would have happened.

use openclaw_suite::{
    Server, code,
    counting::Counting,
    documents::{shell, workflow},
};
use serde_json::{Value, json};

use super::{guard, paying};

#[tokio::test]
async fn rules_are_in_force_when_the_answer_comes_and_setting_them_again_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let rules = json!([{ "name": "no", "tools": ["http"], "action": "deny" }]);
    let first = guard(&server, rules.clone()).await;
    let second = guard(&server, rules.clone()).await;
    assert_eq!((&first["version"], &second["version"]), (&json!(1), &json!(1)));
    assert_eq!(first["streamVersion"], second["streamVersion"]);
    let run = server.run(paying(&counting.url("/x")), json!({})).await;
    assert_eq!(run["status"], "faulted", "{run}");
    let got = server.rpc("policy.get", json!({ "namespace": "default" })).await.unwrap();
    assert_eq!(got["document"], json!({ "rules": rules }));
    server.rpc("policy.remove", json!({ "namespace": "default" })).await.unwrap();
    let run = server.run(paying(&counting.url("/x")), json!({})).await;
    assert_eq!(run["status"], "completed", "{run}");
    let none = server.rpc("policy.remove", json!({ "namespace": "default" })).await.unwrap_err();
    assert_eq!(code(&none), "OC-POL-001");
    let broken =
        json!({ "namespace": "default", "document": "rules:\n- name: a\n  tools: [htp]\n  action: no\n" });
    let refused = server.rpc("policy.set", broken).await.unwrap_err();
    let problems = refused["data"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{refused}");
    assert_eq!((&problems[0]["path"], &problems[0]["line"]), (&json!("/rules/0/tools/0"), &json!(3)));
    server.terminate().await;
}

#[tokio::test]
async fn a_test_says_what_would_happen_and_which_rules_match() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    guard(
        &server,
        json!([
            { "name": "ask", "tools": ["http"], "action": "ask" },
            { "name": "no secrets", "tools": ["*"], "labels": { "any": ["secret"] }, "action": "deny" },
        ]),
    )
    .await;
    let test = async |labels: Value, document: Value| {
        let mut params = json!({ "agent": "default/bot", "tool": "http", "arguments": {}, "labels": labels });
        if !document.is_null() {
            params["document"] = document;
        }
        server.rpc("policy.test", params).await.unwrap()
    };
    let plain = test(json!([]), Value::Null).await;
    assert_eq!((&plain["action"], &plain["rule"]), (&json!("ask"), &json!("ask")));
    let secret = test(json!(["secret"]), Value::Null).await;
    assert_eq!((&secret["action"], &secret["rule"]), (&json!("deny"), &json!("no secrets")));
    assert_eq!(secret["matches"].as_array().unwrap().len(), 2);
    assert_eq!(test(json!(["secret"]), json!({ "default": "allow" })).await["action"], "allow");
    let odd = json!({ "agent": "default/bot", "tool": "http", "labels": ["holy"] });
    assert_eq!(code(&server.rpc("policy.test", odd).await.unwrap_err()), "OC-RPC-004");
    server.terminate().await;
}

#[tokio::test]
async fn a_replay_lists_exactly_the_verdicts_that_would_be_others() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    // Recorded before there was any policy: labels are derived.
    let read = json!({ "call": "http", "with": { "method": "get", "endpoint": counting.url("/page") } });
    let tasks = json!([{ "before": shell("true") }, { "read": read }, { "after": shell("true") }]);
    let run = server.run(workflow("mixed", tasks), json!({})).await;
    assert_eq!(run["status"], "completed", "{run}");
    let document = json!({ "rules": [
        { "name": "tainted", "tools": ["shell"], "labels": { "all": ["web"] }, "action": "deny" },
    ] });
    let replay = async |from: u64, limit: u64| {
        let params = json!({ "namespace": "default", "document": document, "from": from, "limit": limit });
        server.rpc("policy.replay", params).await.unwrap()
    };
    let all = replay(1, 100).await;
    let changes = all["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &all["judged"]), (1, &json!(3)), "{all}");
    let change = &changes[0];
    assert_eq!(
        (&change["name"], &change["old"], &change["new"]),
        (&json!("after"), &json!("allow"), &json!("deny"))
    );
    assert_eq!((&change["newRule"], &change["runId"]), (&json!("tainted"), &run["runId"]));
    // From the middle of the run it says the same: what came before is looked up.
    let position = change["position"].as_u64().unwrap();
    let late = replay(position, 100).await;
    assert_eq!(late["changes"].as_array().unwrap()[0], *change);
    assert_eq!(late["judged"], 1);
    // A run that went through under those rules would be judged the same, so nothing is listed.
    guard(&server, document["rules"].clone()).await;
    assert_eq!(replay(position + 1, 100).await["changes"], json!([]));
    server.terminate().await;
}

#[tokio::test]
async fn decisions_and_policies_can_be_read() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let set = guard(&server, json!([{ "name": "no", "tools": ["http"], "action": "deny" }])).await;
    let run = server.run(paying(&counting.url("/x")), json!({})).await;
    let query = "query($at: Position) { policies(minPosition: $at) { nodes { namespace version removedAt } }
        decisions(filter: { action: [deny] }, minPosition: $at) { nodes { tool policy version rule runId taskName labels } }
        tasks(first: 5, minPosition: $at) { nodes { name dispatches decision { action rule } } } }";
    let shown = server.query(query, json!({ "at": run["position"] })).await;
    assert_eq!(
        shown["policies"]["nodes"],
        json!([{ "namespace": "default", "version": 1, "removedAt": null }]),
        "{set}"
    );
    let decision = &shown["decisions"]["nodes"][0];
    assert_eq!((&decision["tool"], &decision["rule"]), (&json!("http"), &json!("no")), "{shown}");
    assert_eq!((&decision["runId"], &decision["taskName"]), (&run["runId"], &json!("pay")));
    assert_eq!(shown["tasks"]["nodes"][0]["decision"], json!({ "action": "deny", "rule": "no" }));
    assert_eq!(shown["tasks"]["nodes"][0]["dispatches"], 0, "it never went out");
    server.terminate().await;
}

#[tokio::test]
async fn the_command_line_checks_sets_tests_and_replays() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    server.run(paying(&counting.url("/x")), json!({})).await;
    let good = "rules: [{ name: no, tools: [http], action: deny }]";
    let checked = server.cli(&["policy", "check", "-"], Some("rules: [{ name: a }]")).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("OC-WF-011"), "{checked:?}");
    let replayed = server.cli(&["policy", "replay", "-", "--namespace", "default"], Some(good)).await;
    assert!(replayed.stdout.contains("allow -> deny by rule \"no\""), "{replayed:?}");
    let set = server.cli(&["policy", "set", "-", "--namespace", "default"], Some(good)).await;
    assert!(set.stdout.contains("version 1"), "{set:?}");
    let tested = server.cli(&["policy", "test", "--agent", "default/pay", "--tool", "http"], None).await;
    assert!(tested.stdout.starts_with("deny: rule \"no\""), "{tested:?}");
    server.terminate().await;
}
