//! Hostile input at `/rpc`.

use openclaw_suite::Server;
use serde_json::{Value, json};

use super::{beside_others, unharmed};

fn call(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn raw(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"session.message","params":{params}}}"#)
}

#[tokio::test]
async fn whatever_comes_gets_a_coded_error_that_names_the_place() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let message = |field: &str, value: Value| {
        let mut params = json!({ "sessionId": "s", "content": "x" });
        params[field] = value;
        call("session.message", params)
    };
    // Body, JSON-RPC code, coded error, and the place or reason that the answer names.
    let cases: Vec<(String, i64, &str, &str)> = vec![
        (String::new(), -32700, "OC-RPC-001", ""),
        ("{".into(), -32700, "OC-RPC-001", ""),
        ("nonsense".into(), -32700, "OC-RPC-001", ""),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,}".into(), -32700, "OC-RPC-001", ""),
        (r#"{"jsonrpc":"2.0","id":"\ud800"}"#.into(), -32700, "OC-RPC-001", ""),
        ("7".into(), -32600, "OC-RPC-002", "object"),
        ("[]".into(), -32600, "OC-RPC-002", "batch"),
        ("{}".into(), -32600, "OC-RPC-002", "jsonrpc"),
        (r#"{"jsonrpc":"2.0","id":[],"method":"m"}"#.into(), -32600, "OC-RPC-002", "`id`"),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#.into(), -32600, "OC-RPC-002", "`method`"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":7}"#.into(),
            -32600,
            "OC-RPC-002",
            "`params`",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#.into(), -32600, "OC-RPC-002", "`method`"),
        (raw(r#"{"sessionId":"s","content":"a","content":"b"}"#), -32600, "OC-RPC-002", "`content`"),
        (raw(&format!("{}1{}", "[".repeat(500), "]".repeat(500))), -32600, "OC-RPC-002", "deeper"),
        ("[".repeat(900_000), -32600, "OC-RPC-002", "deeper"),
        (r#"{"a":"#.repeat(150_000), -32600, "OC-RPC-002", "deeper"),
        (" ".repeat((1 << 20) + 1), -32600, "OC-RPC-002", "larger"),
        (format!("[{}]", vec![call("system.version", json!([])); 21].join(",")), -32600, "OC-RPC-002", "20"),
        (call("no.such.method", json!({})), -32601, "OC-RPC-003", ""),
        (call("__proto__", json!({})), -32601, "OC-RPC-003", ""),
        (message("content", json!(7)), -32602, "OC-RPC-004", "content"),
        (message("content", json!(null)), -32602, "OC-RPC-004", "content"),
        (message("content", json!("y".repeat(600_000))), -32602, "OC-RPC-004", "content"),
        (message("sessionId", json!("")), -32602, "OC-RPC-004", "sessionId"),
        (message("sessionId", json!("../../etc")), -32022, "OC-SES-001", ""),
        (message("sessionId", json!("s\u{0}")), -32602, "OC-RPC-004", "sessionId"),
        (message("unknown", json!(1)), -32602, "OC-RPC-004", "unknown"),
        (message("attachments", json!([{ "kind": 1 }])), -32602, "OC-RPC-004", "attachments[0].kind"),
        (message("expectedVersion", json!(-1)), -32602, "OC-RPC-004", "expectedVersion"),
        (message("expectedVersion", json!(1e300)), -32602, "OC-RPC-004", "expectedVersion"),
        (message("idempotencyKey", json!("with space")), -32602, "OC-RPC-004", "idempotencyKey"),
        (
            call("session.message", json!(["s", "x", "user", [], null, null, 1])),
            -32602,
            "OC-RPC-004",
            "positional",
        ),
        (call("run.cancel", json!({ "runId": "z".repeat(10_000) })), -32602, "OC-RPC-004", "runId"),
        (call("run.start", json!({})), -32602, "OC-RPC-004", "workflow"),
        (
            call("run.start", json!({ "workflow": { "namespace": "n", "name": "m" }, "wait": "forever" })),
            -32602,
            "OC-RPC-004",
            "wait",
        ),
        (
            call("run.start", json!({ "workflow": { "namespace": "n", "name": "m" }, "wait": "99h" })),
            -32602,
            "OC-RPC-004",
            "wait",
        ),
    ];
    for (body, number, code, place) in cases {
        let shown: String = body.chars().take(80).collect();
        let (_, text) = beside_others(&server, server.caller().post("/rpc", body)).await.unwrap();
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}: {text}"));
        let error = &answer["error"];
        assert_eq!(
            (error["code"].as_i64(), error["data"]["code"].as_str()),
            (Some(number), Some(code)),
            "{shown}: {text}"
        );
        assert!(error.to_string().contains(place), "{shown}: {place} is not named in {text}");
        assert!(text.len() < 2_000, "{shown}: an error does not repeat what came");
    }
    unharmed(server).await;
}

#[tokio::test]
async fn the_largest_batch_of_the_dearest_calls_is_answered_in_bounds() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let discover = json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc.discover" });
    let write = json!({ "jsonrpc": "2.0", "id": 2, "method": "session.message",
        "params": { "sessionId": "s", "content": "x".repeat(40_000) } });
    for call in [discover, write] {
        let batch = json!(vec![call; 20]).to_string();
        let floods = async {
            let mut senders = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let (caller, batch) = (server.caller().clone(), batch.clone());
                senders.spawn(async move { caller.post("/rpc", batch).await.unwrap() });
            }
            senders.join_all().await
        };
        for (status, text) in beside_others(&server, floods).await {
            let answers: Vec<Value> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {error}: {text}"));
            assert_eq!(answers.len(), 20);
        }
    }
    unharmed(server).await;
}
