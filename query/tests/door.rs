//! What one caller may take of the query side.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router};
use common::{Served, ask};
use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_model::access::Grants;
use openclaw_query::{Ask, Caller, Door, OnRefusal, Place, guarded_router};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

mod common;

const PATIENCE: Duration = Duration::from_secs(20);

/// So many of each at the same time, whoever asks.
struct Ration {
    questions: Arc<Semaphore>,
    operations: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Ration {
    fn of(questions: usize, operations: usize, sockets: usize) -> Arc<Self> {
        let of = |count| Arc::new(Semaphore::new(count));
        Arc::new(Self { questions: of(questions), operations: of(operations), sockets: of(sockets) })
    }
}

impl Door for Ration {
    fn take(&self, _: &Caller, ask: Ask) -> Result<Place, Duration> {
        let places = match ask {
            Ask::Question => &self.questions,
            Ask::Operation => &self.operations,
            Ask::Socket => &self.sockets,
        };
        Arc::clone(places).try_acquire_owned().map(Place::new).map_err(|_| Duration::from_millis(1_200))
    }
}

struct Listening {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn listen(router: Router) -> Listening {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Listening { address, _tasks: tasks }
}

impl Listening {
    async fn socket(&self, authorization: Option<&str>) -> Result<WebSocketStream<TcpStream>, Error> {
        let mut request = format!("ws://{}/graphql/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        client_async(request, stream).await.map(|(socket, _)| socket)
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The next message, or the code of the goodbye.
async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Result<Value, u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn init(token: &str) -> Value {
    json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } })
}

#[tokio::test]
async fn a_question_beyond_the_callers_share_is_answered_429_with_a_code_and_a_time() {
    let served = Served::new().await;
    let ration = Ration::of(1, 1, 1);
    let router =
        guarded_router(served.guarded.deps.clone(), served.guarded.authenticate.clone(), ration.clone());
    let version = "{ server { version } }";
    assert_eq!(ask(&router, version, json!({})).await["data"]["server"]["version"], "0.0.0-test");
    let all = Arc::clone(&ration.questions).try_acquire_owned().expect("it was given back");

    let request = axum::http::Request::post("/graphql")
        .header("content-type", "application/json")
        .extension(Caller { name: "good".into(), grants: Arc::new(Grants::all()) })
        .body(axum::body::Body::from(json!({ "query": version }).to_string()))
        .unwrap();
    let response = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({ "code": "LIMITED", "page": "OC-QRY-013", "retryAfterMs": 1_200 });
    assert_eq!(body["errors"][0]["extensions"], expected);
    drop(all);
    assert!(ask(&router, version, json!({})).await.get("errors").is_none());
}

#[tokio::test]
async fn an_operation_beyond_the_share_is_an_error_and_the_socket_goes_on() {
    let served = Served::new().await;
    let ration = Ration::of(1, 1, 1);
    let router = guarded_router(served.guarded.deps.clone(), served.guarded.authenticate.clone(), ration);
    let listening = listen(router).await;
    let mut socket = listening.socket(None).await.unwrap();
    say(&mut socket, init("good")).await;
    assert_eq!(hear(&mut socket).await.unwrap()["type"], "connection_ack");

    let watch = json!({ "query": "subscription { events { position } }" });
    say(&mut socket, json!({ "id": "1", "type": "subscribe", "payload": watch })).await;
    let question = json!({ "query": "{ server { version } }" });
    say(&mut socket, json!({ "id": "2", "type": "subscribe", "payload": question })).await;
    let refused = hear(&mut socket).await.unwrap();
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "LIMITED");
    assert_eq!(refused["payload"][0]["extensions"]["retryAfterMs"], 1_200);

    say(&mut socket, json!({ "id": "1", "type": "complete" })).await;
    // Its place is given back with it; until then the question is refused again.
    for id in 3.. {
        say(&mut socket, json!({ "id": id.to_string(), "type": "subscribe", "payload": question })).await;
        let answer = hear(&mut socket).await.unwrap();
        match answer["type"].as_str().unwrap() {
            "next" => break,
            "error" => assert_eq!(answer["payload"][0]["extensions"]["code"], "LIMITED"),
            other => panic!("{other}: {answer}"),
        }
    }
}

#[tokio::test]
async fn a_socket_beyond_the_share_is_refused_by_status_or_once_its_caller_is_known() {
    let served = Served::new().await;
    let ration = Ration::of(1, 1, 1);
    let router =
        guarded_router(served.guarded.deps.clone(), served.guarded.authenticate.clone(), ration.clone());
    let listening = listen(router).await;
    let mut first = listening.socket(Some("Bearer good")).await.unwrap();
    say(&mut first, init("good")).await;
    assert_eq!(
        hear(&mut first).await.unwrap()["type"],
        "connection_ack",
        "one place is enough for one socket"
    );

    match listening.socket(Some("Bearer good")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 429),
        other => panic!("{other:?}"),
    }
    let mut late = listening.socket(None).await.unwrap();
    say(&mut late, init("good")).await;
    assert_eq!(hear(&mut late).await, Err(4429));

    drop(first);
    let place = timeout(PATIENCE, Arc::clone(&ration.sockets).acquire_owned()).await;
    assert!(place.is_ok(), "the place of a closed socket is given back");
}

#[tokio::test]
async fn a_wrong_token_in_the_first_message_is_told_to_whoever_counts_them() {
    let served = Served::new().await;
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let counting = OnRefusal::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let listening = listen(served.router.clone().layer(Extension(counting))).await;
    for (token, code) in [("wrong", Err(4403)), ("good", Ok(json!("connection_ack")))] {
        let mut socket = listening.socket(None).await.unwrap();
        say(&mut socket, init(token)).await;
        assert_eq!(hear(&mut socket).await.map(|message| message["type"].clone()), code);
    }
    assert_eq!(told.load(Ordering::SeqCst), 1);
}
