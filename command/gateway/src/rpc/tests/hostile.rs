//! Input that means harm: an error that names the place, in bounded time, and the next caller is served.

use super::*;

fn code(body: &str) -> (i64, String) {
    let body = value(body);
    let error = &body["error"];
    (
        error["code"].as_i64().unwrap_or_default(),
        error["data"]["reason"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn what_is_beyond_a_limit_is_refused_and_says_which() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let with_params = |params: String| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"session.message","params":{params}}}"#)
    };

    let (_, body) = post(&router, with_params(deep(64))).await;
    assert_eq!(code(&body), (-32600, "nested deeper than 64 levels".to_owned()));
    let (_, body) = post(&router, "[".repeat(60_000)).await;
    assert_eq!(code(&body).0, -32600);
    let (_, body) = post(&router, r#"{"a":"#.repeat(10_000)).await;
    assert_eq!(code(&body).0, -32600);

    let (_, body) =
        post(&router, with_params(r#"{"sessionId":"s","content":"a","\u0063ontent":"b"}"#.into())).await;
    assert_eq!(code(&body), (-32600, "the key `content` stands twice in one object".to_owned()));

    let batch = |count: usize| json!(vec![call(1, "system.health", json!({})); count]).to_string();
    let (_, body) = post(&router, batch(20)).await;
    assert!(value(&body).is_array());
    let (_, body) = post(&router, batch(21)).await;
    assert_eq!(code(&body), (-32600, "a batch has at most 20 calls".to_owned()));

    let (_, body) =
        post(&router, json!({ "jsonrpc": "2.0", "id": "x".repeat(129), "method": "m" }).to_string()).await;
    assert_eq!(code(&body).0, -32600);
    let (_, body) =
        post(&router, json!({ "jsonrpc": "2.0", "id": 1, "method": "m".repeat(65) }).to_string()).await;
    assert_eq!(code(&body).0, -32600);

    let (status, body) = post(&router, " ".repeat((64 << 10) + 1)).await;
    assert_eq!((status, code(&body).0), (StatusCode::PAYLOAD_TOO_LARGE, -32600));
    let (_, body) = post(&router, &b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}"[..]).await;
    assert_eq!(code(&body).0, -32700);

    let (_, body) = post(&router, call(1, "session.message", json!({ "sessionId": 7 })).to_string()).await;
    assert_eq!(value(&body)["error"]["data"]["field"], "sessionId");
    let (_, body) = post(&router, call(1, "system.version", json!({})).to_string()).await;
    assert_eq!(value(&body)["result"]["name"], "openclaw");
}

#[tokio::test]
async fn a_batch_cannot_answer_more_than_the_limit() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let content = "x".repeat(1_100);
    let batch: Vec<Value> = (0..5).map(|id| call(id, "session.message", json!(["s", content]))).collect();
    let (_, body) = post(&router, json!(batch).to_string()).await;
    let answers = value(&body);
    let answers = answers.as_array().expect("a batch");
    assert!(answers[0]["result"].is_object() && answers[1]["error"]["code"] == -32008, "{body}");
    assert_eq!(
        answers.iter().map(|a| a["id"].as_i64()).collect::<Vec<_>>(),
        (0..5).map(Some).collect::<Vec<_>>()
    );
    assert!(body.len() < 4_000, "{}", body.len());
}

#[tokio::test]
async fn a_quoted_value_in_an_error_is_shortened() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let (_, body) =
        post(&router, call(1, "run.cancel", json!({ "runId": "z".repeat(50_000) })).to_string()).await;
    assert_eq!(value(&body)["error"]["code"], -32602);
    assert!(body.len() < 1_000, "{}", body.len());
}
