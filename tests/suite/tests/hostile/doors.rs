//! `Host` and `Origin` at every door of the real binary: a page of somebody else does not get in, whatever token its
//! visitor has.

use openclaw_suite::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::unharmed;

/// Sends a request as bytes and answers its status. Every one of them would be let in by its token.
async fn status(server: &Server, method: &str, path: &str, names: &str, upgrade: bool) -> u16 {
    let address = server.caller().base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (connection, body) = match (upgrade, path) {
        (true, _) => (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n",
            "",
        ),
        (false, "/rpc") => {
            ("Connection: close\r\n", r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":[]}"#)
        }
        (false, "/graphql") => ("Connection: close\r\n", r#"{"query":"{ server { version } }"}"#),
        (false, "/login") => {
            ("Connection: close\r\n", r#"{"user":"nobody","password":"wrong-password-123"}"#)
        }
        (false, "/events") => {
            ("Connection: close\r\n", r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#)
        }
        (false, _) => ("Connection: close\r\n", ""),
    };
    let kind = if path == "/events" { "application/cloudevents+json" } else { "application/json" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{names}{connection}Authorization: Bearer {}\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.caller().token(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    let line = String::from_utf8(line).unwrap();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[tokio::test]
async fn no_door_opens_to_a_name_or_a_page_that_is_not_the_servers() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let own = server.caller().base().trim_start_matches("http://").to_owned();
    let port = own.rsplit(':').next().unwrap();
    // Method, path, whether it asks for a WebSocket, and what it answers to a page of the server itself.
    let doors = [
        ("POST", "/rpc", false, 200),
        ("GET", "/rpc", true, 101),
        ("POST", "/graphql", false, 200),
        ("GET", "/graphql/ws", true, 101),
        ("POST", "/events", false, 200),
        ("GET", "/metrics", false, 200),
        ("POST", "/login", false, 401),
        ("GET", "/session", false, 200),
    ];
    // `Host` and `Origin`, and the status that is due.
    let hostile = [
        ("a name that was pointed here", format!("Host: evil.test:{port}\r\n"), 421),
        ("a name that begins like one of ours", format!("Host: localhost.evil.test:{port}\r\n"), 421),
        ("a name behind user information", format!("Host: localhost@evil.test:{port}\r\n"), 421),
        ("two names", format!("Host: {own}\r\nHost: evil.test\r\n"), 421),
        ("a page of somebody else", format!("Host: {own}\r\nOrigin: https://evil.test\r\n"), 403),
        ("a page that says no name", format!("Host: {own}\r\nOrigin: null\r\n"), 403),
        ("a page of another port", format!("Host: {own}\r\nOrigin: http://127.0.0.1:1\r\n"), 403),
        ("two pages", format!("Host: {own}\r\nOrigin: http://{own}\r\nOrigin: https://evil.test\r\n"), 403),
    ];
    for (method, path, upgrade, welcome) in doors {
        let names = format!("Host: {own}\r\nOrigin: http://{own}\r\n");
        let answer = status(&server, method, path, &names, upgrade).await;
        assert_eq!(answer, welcome, "{method} {path}, a page of the server itself");
        for (what, names, due) in &hostile {
            let answer = status(&server, method, path, names, upgrade).await;
            // Two names may be refused as no HTTP before anybody looks at them.
            let right = answer == *due || (*what == "two names" && answer == 400);
            assert!(right, "{method} {path}, {what}: {answer}, not {due}");
        }
    }
    unharmed(server).await;
}
