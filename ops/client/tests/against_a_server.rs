//! The client against a small server that this file writes itself, so that every answer can be arranged.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use futures_util::StreamExt;
use openclaw_client::{Client, CreateSession, EndSession, Error, StartRun, Status};
use openclaw_model::SessionId;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

struct Server {
    url: String,
    _tasks: JoinSet<()>,
}

async fn serve(router: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.expect("serves") });
    Server { url, _tasks: tasks }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn rpc(State(seen): State<Seen>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    seen.lock().expect("nobody panicked").push((headers.clone(), body.clone()));
    if headers.get("authorization").is_none_or(|value| value != "Bearer secret") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let answer = match body["method"].as_str() {
        Some("run.start") => json!({ "result": {
            "runId": "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10", "status": "completed", "output": 3,
            "position": 9, "streamVersion": 4, "new": "fields are ignored",
        } }),
        Some("session.create") => json!({ "error": {
            "code": -32009, "message": "busy", "data": { "code": "OC-RPC-007", "retryAfterMs": 40 },
        } }),
        Some("session.end") => {
            let body = json!({ "code": "OC-HTTP-004", "message": "there is nothing here" });
            return (StatusCode::NOT_FOUND, Json(body)).into_response();
        }
        _ => return (StatusCode::BAD_GATEWAY, "a proxy says no").into_response(),
    };
    let mut answer = answer;
    answer["jsonrpc"] = json!("2.0");
    answer["id"] = body["id"].clone();
    Json(answer).into_response()
}

#[tokio::test]
async fn calls_are_typed_both_ways_and_carry_token_and_key() {
    let seen = Seen::default();
    let server = serve(Router::new().route("/rpc", post(rpc)).with_state(Arc::clone(&seen))).await;
    let client = Client::new(&format!("{}/", server.url), "secret").unwrap();

    let start =
        StartRun { definition: Some(json!("do: []")), wait: Some("1s".into()), ..StartRun::default() };
    let run = client.start_run(&start, Some("key-1")).await.unwrap();
    assert_eq!((run.status, run.output, run.position.0), (Status::Completed, Some(json!(3)), 9));
    let (headers, body) = seen.lock().unwrap()[0].clone();
    assert_eq!(headers["idempotency-key"], "key-1");
    assert_eq!(body["params"], json!({ "definition": "do: []", "wait": "1s" }));

    let busy = client.create_session(&CreateSession::default(), None).await.unwrap_err();
    assert_eq!(busy.retry_after(), Some(std::time::Duration::from_millis(40)));
    assert!(matches!(busy, Error::Rpc(error) if error.oc_code() == Some("OC-RPC-007")));
    assert!(matches!(client.health().await.unwrap_err(), Error::Status { status: 502, .. }));

    let end = EndSession { session_id: SessionId::new("s").unwrap(), reason: None };
    let refused = client.end_session(&end, None).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Status { status: 404, body } if body.contains("OC-HTTP-004")),
        "{refused}"
    );

    let stranger = Client::new(&server.url, "wrong").unwrap();
    assert!(matches!(stranger.version().await.unwrap_err(), Error::Unauthorized));
}

#[tokio::test]
async fn only_calls_with_a_key_are_repeated_when_the_connection_breaks() {
    // Takes a connection, reads a little and hangs up, as a server that is killed does.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let taken = Arc::clone(&taken);
        async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.readable().await.unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
                drop(socket);
            }
        }
    });
    let client = Client::new(&url, "secret").unwrap();
    let error = client.create_session(&CreateSession::default(), None).await.unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    let error = client.create_session(&CreateSession::default(), Some("key")).await.unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!(taken.load(Ordering::SeqCst), 1 + 4);
}

async fn graphql(Json(body): Json<Value>) -> Json<Value> {
    Json(match body["query"].as_str() {
        Some("{ good }") => json!({ "data": { "good": body["variables"]["n"] } }),
        _ => json!({ "data": null, "errors": [{ "message": "no", "extensions": { "code": "BAD" } }] }),
    })
}

async fn updates(mut socket: WebSocket) {
    let mut expect = async |kind: &str| {
        let Some(Ok(Message::Text(text))) = socket.recv().await else { panic!("{kind} did not come") };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(message["type"], kind);
        message
    };
    let hello = expect("connection_init").await;
    assert_eq!(hello["payload"]["authorization"], "Bearer secret");
    let say = async |socket: &mut WebSocket, message: Value| {
        socket.send(Message::Text(message.to_string().into())).await.expect("the client is there");
    };
    say(&mut socket, json!({ "type": "connection_ack" })).await;
    let Some(Ok(Message::Text(text))) = socket.recv().await else { panic!("no subscription came") };
    let subscribe: Value = serde_json::from_str(&text).expect("JSON");
    let id = subscribe["id"].clone();
    say(&mut socket, json!({ "type": "ping" })).await;
    for n in 1..=3 {
        say(&mut socket, json!({ "id": id, "type": "next", "payload": { "data": { "n": n } } })).await;
    }
    match subscribe["payload"]["variables"]["end"].as_str() {
        Some("complete") => say(&mut socket, json!({ "id": id, "type": "complete" })).await,
        Some("error") => {
            say(&mut socket, json!({ "id": id, "type": "error", "payload": [{ "message": "lagged" }] }))
                .await;
        }
        _ => {
            let frame = CloseFrame { code: 4429, reason: "too slow".into() };
            socket.send(Message::Close(Some(frame))).await.expect("the client is there");
        }
    }
}

#[tokio::test]
async fn queries_and_subscriptions_answer_data_or_say_why_not() {
    let ws =
        |upgrade: WebSocketUpgrade| async { upgrade.protocols(["graphql-transport-ws"]).on_upgrade(updates) };
    let server = serve(Router::new().route("/graphql", post(graphql)).route("/graphql/ws", any(ws))).await;
    let client = Client::new(&server.url, "secret").unwrap();

    assert_eq!(client.graphql("{ good }", json!({ "n": 5 })).await.unwrap(), json!({ "good": 5 }));
    let refused = client.graphql("{ bad }", json!({})).await.unwrap_err();
    assert!(matches!(refused, Error::Graphql(errors) if errors[0].extensions["code"] == "BAD"));

    for end in ["complete", "error", "close"] {
        let updates = client.subscribe("subscription { n }", json!({ "end": end })).await.unwrap();
        let got: Vec<_> = updates.collect().await;
        let data: Vec<_> = got.iter().filter_map(|update| update.as_ref().ok()).cloned().collect();
        assert_eq!(data, [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "n": 3 })]);
        match (end, got.into_iter().nth(3)) {
            ("complete", None) | ("error", Some(Err(Error::Graphql(_)))) => {}
            ("close", Some(Err(Error::Closed { code: 4429, .. }))) => {}
            (end, other) => panic!("{end}: {other:?}"),
        }
    }
}

#[test]
fn addresses_that_are_none_are_refused_before_anything_is_sent() {
    for bad in ["", "127.0.0.1:7710", "ftp://host", "http://"] {
        assert!(matches!(Client::new(bad, "secret"), Err(Error::Config(_))), "{bad}");
    }
    assert!(matches!(Client::new("http://host", "a\nb"), Err(Error::Config(_))));
}
