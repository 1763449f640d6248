//! More than the server can do: it says so, keeps its memory, loses nothing that it has acknowledged, and is back at
//! once when it is over.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use openclaw_suite::{Caller, Options, Server, tell};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// How long the flood lasts, in seconds; 30 in the full test.
const SECONDS: &str = "OPENCLAW_OVERLOAD_SECONDS";
/// What the server may take above what it had while it did what it can.
const GROWTH: u64 = 64 << 20;
/// The time in which it has to be back.
const RECOVERY: Duration = Duration::from_secs(5);
/// Sockets of the flood, and calls in each of its messages.
const SOCKETS: usize = 8;
const BATCH: usize = 20;
/// Try again later, <https://www.iana.org/assignments/websocket>.
const AGAIN: u16 = 1013;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn socket(caller: &Caller) -> Socket {
    let url = format!("{}/rpc", caller.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", caller.token()).parse().unwrap());
    connect_async(request).await.unwrap().0
}

fn message(content: &str) -> Value {
    json!({ "sessionId": "flood", "content": content })
}

/// What came of the calls of a flood.
#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    refused: AtomicU64,
    /// Sockets that were closed because they sent on.
    sent_away: AtomicU64,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Tally {
    fn take(&self, answers: &Value) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        for answer in answers.as_array().expect("a batch is answered with a list") {
            let id = answer["id"].as_str().expect("the id that was sent").to_owned();
            match answer.get("result") {
                Some(_) => assert!(acknowledged.insert(id), "nothing is answered twice"),
                None => {
                    // A refusal is one that a client can act on.
                    assert_eq!(answer["error"]["code"], -32009, "{answer}");
                    assert!(
                        answer["error"]["data"]["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0),
                        "{answer}"
                    );
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Floods until it is told to stop; when it is hung up on, it comes back at once.
async fn flood(number: usize, caller: Caller, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    for connection in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        flood_once(&format!("{number}-{connection}"), &caller, &tally, &stop).await;
    }
}

/// Sends batches as fast as they are taken, and reads what comes back, until it is hung up on or told to stop.
async fn flood_once(name: &str, caller: &Caller, tally: &Arc<Tally>, stop: &AtomicBool) {
    let (mut sink, mut stream) = socket(caller).await.split();
    let reading = Arc::clone(tally);
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Text(text) => reading.take(&serde_json::from_str(&text).expect("answers are JSON")),
                Message::Close(Some(frame)) if u16::from(frame.code) == AGAIN => {
                    reading.sent_away.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    });
    for round in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let calls: Vec<Value> = (0..BATCH)
            .map(|index| {
                let id = format!("{name}-{round}-{index}");
                json!({ "jsonrpc": "2.0", "id": id, "method": "session.message", "params": message(&id) })
            })
            .collect();
        // Sending to a server that has hung up ends with the connection.
        if sink.send(Message::text(Value::Array(calls).to_string())).await.is_err() {
            break;
        }
        tally.sent.fetch_add(BATCH as u64, Ordering::Relaxed);
    }
    // What is in flight is answered before the goodbye.
    let _ = sink.send(Message::Close(None)).await;
    let _ = timeout(Duration::from_secs(30), reader.join_next()).await;
}

/// Durable messages in a second that callers get who each wait for their answer.
async fn sustainable(server: &Server) -> u64 {
    let mut callers = JoinSet::new();
    let (done, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + Duration::from_secs(2));
    for number in 0..16 {
        let (caller, done) = (server.caller().clone(), Arc::clone(&done));
        callers.spawn(async move {
            while Instant::now() < until {
                let answer = caller.call("session.message", &message(&format!("calm-{number}")), None).await;
                answer.expect("answered").expect("accepted");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    callers.join_all().await;
    done.load(Ordering::Relaxed) / 2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_what_it_can_is_refused_fairly_and_nothing_acknowledged_is_lost() {
    #[expect(clippy::disallowed_methods, reason = "a setting of the test")]
    let seconds = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default()).await;
    server.rpc("session.create", json!({ "sessionId": "flood" })).await.expect("a session");
    let sustainable = sustainable(&server).await;
    let before = server.memory(false);

    let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let mut floods = JoinSet::new();
    for number in 0..SOCKETS {
        floods.spawn(flood(number, server.caller().clone(), Arc::clone(&tally), Arc::clone(&stop)));
    }
    // Somebody who asks little, on a connection of its own, reads and is answered all the while.
    let issued = server
        .rpc("token.issue", json!({ "name": "modest", "scopes": ["query", "command:session.message"] }));
    let issued = issued.await.expect("a token");
    let modest = Caller::new(server.caller().base(), issued["token"].as_str().expect("shown once"));
    let (mut asked, mut served, mut peak) = (0_u32, 0_u32, before);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        asked += 1;
        let question = json!({ "query": "{ server { version } }" }).to_string();
        let answer = timeout(Duration::from_secs(10), modest.post("/graphql", question)).await;
        if matches!(answer, Ok(Ok((200, text))) if text.contains("version")) {
            served += 1;
        }
        peak = peak.max(server.memory(false));
        sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let over = Instant::now();
    let back = async {
        let mut in_a_row = 0;
        while in_a_row < 20 {
            let answer = modest.call("session.message", &message("after"), None).await.expect("answered");
            in_a_row = if answer.is_ok() { in_a_row + 1 } else { 0 };
        }
    };
    let recovered = timeout(RECOVERY, back).await.is_ok();
    let took = over.elapsed();
    floods.join_all().await;

    let sent = tally.sent.load(Ordering::Relaxed);
    let refused = tally.refused.load(Ordering::Relaxed);
    let sent_away = tally.sent_away.load(Ordering::Relaxed);
    let acknowledged = tally.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    tell(&format!(
        "overload: {sustainable}/s sustainable; {sent} sent in {seconds} s ({:.1} times); {} acknowledged, {refused} \
         refused, {sent_away} times sent away; {served} of {asked} modest questions served; {} MiB before, {} MiB at most; back after {} ms",
        sent as f64 / seconds as f64 / sustainable.max(1) as f64,
        acknowledged.len(),
        before >> 20,
        peak >> 20,
        took.as_millis()
    ));
    assert!(refused > 0, "nothing was refused, so nothing was too much");
    assert!(sent_away > 0, "nobody was sent away who sent on");
    assert!(sent >= 10 * sustainable * seconds, "{sent} in {seconds} s is not ten times {sustainable}");
    assert!(!acknowledged.is_empty(), "under a flood it goes on working");
    assert!(served * 100 >= asked * 95, "{served} of {asked} of somebody who asks little");
    assert!(peak <= before + GROWTH, "it had {} MiB, {} before", peak >> 20, before >> 20);
    assert!(recovered, "it is not back after {RECOVERY:?}");

    let history = server.terminate().await;
    let mut seen = BTreeSet::new();
    let kept: BTreeSet<&str> = history
        .0
        .iter()
        .filter(|entry| entry.r#type == "session.message_received")
        .filter_map(|entry| entry.data["content"].as_str())
        // Calm and modest callers send one and the same text again and again.
        .filter(|content| !content.starts_with("calm") && *content != "after")
        .inspect(|content| assert!(seen.insert((*content).to_owned()), "{content} is there twice"))
        .collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !kept.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
