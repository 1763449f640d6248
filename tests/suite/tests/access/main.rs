//! Who may come in, and what they may do, against the real binary.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod approvals;
mod people;
mod tokens;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use openclaw_suite::{Caller, Server};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PASSWORD: &str = "correct horse battery staple";

/// Code of an error object.
fn code(refusal: &Value) -> &str {
    refusal["data"]["code"].as_str().unwrap_or_default()
}

/// Makes a token with the token of the data directory.
async fn issue(server: &Server, name: &str, scopes: &[&str]) -> Caller {
    let issued = server.rpc("token.issue", json!({ "name": name, "scopes": scopes })).await.unwrap();
    Caller::new(server.caller().base(), issued["token"].as_str().unwrap())
}

async fn add(server: &Server, name: &str, role: &str) {
    let params = json!({ "name": name, "role": role, "password": PASSWORD });
    server.rpc("user.add", params).await.unwrap();
}

/// A request with a cookie, as a page of the server sends it.
fn page(server: &Server, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    server
        .caller()
        .anonymous(method, path)
        .header("cookie", cookie)
        .header("origin", server.caller().base())
        .header("x-openclaw", "1")
}

async fn log_in(server: &Server, user: &str, password: &str) -> Response {
    let body = json!({ "user": user, "password": password });
    let request =
        server.caller().anonymous(Method::POST, "/login").header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

/// Logs in and answers the cookie, as it is sent back.
async fn cookie(server: &Server, user: &str) -> String {
    let response = log_in(server, user, PASSWORD).await;
    assert_eq!(response.status(), 200, "{response:?}");
    let set = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    set.split(';').next().unwrap().to_owned()
}

/// Calls a method with a cookie. Answers its result, or its error object.
async fn call_with(server: &Server, cookie: &str, method: &str, params: Value) -> Result<Value, Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = page(server, Method::POST, "/rpc", cookie).header("content-type", "application/json");
    let text = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
    let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if answer["error"].is_null() { Ok(answer["result"].take()) } else { Err(answer["error"].take()) }
}

/// Opens a WebSocket with these headers; the status if it is refused.
async fn socket(server: &Server, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let address = server.caller().base().trim_start_matches("http://");
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        let name: tungstenite::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    if path == "/graphql/ws" {
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Introduces somebody on a WebSocket of the query side. Answers the code of the goodbye, if it is one.
async fn introduce(socket: &mut Socket, authorization: Option<&str>) -> Option<u16> {
    let payload = authorization.map_or(json!({}), |text| json!({ "authorization": text }));
    let init = json!({ "type": "connection_init", "payload": payload });
    socket.send(Message::text(init.to_string())).await.unwrap();
    match timeout(Duration::from_secs(30), socket.next()).await.unwrap() {
        Some(Ok(Message::Close(frame))) => frame.map(|frame| frame.code.into()),
        Some(Ok(Message::Text(text))) => {
            assert!(text.contains("connection_ack"), "{text}");
            None
        }
        other => panic!("{other:?}"),
    }
}

/// Waits for the end of a socket, and answers how long it took.
async fn ends(mut socket: Socket) -> Duration {
    let since = tokio::time::Instant::now();
    let end = async {
        while let Some(Ok(message)) = socket.next().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
        }
    };
    timeout(Duration::from_secs(30), end).await.expect("the socket is closed");
    since.elapsed()
}
