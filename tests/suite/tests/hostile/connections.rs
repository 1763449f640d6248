//! Connections that mean harm.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use openclaw_suite::{Options, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{beside_others, unharmed};

fn address(server: &Server) -> &str {
    server.caller().base().trim_start_matches("http://")
}

async fn socket(
    server: &Server,
    path: &str,
    protocol: Option<&str>,
) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let mut request = format!("ws://{}{path}", address(server)).into_client_request().unwrap();
    let bearer = format!("Bearer {}", server.caller().token());
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    if let Some(protocol) = protocol {
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    connect_async(request).await.unwrap().0
}

#[tokio::test]
async fn clients_that_never_finish_are_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let options = Options::default().set("server.header_time", "1s").set("server.body_time", "1s");
    let server = Server::start(data.path(), options).await;
    let token = server.caller().token();
    let beginnings = [
        String::new(),
        "POST /rpc HT".to_owned(),
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nX-Slow: a".to_owned(),
        format!(
            "POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
        ),
    ];
    let mut slow = Vec::new();
    for beginning in beginnings {
        for _ in 0..25 {
            let mut stream = TcpStream::connect(address(&server)).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    let cut_off = async {
        for stream in &mut slow {
            let mut answer = Vec::new();
            // The end of the connection, whether with an answer before it or without one.
            let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "a client that never finishes keeps its connection");
            assert!(
                answer.is_empty() || !answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    };
    beside_others(&server, cut_off).await;
    unharmed(server).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away_and_the_rest_is_served() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default().set("server.max_connections", 20)).await;
    let mut held = Vec::new();
    for _ in 0..60 {
        if let Ok(stream) = TcpStream::connect(address(&server)).await {
            held.push(stream);
        }
    }
    drop(held);
    openclaw_suite::eventually("a place", async || {
        server.caller().call("system.version", &json!([]), None).await.ok()?.ok()
    })
    .await;
    unharmed(server).await;
}

#[tokio::test]
async fn a_socket_that_asks_and_never_reads_costs_nobody_else_anything() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default().set("server.write_time", "2s")).await;
    let mut socket = socket(&server, "/rpc", None).await;
    // Padded, so that it does not take many to fill what the kernel keeps.
    let ask =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc.discover" }).to_string() + &" ".repeat(60_000);
    let flood = async {
        // Until the pipe is full and stays full, or the server has enough.
        for _ in 0..5_000 {
            match timeout(Duration::from_secs(8), socket.send(Message::text(ask.clone()))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        panic!("5,000 questions are taken from somebody who reads no answer");
    };
    beside_others(&server, flood).await;
    unharmed(server).await;
}

#[tokio::test]
async fn messages_that_are_too_large_or_no_protocol_end_the_socket_with_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for (path, protocol, message) in [
        ("/rpc", None, Message::text("x".repeat(3 << 20))),
        ("/graphql/ws", Some("graphql-transport-ws"), Message::text("no json")),
        ("/graphql/ws", Some("graphql-transport-ws"), Message::text("x".repeat(3 << 20))),
        (
            "/graphql/ws",
            Some("graphql-transport-ws"),
            Message::text(
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "{a}" } }).to_string(),
            ),
        ),
    ] {
        let shown = format!("{path} {}", message.to_string().chars().take(40).collect::<String>());
        let mut socket = socket(&server, path, protocol).await;
        let ended = async {
            // A server that has enough need not take all of it.
            let _ = socket.send(message).await;
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| u16::from(frame.code));
                }
            }
            None
        };
        let code = timeout(Duration::from_secs(30), beside_others(&server, ended)).await;
        let code = code.unwrap_or_else(|_| panic!("{shown}: the socket stays open"));
        assert!(code.is_none_or(|code| code >= 1002), "{shown}: {code:?}");
    }
    unharmed(server).await;
}
