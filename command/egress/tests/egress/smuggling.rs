//! Requests that mean two things.

use crate::{
    canary::Canary,
    proxy::{World, here, known, permit},
    recording::Entry,
};

/// How a body can be announced so that two parsers disagree about where it ends. `HIDDEN` is a request that nobody may
/// see as one.
const AMBIGUOUS: &[&str] = &[
    "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\nHIDDEN",
    "content-length: 0\r\ncontent-length: 90\r\n\r\nHIDDEN",
    "content-length: 90\r\ncontent-length: 0\r\n\r\nHIDDEN",
    "content-length: 0, 90\r\n\r\nHIDDEN",
    "content-length: +0\r\n\r\nHIDDEN",
    "content-length: 0x0\r\n\r\nHIDDEN",
    "content-length : 0\r\n\r\nHIDDEN",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\nHIDDEN",
    "transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "transfer-encoding: xchunked\r\n\r\n0\r\n\r\nHIDDEN",
    "transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\nHIDDEN",
    "transfer-encoding: chunked\r\n\r\n0;x=\"\r\n\r\nHIDDEN",
    "transfer-encoding: chunked\r\n\r\n-1\r\n\r\nHIDDEN",
    "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n\r\nHIDDEN",
    "x: y\r\n content-length: 90\r\n\r\nHIDDEN",
    "x: y\ncontent-length: 0\n\nHIDDEN",
    "x: y\rcontent-length: 90\r\r\n\r\nHIDDEN",
    "connection: content-length\r\ncontent-length: 0\r\n\r\nHIDDEN",
    "expect: 100-continue\r\ncontent-length: 0\r\n\r\nHIDDEN",
    "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AA\r\n\r\nHIDDEN",
];

#[tokio::test]
async fn no_request_is_hidden_in_another_that_is_allowed() {
    let canary = Canary::start().await;
    let allowed = format!("api.example:{}", canary.port);
    for ambiguous in AMBIGUOUS {
        let before = canary.heard().len();
        let world = World::start(here(), vec![permit(&allowed)], known());
        let hidden = "GET http://forbidden.example/hidden HTTP/1.1\r\nhost: forbidden.example\r\n\r\n";
        let rest = ambiguous.replace("HIDDEN", hidden);
        world.ask(&format!("POST http://{allowed}/ HTTP/1.1\r\nhost: x\r\n{rest}")).await;
        let heard = canary.heard().split_off(before);
        assert!(heard.len() <= 1, "{ambiguous:?}: {heard:?}");
        for sent in &heard {
            let (head, body) = sent.split_once("\r\n\r\n").unwrap_or((sent, ""));
            let head = head.to_ascii_lowercase();
            let lengths =
                head.matches("content-length:").count() + head.matches("transfer-encoding:").count();
            assert!(lengths <= 1, "{ambiguous:?}: {sent}");
            // What was not part of the body stays behind.
            assert!(!body.contains("/hidden") && !head.contains("/hidden"), "{ambiguous:?}: {sent}");
        }
        let reached =
            |entry: &Entry| matches!(entry, Entry::Opened(opened) if opened.target.to_string() != allowed);
        assert!(!world.kept.entries().iter().any(reached), "{ambiguous:?}: {:?}", world.kept.entries());
    }
}

#[tokio::test]
async fn each_request_of_a_connection_is_judged_by_itself() {
    let canary = Canary::start().await;
    let allowed = format!("api.example:{}", canary.port);
    let world = World::start(here(), vec![permit(&allowed)], known());
    let request =
        |host: &str, close| format!("GET http://{host}/ HTTP/1.1\r\nhost: api.example\r\n{close}\r\n");
    let pipelined = [
        request(&allowed, ""),
        request(&allowed, ""),
        request(&format!("forbidden.example:{}", canary.port), "connection: close\r\n"),
    ];
    let answer = world.ask(&pipelined.concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 403 ") && answer.contains("OC-EGR-003"), "{answer}");
    assert_eq!(canary.heard().len(), 2);
}

#[tokio::test]
async fn what_is_no_request_for_a_proxy_is_refused() {
    let canary = Canary::start().await;
    let world = World::start(here(), vec![permit("*:*")], known());
    let port = canary.port;
    for line in [
        "GET / HTTP/1.1".to_owned(),
        format!("GET https://api.example:{port}/ HTTP/1.1"),
        format!("GET ftp://api.example:{port}/ HTTP/1.1"),
        format!("GET http://user:password@api.example:{port}/ HTTP/1.1"),
        format!("CONNECT user@api.example:{port} HTTP/1.1"),
        "CONNECT api.example HTTP/1.1".to_owned(),
        format!("CONNECT api.example:{port} HTTP/1.1\r\ncontent-length: 3"),
        "OPTIONS * HTTP/1.1".to_owned(),
        "GET http:///x HTTP/1.1".to_owned(),
        "GET http://api.example:99999/ HTTP/1.1".to_owned(),
        format!("GET http://api.example:{port}/ HTTP/9.9"),
    ] {
        let answer =
            world.ask(&format!("{line}\r\nhost: api.example:{port}\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{line}: {answer}");
    }
    assert_eq!(canary.heard(), Vec::<String>::new());
}
