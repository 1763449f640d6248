//! WebSocket frames that break RFC 6455, byte by byte, where a client library would refuse to send them.

use std::time::Duration;

use openclaw_suite::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{beside_others, unharmed};

/// The end of a connection has to come in this time, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// A masked frame. The key is zero, which masks nothing and is as good as any.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// A socket after its handshake, as bytes.
async fn open(server: &Server, path: &str) -> TcpStream {
    let address = server.caller().base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let protocol = if path == "/rpc" { "" } else { "Sec-WebSocket-Protocol: graphql-transport-ws\r\n" };
    let handshake = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\
         Authorization: Bearer {}\r\n\r\n",
        server.caller().token()
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// What the server sends until it hangs up: the code of its close frame, if there is one, and whether it said anything
/// else. A reset is an end like any other.
async fn end(stream: &mut TcpStream) -> (Option<u16>, bool) {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    let (mut code, mut other, mut rest) = (None, false, &said[..]);
    while let [first, length @ 0..=125, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(*length).min(after.len()));
        match (first & 0x0f, payload) {
            (CLOSE, [high, low, ..]) => code = Some(u16::from_be_bytes([*high, *low])),
            (CLOSE, _) => code = Some(1005),
            (PING, _) => {}
            _ => other = true,
        }
        rest = next;
    }
    (code, other)
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_socket_with_the_right_code_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"system.version"}"#;
    let mut unmasked = vec![FIN | TEXT, u8::try_from(call.len()).unwrap()];
    unmasked.extend(call);
    let protocol: &[u16] = &[1002];
    let encoding: &[u16] = &[1007];
    // Frames, and the codes that are right (RFC 6455, 7.4.1).
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("an unmasked frame", unmasked, protocol),
        ("the first reserved bit", frame(FIN | 0x40 | TEXT, call), protocol),
        ("the second reserved bit", frame(FIN | 0x20 | TEXT, call), protocol),
        ("the third reserved bit", frame(FIN | 0x10 | TEXT, call), protocol),
        ("a reserved bit on a ping", frame(FIN | 0x40 | PING, b""), protocol),
        ("a data opcode that is none", frame(FIN | 0x3, call), protocol),
        ("another data opcode that is none", frame(FIN | 0x7, call), protocol),
        ("a control opcode that is none", frame(FIN | 0xb, b""), protocol),
        ("another control opcode that is none", frame(FIN | 0xf, b""), protocol),
        ("a ping in fragments", frame(PING, b"half"), protocol),
        ("a close in fragments", frame(CLOSE, &1000_u16.to_be_bytes()), protocol),
        ("a ping that is too large", frame(FIN | PING, &[0; 126]), protocol),
        ("a close that is too large", close(1000, &[b'x'; 124]), protocol),
        ("a continuation of nothing", frame(FIN | CONTINUATION, call), protocol),
        ("a text within a text", [frame(TEXT, b"{"), frame(FIN | TEXT, call)].concat(), protocol),
        ("text that is no UTF-8", frame(FIN | TEXT, b"\"\xff\xfe\""), encoding),
        ("text that ends within a character", frame(FIN | TEXT, b"\"\xe2\x82"), encoding),
        ("text with a surrogate", frame(FIN | TEXT, b"\"\xed\xa0\x80\""), encoding),
        ("an overlong slash", frame(FIN | TEXT, b"\"\xc0\xaf\""), encoding),
        (
            "no UTF-8 over fragments",
            [frame(TEXT, b"\"\xe2"), frame(FIN | CONTINUATION, b"\x28\"")].concat(),
            encoding,
        ),
        ("a close of one byte", frame(FIN | CLOSE, b"\x03"), protocol),
        ("a close with code 0", close(0, b""), protocol),
        ("a close with code 999", close(999, b""), protocol),
        ("a close with a code that is never sent", close(1005, b""), protocol),
        ("a close with another code that is never sent", close(1006, b""), protocol),
        ("a close with code 65535", close(65_535, b""), protocol),
        ("a close whose reason is no UTF-8", close(1000, b"\xff\xff"), &[1002, 1007]),
        (
            "a length of 2^63",
            [&[FIN | TEXT, 0x80 | 127][..], &(1_u64 << 63).to_be_bytes()[..], &[0; 4]].concat(),
            &[1002, 1009],
        ),
        (
            "a length of four gigabytes",
            [&[FIN | TEXT, 0x80 | 127][..], &(1_u64 << 32).to_be_bytes()[..], &[0; 4]].concat(),
            &[1002, 1009],
        ),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), protocol),
    ];
    for path in ["/rpc", "/graphql/ws"] {
        for (what, bytes, right) in &cases {
            let ended = async {
                let mut stream = open(&server, path).await;
                // The server may have had enough before all is sent. What it waits for does not come.
                let _ = stream.write_all(bytes).await;
                end(&mut stream).await
            };
            let ended = timeout(PATIENCE, beside_others(&server, ended)).await;
            let (code, other) = ended.unwrap_or_else(|_| panic!("{path}, {what}: the socket stays open"));
            // GraphQL hangs up without a word, which is right as well (7.1.7).
            let silent = code.is_none() && path != "/rpc";
            assert!(silent || code.is_some_and(|code| right.contains(&code)), "{path}, {what}: {code:?}");
            assert!(!other, "{path}, {what}: it was answered");
        }
    }
    unharmed(server).await;
}

#[tokio::test]
async fn a_header_that_breaks_off_costs_its_own_connection_alone() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let beginnings: [&[u8]; 5] = [
        &[FIN | TEXT],
        &[FIN | TEXT, 0xfe],
        &[FIN | TEXT, 0xfe, 1],
        &[FIN | TEXT, 0x81, 0, 0],
        &frame(TEXT, b"{"),
    ];
    for path in ["/rpc", "/graphql/ws"] {
        for beginning in beginnings {
            let ended = async {
                let mut stream = open(&server, path).await;
                stream.write_all(beginning).await.unwrap();
                stream.shutdown().await.unwrap();
                end(&mut stream).await
            };
            let (_, other) =
                timeout(PATIENCE, beside_others(&server, ended)).await.expect("it is hung up on");
            assert!(!other, "{path}, {beginning:?}: it was answered");
        }
    }
    unharmed(server).await;
}
