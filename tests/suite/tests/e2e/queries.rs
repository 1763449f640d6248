//! Questions over GraphQL.

use openclaw_suite::{
    Server,
    documents::{shell, workflow},
};
use serde_json::{Value, json};

async fn seeded() -> (tempfile::TempDir, Server, u64) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let mut position = 0;
    for number in 0..7 {
        let task = if number % 3 == 2 {
            json!({ "raise": { "error": { "type": "https://a.test/e", "status": 500 } } })
        } else {
            json!({ "set": { "n": number } })
        };
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let run = server.run(workflow(name, json!([{ "work": task }])), json!({ "number": number })).await;
        position = run["position"].as_u64().unwrap();
    }
    for session in ["s1", "s2"] {
        server.rpc("session.create", json!({ "sessionId": session, "channel": session })).await.unwrap();
        for text in ["first apple", "second pear"] {
            let said = server
                .rpc("session.message", json!({ "sessionId": session, "content": text }))
                .await
                .unwrap();
            position = said["position"].as_u64().unwrap();
        }
    }
    (data, server, position)
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap_both_ways() {
    let (_data, server, position) = seeded().await;
    let at = json!(position.to_string());
    for (field, node, expected) in [
        ("runs", "id", 7),
        ("tasks", "id", 7),
        ("sessions", "id", 2),
        ("messages", "position", 4),
        ("events", "position", position),
    ] {
        let query = format!(
            "query($after: String, $before: String, $first: Int, $last: Int, $at: Position) {{ {field}(first: $first, last: $last,
             after: $after, before: $before, minPosition: $at) {{ edges {{ cursor node {{ {node} }} }}
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let (mut forward, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page =
                server.query(&query, json!({ "first": 3, "after": cursor, "at": at })).await[field].clone();
            forward
                .extend(page["edges"].as_array().unwrap().iter().map(|edge| edge["node"][node].to_string()));
            cursor = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        let (mut backward, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page =
                server.query(&query, json!({ "last": 3, "before": cursor, "at": at })).await[field].clone();
            backward.extend(
                page["edges"].as_array().unwrap().iter().rev().map(|edge| edge["node"][node].to_string()),
            );
            cursor = page["pageInfo"]["startCursor"].clone();
            if page["pageInfo"]["hasPreviousPage"] == false {
                break;
            }
        }
        assert_eq!(forward.len() as u64, expected, "{field}");
        backward.reverse();
        assert_eq!(forward, backward, "{field}");
    }
    server.terminate().await;
}

#[tokio::test]
async fn filters_leave_what_was_asked_for() {
    let (_data, server, position) = seeded().await;
    let at = json!({ "at": position.to_string() });
    let query = "query($at: Position) {
        faulted: runs(filter: { status: [faulted] }, minPosition: $at) { totalCount nodes { status error { type } } }
        even: runs(filter: { name: \"even\", namespace: \"default\" }, minPosition: $at) { nodes { input workflow { name inline } actor } }
        raised: tasks(filter: { kind: [\"raise\"] }, minPosition: $at) { nodes { kind status run { status } } }
        apples: messages(filter: { text: \"APPLE\" }, minPosition: $at) { nodes { content sessionId } }
        one: sessions(filter: { channel: \"s2\" }, minPosition: $at) { nodes { id messageCount } }
        starts: events(filter: { type: [\"run.started\"] }, order: ASC, minPosition: $at) { nodes { type stream version } }
        range: events(from: \"2\", to: \"4\", order: ASC, minPosition: $at) { nodes { position } }
        event(position: \"1\", minPosition: $at) { type position data }
    }";
    let data = server.query(query, at).await;
    assert_eq!(data["faulted"]["totalCount"], 2);
    assert!(
        data["faulted"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["error"]["type"] == "https://a.test/e")
    );
    let numbers: Vec<u64> = data["even"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["input"]["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [6, 4, 2, 0], "newest first");
    assert_eq!(data["even"]["nodes"][0]["actor"], "token:operator");
    assert_eq!(data["raised"]["nodes"].as_array().unwrap().len(), 2);
    assert!(
        data["raised"]["nodes"].as_array().unwrap().iter().all(|task| task["run"]["status"] == "faulted")
    );
    assert_eq!(data["apples"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(data["one"]["nodes"], json!([{ "id": "s2", "messageCount": 2 }]));
    assert_eq!(data["starts"]["nodes"].as_array().unwrap().len(), 7);
    assert_eq!(
        data["range"]["nodes"],
        json!([{ "position": "2" }, { "position": "3" }, { "position": "4" }])
    );
    assert_eq!((&data["event"]["type"], &data["event"]["position"]), (&json!("run.started"), &json!("1")));
    server.terminate().await;
}

#[tokio::test]
async fn whoever_asks_with_the_position_of_a_command_sees_what_it_did() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let query = "query($at: Position) { session(id: \"s\", minPosition: $at) { messageCount position
        messages(last: 1) { nodes { content } } } }";
    for number in 1..=50_u64 {
        let text = format!("message {number}");
        let said = server.rpc("session.message", json!({ "sessionId": "s", "content": text })).await.unwrap();
        let position = said["position"].as_u64().unwrap();
        let shown = server.query(query, json!({ "at": position.to_string() })).await;
        assert_eq!(shown["session"]["messageCount"], number);
        assert_eq!(shown["session"]["messages"]["nodes"][0]["content"], text);
        assert_eq!(shown["session"]["position"], position.to_string());
    }
    let body = json!({ "query": "{ runs(minPosition: \"9999\", timeoutMs: 50) { totalCount } }" });
    let (_, text) = server.caller().post("/graphql", body.to_string()).await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "CONSISTENCY_TIMEOUT",
        "older rows are never passed off as new"
    );
    assert_eq!(answer["extensions"]["position"], "51", "every answer says how fresh it is");
    server.terminate().await;
}

#[tokio::test]
async fn figures_add_up() {
    let (_data, server, _) = seeded().await;
    let last = server.run(workflow("process", json!([{ "work": shell("true") }])), json!({})).await;
    let query = "query($at: Position) { stats(minPosition: $at) { position runsByStatus { status runs }
        taskDurations { namespace name samples p50Ms p95Ms maxMs } eventsPerMinute { minute events } }
        server { head version writable headHash } projection { status lag failure { code } } }";
    let data = server.query(query, json!({ "at": last["position"] })).await;
    let stats = &data["stats"];
    let runs: u64 =
        stats["runsByStatus"].as_array().unwrap().iter().map(|entry| entry["runs"].as_u64().unwrap()).sum();
    assert_eq!(runs, 8);
    let events: u64 = stats["eventsPerMinute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["events"].as_u64().unwrap())
        .sum();
    let head: u64 = data["server"]["head"].as_str().unwrap().parse().unwrap();
    assert_eq!((events, stats["eventsPerMinute"].as_array().unwrap().len()), (head, 60));
    let durations = stats["taskDurations"].as_array().unwrap();
    for entry in durations {
        let figure = |name: &str| entry[name].as_u64().unwrap();
        assert!(
            figure("samples") >= 1
                && figure("p50Ms") <= figure("p95Ms")
                && figure("p95Ms") <= figure("maxMs"),
            "{entry}"
        );
    }
    assert!(durations.iter().any(|entry| entry["name"] == "process"), "{durations:?}");
    assert_eq!((&data["server"]["writable"], &data["projection"]["failure"]), (&json!(true), &Value::Null));
    let workflows = server.query("{ workflows { nodes { name } } }", json!({})).await;
    assert_eq!(workflows["workflows"]["nodes"], json!([]), "inline documents are not registered");
    server.terminate().await;
}

#[tokio::test]
async fn the_audit_log_over_graphql_is_the_exported_one() {
    let (_data, server, position) = seeded().await;
    let query = "query($after: String, $at: Position) { events(first: 200, after: $after, order: ASC, minPosition: $at) {
        nodes { position stream version type at command data } pageInfo { hasNextPage endCursor } } }";
    let (mut shown, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page =
            server.query(query, json!({ "after": cursor, "at": position.to_string() })).await["events"]
                .clone();
        shown.extend(page["nodes"].as_array().unwrap().clone());
        cursor = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let history = server.terminate().await;
    assert_eq!(shown.len(), history.0.len());
    for (shown, entry) in shown.iter().zip(&history.0) {
        assert_eq!(shown["position"], entry.position.to_string());
        assert_eq!((&shown["stream"], &shown["version"]), (&json!(entry.stream), &json!(entry.version)));
        assert_eq!((&shown["type"], &shown["at"]), (&json!(entry.r#type), &json!(entry.at)));
        assert_eq!((&shown["command"], &shown["data"]), (&json!(entry.command), &entry.data));
    }
}
