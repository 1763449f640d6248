//! What one caller may take, and that another one gets its own.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;

use super::*;

/// Gives each caller so many calls and sockets, and none back but for the sockets.
struct Ration {
    each: usize,
    calls: Mutex<BTreeMap<String, usize>>,
    sockets: Arc<Semaphore>,
}

impl Ration {
    fn of(each: usize, sockets: usize) -> Arc<Self> {
        Arc::new(Self { each, calls: Mutex::default(), sockets: Arc::new(Semaphore::new(sockets)) })
    }
}

impl Door for Ration {
    fn take(&self, caller: &Actor, ask: Ask) -> Result<Place, Duration> {
        if ask == Ask::Socket {
            let place = Arc::clone(&self.sockets).try_acquire_owned();
            return place.map(Place::new).map_err(|_| Duration::from_millis(2_500));
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = calls.entry(caller.0.to_string()).or_default();
        *taken += 1;
        if *taken > self.each { Err(Duration::from_millis(1_500)) } else { Ok(Place::new(())) }
    }
}

fn router_of(rpc: &Rpc, actor: &'static str) -> Router {
    let mut caller = caller();
    caller.actor = Actor(actor.into());
    rpc.router().layer(Extension(caller))
}

#[tokio::test]
async fn a_caller_that_has_had_enough_is_told_when_to_come_back_and_another_one_is_served() {
    let rpc = Rpc::guarded(Fake::new(), limits(), Ration::of(2, 8));
    let (greedy, modest) = (router_of(&rpc, "token:greedy"), router_of(&rpc, "token:modest"));
    let ask = |id: u64| Body::from(call(id, "system.version", json!({})).to_string());
    for id in 0..2 {
        assert_eq!(post(&greedy, ask(id)).await.0, StatusCode::OK);
    }
    let request =
        Request::post("/rpc").header(header::CONTENT_TYPE, "application/json").body(ask(7)).unwrap();
    let response = greedy.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2", "whole seconds, rounded up");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["id"], &body["error"]["code"]), (&json!(7), &json!(-32009)));
    assert_eq!(body["error"]["data"], json!({ "code": "OC-RPC-008", "retryAfterMs": 1_500 }));
    assert_eq!(post(&modest, ask(1)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_calls_of_a_batch_and_of_a_socket_count_one_by_one() {
    let rpc = Rpc::guarded(Fake::new(), limits(), Ration::of(3, 8));
    let batch: Vec<Value> = (0..5).map(|id| call(id, "system.version", json!({}))).collect();
    let (status, text) = post(&router_of(&rpc, "token:batch"), json!(batch).to_string()).await;
    assert_eq!(status, StatusCode::OK, "a batch is answered member by member");
    let refused = |answers: &Value| {
        let answers = answers.as_array().expect("a list").iter();
        answers.filter(|answer| answer["error"]["data"]["code"] == "OC-RPC-008").count()
    };
    assert_eq!(refused(&value(&text)), 2);

    let served = Served::new(&rpc).await;
    let mut socket = served.connect().await;
    socket.send(json!(batch).to_string().into()).await.unwrap();
    let answer = socket.next().await.expect("open").expect("whole");
    assert_eq!(refused(&value(answer.to_text().unwrap())), 2);
}

#[tokio::test]
async fn a_caller_with_all_its_sockets_gets_another_one_once_it_has_closed_one() {
    let rpc = Rpc::guarded(Fake::new(), limits(), Ration::of(100, 2));
    let served = Served::new(&rpc).await;
    let (first, _second) = (served.connect().await, served.connect().await);
    let url = format!("ws://{}/rpc", served.address);
    match tokio_tungstenite::connect_async(&url).await {
        Err(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], "3");
        }
        other => panic!("a third socket was answered with {other:?}"),
    }
    drop(first);
    while tokio_tungstenite::connect_async(&url).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_of_a_caller_that_has_had_enough_are_refused_with_a_time() {
    let rpc = Rpc::guarded(Fake::new(), limits(), Ration::of(0, 8));
    let request = Request::post("/events")
        .header(header::CONTENT_TYPE, "application/cloudevents+json")
        .body(Body::from(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#))
        .unwrap();
    let response = authenticated(&rpc).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
}
