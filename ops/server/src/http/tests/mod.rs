//! The shell around a small application, over real sockets.

mod door;
mod tls;

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocketUpgrade},
    response::IntoResponse,
    routing::{any, get, post},
};
use openclaw_gateway::rpc::Caller;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::token::Token;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const LONG: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    stopping: Arc<AtomicBool>,
    serving: JoinSet<Drained>,
}

fn application() -> Router {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let large = || async { vec![b'x'; 64 << 20] };
    let socket = |upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(Ok(Message::Text(text))) = socket.recv().await {
                if socket.send(Message::Text(text)).await.is_err() {
                    break;
                }
            }
        })
    };
    Router::new()
        .route(
            "/who",
            get(
                |axum::Extension(caller): axum::Extension<Caller>| async move { caller.actor.0.into_owned() },
            ),
        )
        .route(
            "/echo",
            post(|body: Result<Bytes, axum::extract::rejection::BytesRejection>| async {
                match body {
                    Ok(body) => body.into_response(),
                    Err(_) => (http::StatusCode::REQUEST_TIMEOUT, "too slow").into_response(),
                }
            }),
        )
        .route("/slow", get(slow))
        .route("/large", get(large))
        .route("/rpc", any(socket))
        .route("/graphql/ws", any(socket))
}

async fn start(max_connections: usize) -> Server {
    start_with(max_connections, None, |_| {}).await
}

/// More than any test comes to without meaning to.
const STRANGERS: Strangers = Strangers { rate: 10_000, failures: 10_000, hold: Duration::from_secs(60) };

async fn start_with(max_connections: usize, tls: Option<Tls>, change: impl FnOnce(&mut Shell)) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stopping = Arc::new(AtomicBool::new(false));
    let mut shell = Shell {
        gate: Gate::new(Token::new(SECRET)),
        names: Arc::new(Names::new(
            "127.0.0.1",
            &["box.example".to_owned(), "port.example:8443".to_owned()],
            &["https://app.example".to_owned()],
        )),
        attempts: Attempts::new(STRANGERS),
        bodies: (64 << 20, 1 << 20),
        body_time: Duration::from_millis(300),
        metrics: None,
        readiness: Arc::new(Vec::new),
        stopping: Arc::clone(&stopping),
    };
    change(&mut shell);
    let times = Times {
        max_connections,
        max_per_address: max_connections,
        header_time: Duration::from_millis(300),
        write_time: Duration::from_millis(300),
    };
    let stop = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(serve(
        listener,
        shell.around(application()),
        tls,
        times,
        stop.clone(),
        Duration::from_secs(5),
    ));
    Server { address, stop, stopping, serving }
}

impl Server {
    /// Sends a request as it stands and answers everything up to the end of the connection.
    async fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("listening");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        timeout(LONG, socket.read_to_end(&mut answer)).await.expect("the connection ends").ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.raw(&request).await
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");

#[tokio::test]
async fn everything_but_the_probes_is_behind_the_token() {
    let server = start(64).await;
    let host = ("host", "localhost");
    for path in ["/livez", "/readyz"] {
        assert_eq!(status(&server.get(path, &[host]).await), 200, "{path}");
    }
    let wrong: &[&[(&str, &str)]] = &[
        &[],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Bearer 0123456789abcdef0123456789abcdee")],
        &[("authorization", "Basic 0123456789abcdef0123456789abcdef")],
        &[BEARER, ("authorization", "Bearer other")],
        &[("cookie", "token=0123456789abcdef0123456789abcdef")],
    ];
    for path in ["/who", "/metrics", "/echo", "/rpc", "/", "/no/such/path", "/livez/", "/%6civez", "//livez"]
    {
        for headers in wrong {
            let answer = server.get(path, &[&[host], *headers].concat()).await;
            assert_eq!(status(&answer), 401, "{path} {headers:?}");
            assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
        }
    }
    let answer = server.get("/who", &[host, BEARER]).await;
    assert!(status(&answer) == 200 && answer.ends_with("token:operator"), "{answer}");
    assert_eq!(status(&server.get("/no/such/path", &[host, BEARER]).await), 404);
    assert_eq!(status(&server.get("/echo", &[host, BEARER]).await), 405);
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Opens a WebSocket and answers the status of the handshake.
async fn handshake(server: &Server, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    for (name, value) in UPGRADE.iter().chain(headers) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut socket = TcpStream::connect(server.address).await.expect("listening");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0_u8; 16];
    timeout(LONG, socket.read_exact(&mut answer)).await.expect("an answer").expect("an answer");
    status(&String::from_utf8_lossy(&answer))
}

#[tokio::test]
async fn a_websocket_needs_the_token_as_well_and_only_graphql_may_bring_it_later() {
    let server = start(64).await;
    let host = ("host", "localhost");
    let wrong = ("authorization", "Bearer wrong");
    assert_eq!(handshake(&server, "/rpc", &[host]).await, 401);
    assert_eq!(handshake(&server, "/rpc", &[host, wrong]).await, 401);
    assert_eq!(handshake(&server, "/rpc", &[host, BEARER]).await, 101);
    assert_eq!(handshake(&server, "/graphql/ws", &[host]).await, 101);
    assert_eq!(handshake(&server, "/graphql/ws", &[host, BEARER]).await, 101);
    assert_eq!(handshake(&server, "/graphql/ws", &[host, wrong]).await, 401);
    assert_eq!(handshake(&server, "/graphql/ws/", &[host]).await, 401);
}

#[tokio::test]
async fn hosts_and_origins_are_those_of_the_server_or_configured() {
    let server = start(64).await;
    let hosts = [
        ("localhost", true),
        ("LOCALHOST:7710", true),
        ("127.0.0.1:1", true),
        ("[::1]:7710", true),
        ("box.example", true),
        ("box.example:9", true),
        ("port.example:8443", true),
        ("port.example", false),
        ("port.example:80", false),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("evil@localhost", false),
        ("127.0.0.1.nip.io", false),
        ("0.0.0.0", false),
        ("", false),
    ];
    type Origin = (Option<&'static str>, fn(&str) -> bool);
    let origins: [Origin; 8] = [
        (None, |_| true),
        (Some("http://localhost"), |host| host == "localhost"),
        (Some("http://127.0.0.1:1"), |host| host == "127.0.0.1:1"),
        (Some("https://app.example"), |_| true),
        (Some("https://app.example.evil.example"), |_| false),
        (Some("http://evil.example"), |_| false),
        (Some("null"), |_| false),
        (Some("file://"), |_| false),
    ];
    for (host, known) in hosts {
        for (origin, welcome) in origins {
            let mut headers = vec![("host", host), BEARER];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let want = match (known, welcome(host)) {
                (false, _) => 421,
                (true, false) => 403,
                (true, true) => 200,
            };
            assert_eq!(status(&server.get("/who", &headers).await), want, "{host} {origin:?}");
            let want = if want == 200 { 101 } else { want };
            assert_eq!(handshake(&server, "/graphql/ws", &headers).await, want, "{host} {origin:?}");
        }
    }
    assert_eq!(status(&server.get("/livez", &[]).await), 421, "no host at all");
    assert_eq!(status(&server.get("/livez", &[("host", "localhost"), ("host", "localhost")]).await), 421);
    assert_eq!(status(&server.get("http://evil.example/livez", &[("host", "localhost")]).await), 421);
    assert_eq!(
        status(&server.get("/livez", &[("host", "evil.example")]).await),
        421,
        "probes are no exception"
    );
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = start(64).await;
    for (path, headers) in
        [("/livez", vec![("host", "localhost")]), ("/who", vec![]), ("/x", vec![("host", "localhost")])]
    {
        let answer = server.get(path, &headers).await.to_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "content-security-policy: default-src 'none'",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "frame-ancestors 'none'",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.contains(header), "{path}: {header}: {answer}");
            assert!(!answer.contains("unsafe-inline"), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn half_open_requests_are_closed_in_time_and_do_not_keep_others_out() {
    let server = start(256).await;
    let since = Instant::now();
    let mut half_open = JoinSet::new();
    for index in 0..100 {
        let address = server.address;
        half_open.spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("listening");
            let begun: &[u8] = match index % 3 {
                0 => b"",
                1 => b"GET /livez HTTP/1.1\r\nhost: local",
                _ => {
                    b"POST /echo HTTP/1.1\r\nhost: localhost\r\n\
                    authorization: Bearer 0123456789abcdef0123456789abcdef\r\ncontent-length: 10\r\n\r\nabc"
                }
            };
            socket.write_all(begun).await.expect("sent");
            let mut answer = Vec::new();
            timeout(LONG, socket.read_to_end(&mut answer)).await.expect("closed by the server").ok();
            (index % 3, String::from_utf8_lossy(&answer).into_owned())
        });
    }
    assert_eq!(status(&server.get("/livez", &[("host", "localhost")]).await), 200);
    while let Some(ended) = half_open.join_next().await {
        let (kind, answer) = ended.expect("no panic");
        if kind == 2 {
            assert_eq!(status(&answer), 408, "{answer}");
        }
    }
    assert!(since.elapsed() >= Duration::from_millis(250), "nobody was closed before the time");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = start(1).await;
    let mut deaf = TcpStream::connect(server.address).await.expect("listening");
    let request = format!("GET /large HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.expect("sent");
    // The only place comes back although the client still holds its end.
    let free = async {
        while status(&server.get("/livez", &[("host", "localhost")]).await) == 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, free).await.expect("the place comes back");
    drop(deaf);
}

#[tokio::test]
async fn beyond_the_limit_clients_are_told_so_and_websockets_count() {
    let server = start(2).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(server.address).await.expect("listening");
        let mut request = "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\n".to_owned();
        for (name, value) in UPGRADE {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{request}\r\n").as_bytes()).await.expect("sent");
        let mut answer = [0_u8; 12];
        socket.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101");
        sockets.push(socket);
    }
    let answer = server.raw("").await;
    assert_eq!(status(&answer), 503);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    assert!(body.contains("OC-HTTP-006"));

    drop(sockets);
    let free = async {
        while status(&server.get("/livez", &[("host", "localhost")]).await) == 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, free).await.expect("the places come back");
}

#[tokio::test]
async fn a_stop_answers_what_has_begun_and_takes_nothing_new() {
    let mut server = start(64).await;
    let mut idle = TcpStream::connect(server.address).await.expect("listening");
    idle.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut answer = [0_u8; 12];
    idle.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");

    let request = format!("GET /slow HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\n\r\n");
    let mut begun = TcpStream::connect(server.address).await.expect("listening");
    begun.write_all(request.as_bytes()).await.expect("sent");
    // It has begun once another request that came later has been answered.
    assert_eq!(status(&server.get("/livez", &[("host", "localhost")]).await), 200);
    server.stopping.store(true, Ordering::Release);
    let readyz = server.get("/readyz", &[("host", "localhost")]).await;
    assert!(status(&readyz) == 503 && readyz.contains("stopping"), "{readyz}");

    server.stop.cancel();
    let mut answer = String::new();
    timeout(LONG, begun.read_to_string(&mut answer)).await.expect("answered").expect("whole");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
    assert_eq!(server.serving.join_next().await.expect("one").expect("no panic"), Drained::Whole);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}
