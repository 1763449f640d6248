//! What is particular to WebSockets: what is in flight, what waits to be written, and how a socket ends.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::*;

async fn text(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("open").expect("a frame") {
            Message::Text(text) => return value(&text),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn close_code(socket: &mut Socket) -> Option<CloseCode> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            None | Some(Err(_)) => return None,
        }
    }
}

#[tokio::test]
async fn a_slow_call_does_not_hold_up_the_others() {
    let fake = Fake::new();
    let served = Served::new(&Rpc::new(Arc::clone(&fake), limits())).await;
    let mut socket = served.connect().await;
    socket.send(Message::text(call(1, "session.set_state", json!(["s", "k", 1])).to_string())).await.unwrap();
    socket.send(Message::text(call(2, "system.version", json!({})).to_string())).await.unwrap();
    assert_eq!(text(&mut socket).await["id"], 2);
    fake.gate.add_permits(1);
    assert_eq!(text(&mut socket).await["id"], 1);
}

#[tokio::test]
async fn a_socket_with_too_much_in_flight_is_told_so_and_stays_open() {
    let fake = Fake::new();
    let served = Served::new(&Rpc::new(Arc::clone(&fake), limits())).await;
    let mut socket = served.connect().await;
    for id in 1..=4 {
        socket
            .send(Message::text(call(id, "session.set_state", json!(["s", "k", 1])).to_string()))
            .await
            .unwrap();
    }
    socket.send(Message::text(call(5, "system.version", json!({})).to_string())).await.unwrap();
    let refused = text(&mut socket).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(5), &json!(-32009)));

    fake.gate.add_permits(4);
    for _ in 0..4 {
        assert!(text(&mut socket).await["result"].is_object());
    }
    socket.send(Message::text(call(6, "system.version", json!({})).to_string())).await.unwrap();
    assert_eq!(text(&mut socket).await["id"], 6);
}

#[tokio::test]
async fn the_calls_of_a_batch_take_a_place_each() {
    let fake = Fake::new();
    let served = Served::new(&Rpc::new(Arc::clone(&fake), limits())).await;
    let mut socket = served.connect().await;
    let slow = |id| call(id, "session.set_state", json!(["s", "k", 1]));
    socket.send(Message::text(json!([slow(1), slow(2), slow(3)]).to_string())).await.unwrap();
    socket.send(Message::text(json!([slow(4), slow(5)]).to_string())).await.unwrap();
    let refused = text(&mut socket).await;
    assert_eq!((&refused[0]["id"], &refused[1]["error"]["code"]), (&json!(4), &json!(-32009)), "{refused}");
    fake.gate.add_permits(3);
    assert_eq!(text(&mut socket).await.as_array().unwrap().len(), 3);
    // One that is larger than all places is carried out when all are free.
    fake.gate.add_permits(5);
    socket
        .send(Message::text(json!([slow(6), slow(7), slow(8), slow(9), slow(10)]).to_string()))
        .await
        .unwrap();
    assert_eq!(text(&mut socket).await.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_peer_that_goes_on_sending_what_is_refused_is_answered_and_told_to_come_later() {
    let fake = Fake::new();
    let few = Limits { socket_refusals: 10, ..limits() };
    let served = Served::new(&Rpc::new(Arc::clone(&fake), few)).await;
    let (mut sink, mut answers) = served.connect().await.split();
    let held: Vec<Value> = (0..4).map(|id| call(id, "session.set_state", json!(["s", "k", 1]))).collect();
    sink.send(Message::text(Value::Array(held).to_string())).await.unwrap();
    // It does not stop by itself.
    let flood = async {
        let refused = call(9, "system.version", json!({})).to_string();
        while sink.send(Message::text(refused.clone())).await.is_ok() {}
    };
    let read = async {
        let (mut busy, mut done) = (0, 0);
        loop {
            match answers.next().await {
                Some(Ok(Message::Text(text))) if text.starts_with('[') => done += 1,
                Some(Ok(Message::Text(text))) => {
                    assert_eq!(value(&text)["error"]["code"], -32009, "{text}");
                    busy += 1;
                    if busy == 11 {
                        // What is in flight is still answered.
                        fake.gate.add_permits(4);
                    }
                }
                Some(Ok(Message::Close(frame))) => return (busy, done, frame.expect("a reason")),
                Some(Ok(_)) => {}
                other => panic!("no goodbye: {other:?}"),
            }
        }
    };
    let both = async {
        let (found, ()) = tokio::join!(read, flood);
        found
    };
    let (busy, done, frame) = tokio::time::timeout(Duration::from_secs(30), both).await.expect("it ends");
    assert_eq!((busy, done, frame.code), (11, 1, CloseCode::Again));
    assert!(frame.reason.starts_with("OC-RPC-008"), "{}", frame.reason);
    let mut again = served.connect().await;
    again.send(Message::text(call(1, "system.version", json!({})).to_string())).await.unwrap();
    assert_eq!(text(&mut again).await["id"], 1);
}

#[tokio::test]
async fn a_command_outlives_its_socket() {
    let fake = Fake::new();
    let served = Served::new(&Rpc::new(Arc::clone(&fake), limits())).await;
    let mut socket = served.connect().await;
    socket.send(Message::text(call(1, "session.set_state", json!(["s", "k", 1])).to_string())).await.unwrap();
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(socket);
    fake.gate.add_permits(1);
    fake.finished(1).await;
}

#[tokio::test]
async fn draining_answers_what_is_in_flight_and_then_says_goodbye() {
    let fake = Fake::new();
    let rpc = Rpc::new(Arc::clone(&fake), limits());
    let served = Served::new(&rpc).await;
    let mut socket = served.connect().await;
    let mut idle = served.connect().await;
    socket.send(Message::text(call(1, "session.set_state", json!(["s", "k", 1])).to_string())).await.unwrap();
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let watch = async {
        assert_eq!(close_code(&mut idle).await, Some(CloseCode::Away));
        fake.gate.add_permits(1);
        let answer = text(&mut socket).await;
        assert!(answer["result"].is_object(), "{answer}");
        assert_eq!(close_code(&mut socket).await, Some(CloseCode::Away));
    };
    tokio::join!(rpc.drain(), watch);
}

#[tokio::test]
async fn binary_frames_and_oversized_messages_end_the_socket_alone() {
    let served = Served::new(&Rpc::new(Fake::new(), limits())).await;
    let mut binary = served.connect().await;
    binary.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(close_code(&mut binary).await, Some(CloseCode::Unsupported));

    let mut large = served.connect().await;
    // The peer may close before all is sent.
    let _ = large.send(Message::text(" ".repeat((64 << 10) + 1))).await;
    assert_ne!(close_code(&mut large).await, Some(CloseCode::Normal));

    let mut other = served.connect().await;
    other.send(Message::text(call(1, "system.version", json!({})).to_string())).await.unwrap();
    assert_eq!(text(&mut other).await["id"], 1);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed() {
    let idle =
        Limits { socket_ping: Duration::from_millis(20), socket_idle: Duration::from_millis(60), ..limits() };
    let served = Served::new(&Rpc::new(Fake::new(), idle)).await;
    let mut silent = served.connect().await;
    let mut alive = served.connect().await;
    // Reading is what answers pings, so the silent one only looks when the other has lived well past the limit.
    let until = tokio::time::Instant::now() + Duration::from_millis(200);
    let _ = tokio::time::timeout_at(until, alive.next()).await;
    while tokio::time::timeout_at(until, alive.next()).await.is_ok() {}
    alive.send(Message::text(call(1, "system.version", json!({})).to_string())).await.unwrap();
    assert_eq!(text(&mut alive).await["id"], 1);
    // Its late pongs may meet a closed connection before it has read the goodbye.
    let end =
        tokio::time::timeout(Duration::from_secs(5), close_code(&mut silent)).await.expect("it was closed");
    assert!(matches!(end, Some(CloseCode::Policy) | None), "{end:?}");
}

#[tokio::test]
async fn a_peer_that_pings_and_never_reads_is_cut_off() {
    let narrow = Limits { socket_write: Duration::from_millis(200), ..limits() };
    let served = Served::new(&Rpc::new(Fake::new(), narrow)).await;
    let (mut sink, _unread) = served.connect().await.split();
    // Far more than the socket buffers of both sides hold; it ends because the server hangs up.
    let mut sent = 0_usize;
    let flood = async {
        loop {
            let request = call(1, "session.message", json!(["s", "x".repeat(1_000)])).to_string();
            if sink.feed(Message::Ping(vec![0; 125].into())).await.is_err()
                || sink.send(Message::text(request)).await.is_err()
            {
                break;
            }
            sent += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), flood).await.expect("the server hangs up");
    assert!(sent > 0);
}
