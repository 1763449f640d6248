//! The tool's way out.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use openclaw_egress::{
    Gate, Grant, Injection, Limits, Origin, Permit, Policy, Proxies, Proxy, Reason, Resolve,
};
use openclaw_model::{RunId, TaskId};
use openclaw_ports::{
    Secrets,
    secrets::{Error, Handle, Opening, Revealed, Use},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::{
    canary::Canary,
    clients::policy,
    forms::{self, FORMS},
    recording::{Entry, Kept},
    resolver::Told,
};

const SECRET: &str = "s3cret-value-of-the-vault";
const ORIGIN: Origin = Origin { run: Some(RunId(Uuid::from_u64_pair(0, 9))), task: Some(TaskId(3)) };

/// Has one secret, `api`, and asks for the run and the purpose of its use.
struct Vault;

impl Secrets for Vault {
    fn names(&self, _: &str) -> BTreeSet<String> {
        ["api".to_owned()].into()
    }

    fn shape(&self, _: &str, name: &str) -> Result<serde_json::Value, Error> {
        Err(Error::Missing(name.into()))
    }

    fn open<'a>(&'a self, namespace: &'a str, handles: BTreeSet<Handle>, usage: Use) -> Opening<'a> {
        assert_eq!((namespace, usage.run, usage.task), ("team", ORIGIN.run, ORIGIN.task));
        assert!(usage.purpose.contains("a request of a tool to "), "{usage:?}");
        let open = |handle: Handle| match (handle.name.as_str(), handle.pointer.as_str()) {
            ("api", "/key") => (handle, Ok(Revealed::new(SECRET.into()))),
            (name, _) => {
                let error = Error::Missing(name.into());
                (handle, Err(error))
            }
        };
        Box::pin(async move { handles.into_iter().map(open).collect() })
    }
}

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) kept: Arc<Kept>,
    directory: TempDir,
    _proxies: Proxies,
}

pub(crate) fn permit(destination: &str) -> Permit {
    Permit { destination: destination.parse().expect("a destination"), injection: None }
}

fn injecting(destination: &str, credential: &str, tls: bool) -> Permit {
    let injection = Injection::new(credential, "Authorization", "Bearer {}", tls).expect("it is right");
    Permit { injection: Some(injection), ..permit(destination) }
}

impl World {
    pub(crate) fn start(policy: Policy, permits: Vec<Permit>, resolver: Arc<dyn Resolve>) -> Self {
        let (header_time, connect) = (Duration::from_millis(500), Duration::from_secs(1));
        let limits = Limits { header_time, connect, ..Limits::default() };
        Self::limited(policy, permits, resolver, limits)
    }

    fn limited(policy: Policy, permits: Vec<Permit>, resolver: Arc<dyn Resolve>, limits: Limits) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let kept = Kept::new();
        let gate = Gate::new(policy, kept.clone()).with_resolver(resolver);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(include_bytes!("tls/authority.pem")).unwrap()).unwrap();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let at = directory.path().join("sockets");
        let proxies =
            Proxies::new(&at, gate, Arc::new(Vault), limits, 100).expect("it is made").with_tls(tls);
        let grant = Grant { origin: ORIGIN, namespace: "team".into(), effect: None, permits };
        Self { proxy: proxies.start(grant).expect("it listens"), kept, directory, _proxies: proxies }
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.proxy.socket()).await.expect("it listens")
    }

    /// Sends `request` and gives all that comes until the proxy closes the connection.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("it listens");
        let mut answer = Vec::new();
        // A connection that is cut has given what it has given.
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("it ends");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, url: &str) -> String {
        self.ask(&format!("GET {url} HTTP/1.1\r\nhost: ignored\r\nconnection: close\r\n\r\n")).await
    }

    /// The events, once `count` of them are there.
    pub(crate) async fn events(&self, count: usize) -> Vec<Entry> {
        let waiting = async {
            while self.kept.entries().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap_or_else(|_| panic!("{:?}", self.kept.entries()));
        self.kept.entries()
    }
}

pub(crate) fn here() -> Policy {
    policy(&["127.0.0.1:*", "[::1]:*"], &[], &[])
}

pub(crate) fn known() -> Arc<Told> {
    Told::new(&[
        ("api.example", &[&["127.0.0.1"]]),
        ("secure.example", &[&["127.0.0.1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("rebind.example", &[&["198.41.0.4"], &["127.0.0.1"]]),
    ])
}

#[tokio::test]
async fn a_request_to_an_allowed_host_is_sent_on_and_its_connection_recorded() {
    let canary = Canary::start().await;
    let world = World::start(here(), vec![permit("*.example:*")], known());
    let request = format!(
        "POST http://api.example:{0}/a?b=c HTTP/1.1\r\nhost: x\r\nconnection: close, x-gone\r\nx-gone: 1\r\n\
         x-kept: 2\r\nproxy-authorization: Basic eA==\r\ncontent-length: 4\r\n\r\nbody",
        canary.port
    );
    let answer = world.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let heard = canary.heard().remove(0);
    assert!(heard.starts_with("POST /a?b=c HTTP/1.1\r\n") && heard.ends_with("\r\n\r\nbody"), "{heard}");
    assert!(heard.contains(&format!("host: api.example:{}\r\n", canary.port)), "{heard}");
    assert!(
        heard.contains("x-kept: 2\r\n") && !heard.contains("x-gone") && !heard.contains("proxy"),
        "{heard}"
    );
    match &world.events(2).await[..] {
        [Entry::Opened(opened), Entry::Closed(closed)] => {
            assert_eq!((opened.origin, opened.number, closed.number), (ORIGIN, 100, 100));
            assert_eq!(opened.address, format!("127.0.0.1:{}", canary.port).parse().unwrap());
            assert_eq!(opened.target.to_string(), format!("api.example:{}", canary.port));
            assert_eq!(opened.rule, "sandbox.network *.example:*, egress.allow_private 127.0.0.1:*");
            assert_eq!(opened.credential, None);
            assert_eq!(closed.sent_bytes, heard.len() as u64);
            assert!(closed.received_bytes > 50, "{closed:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tunnel_to_an_allowed_host_passes_bytes_and_no_credential() {
    let canary = Canary::start().await;
    let world = World::start(here(), vec![injecting("api.example:*", "api/key", false)], known());
    let port = canary.port;
    let answer = world
        .ask(&format!(
            "CONNECT api.example:{port} HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: y\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert_eq!(canary.heard(), ["GET / HTTP/1.1\r\nhost: y\r\n\r\n"]);
    match &world.events(2).await[..] {
        [Entry::Opened(opened), Entry::Closed(closed)] => {
            assert_eq!(opened.credential, None);
            assert_eq!((opened.number, closed.sent_bytes), (closed.number, 27));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_host_that_is_not_on_the_allowlist_is_refused_and_not_looked_up() {
    let canary = Canary::start().await;
    let resolver = known();
    let world = World::start(here(), vec![permit("api.example:1")], resolver.clone());
    for (number, authority) in
        ["other.example:1", "127.0.0.1:1", "api.example:2", "evil.api.example:1"].iter().enumerate()
    {
        let get = world.get(&format!("http://{authority}/")).await;
        let connect = world.ask(&format!("CONNECT {authority} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        for answer in [get, connect] {
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("OC-EGR-003"), "{answer}");
        }
        let events = world.events(2 * number + 2).await;
        assert!(
            matches!(events.last(), Some(Entry::Denied(ORIGIN, what)) if what.reason == Reason::NotGranted)
        );
    }
    assert_eq!((resolver.asked(), canary.heard().len()), (0, 0));
}

#[tokio::test]
async fn no_form_of_a_private_address_gets_through_although_the_job_may_reach_everything() {
    let canary = Canary::start().await;
    let world = World::start(Policy::default(), vec![permit("*:*")], forms::resolver());
    let mut refused = 0;
    for form in FORMS {
        let url = form.replace("PORT", &canary.port.to_string());
        let authority =
            url.split("://").nth(1).unwrap_or(&url).split('/').next().unwrap_or_default().to_owned();
        for request in [
            format!("GET {url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
            format!("CONNECT {authority} HTTP/1.1\r\nhost: x\r\n\r\n"),
        ] {
            let answer = world.ask(&request).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(["400", "403"].contains(&status), "{request:?}: {answer}");
            refused += usize::from(answer.contains("OC-EGR-001"));
        }
    }
    assert!(refused >= 60, "{refused} were judged");
    assert_eq!(canary.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_is_judged_by_the_address_that_is_connected_to() {
    let canary = Canary::start().await;
    let world = World::start(Policy::default(), vec![permit("*.example:*")], known());
    let metadata = world.get("http://metadata.example/computeMetadata/v1/").await;
    assert!(metadata.contains("OC-EGR-001") && metadata.contains("169.254.169.254"), "{metadata}");
    // The first answer of the name is public: somebody else has looked it up before.
    let target = openclaw_egress::Target::new("rebind.example", 80).unwrap();
    let resolver = known();
    assert!(
        Gate::new(Policy::default(), Kept::new())
            .with_resolver(resolver.clone())
            .admit(&target)
            .await
            .is_ok()
    );
    let world = World::start(Policy::default(), vec![permit("*.example:*")], resolver);
    let rebound = world.get(&format!("http://rebind.example:{}/", canary.port)).await;
    assert!(rebound.starts_with("HTTP/1.1 403 ") && rebound.contains("OC-EGR-001"), "{rebound}");
    assert!(canary.heard().is_empty());
}

#[tokio::test]
async fn a_credential_is_put_in_for_the_server_and_seen_by_nobody_else() {
    for connection in ["close", "close, authorization"] {
        let canary = Canary::start().await;
        let destination = format!("api.example:{}", canary.port);
        let world = World::start(here(), vec![injecting(&destination, "api/key", false)], known());
        let answer = world
            .ask(&format!(
                "GET http://{destination}/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer forged\r\n\
                 Authorization: Basic other\r\nconnection: {connection}\r\n\r\n"
            ))
            .await;
        let heard = canary.heard().remove(0);
        let sent: Vec<_> = heard.lines().filter(|line| line.starts_with("authorization")).collect();
        assert_eq!(sent, [format!("authorization: Bearer {SECRET}")]);
        let events = world.events(2).await;
        let named = |entry: &Entry| matches!(entry, Entry::Opened(one) if one.credential.as_deref() == Some("api/key"));
        assert!(named(&events[0]), "{events:?}");
        assert!(!format!("{answer}{events:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_had_stops_the_request_before_it_is_sent() {
    let canary = Canary::start().await;
    let destination = format!("api.example:{}", canary.port);
    let world = World::start(here(), vec![injecting(&destination, "unknown", false)], known());
    let answer = world.get(&format!("http://{destination}/")).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("OC-SEC-001"), "{answer}");
    assert!(canary.heard().is_empty());
}

#[tokio::test]
async fn tls_is_spoken_for_a_tool_that_speaks_plain_http_to_the_proxy() {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key.pem")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while !heard.contains("\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nsafe")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        heard
    });
    let world = World::start(here(), vec![injecting("*.example:*", "api/key", true)], known());
    let answer = world.get(&format!("http://secure.example:{port}/x")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("safe"), "{answer}");
    let heard = serving.join_next().await.unwrap().unwrap();
    assert!(heard.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{heard}");

    // The same server under a name that is not in its certificate.
    let canary = Canary::start().await;
    let wrong = world.get(&format!("http://api.example:{}/", canary.port)).await;
    assert!(wrong.starts_with("HTTP/1.1 502 ") && wrong.contains("TLS"), "{wrong}");
    assert!(!canary.heard().concat().contains(SECRET));
}

#[tokio::test]
async fn a_connection_that_cannot_be_recorded_is_not_made() {
    let canary = Canary::start().await;
    let world = World::start(here(), vec![permit("*:*")], known());
    world.kept.break_down();
    let get = world.get(&format!("http://api.example:{}/", canary.port)).await;
    let connect =
        world.ask(&format!("CONNECT api.example:{} HTTP/1.1\r\nhost: x\r\n\r\n", canary.port)).await;
    for answer in [get, connect] {
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("OC-EGR-004"), "{answer}");
    }
    assert_eq!(canary.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_moves_no_more_bytes_than_it_may() {
    let body = "x".repeat(1 << 20);
    let canary =
        Canary::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    let limits = Limits { bytes: 100_000, ..Limits::default() };
    let world = World::limited(here(), vec![permit("*:*")], known(), limits);
    let url = format!("http://api.example:{}/", canary.port);
    let answer = world.get(&url).await;
    assert!(answer.len() < 250_000, "{} bytes came", answer.len());
    let again = world.get(&url).await;
    assert!(again.starts_with("HTTP/1.1 502 "), "{again}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let canary = Canary::answering("").await;
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let world = World::limited(here(), vec![permit("*:*")], known(), limits);
    let tunnel =
        world.ask(&format!("CONNECT api.example:{} HTTP/1.1\r\nhost: x\r\n\r\nx", canary.port)).await;
    assert!(tunnel.starts_with("HTTP/1.1 200 "), "{tunnel}");
    let silent = world.ask("GET http://api.ex").await;
    assert!(!silent.contains("200"), "{silent}");
    assert!(matches!(world.events(2).await.last(), Some(Entry::Closed(_))));
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_for_a_place() {
    let canary = Canary::start().await;
    let limits = Limits { connections: 1, ..Limits::default() };
    let world = World::limited(here(), vec![permit("*:*")], known(), limits);
    let first = world.connect().await;
    let url = format!("http://api.example:{}/", canary.port);
    let second = world.get(&url);
    tokio::pin!(second);
    assert!(timeout(Duration::from_millis(100), &mut second).await.is_err(), "there is one place");
    drop(first);
    let answer = second.await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let world = World::start(here(), vec![permit("*:*")], known());
    let long = format!("GET http://api.example/ HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let answer = world.ask(&long).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    assert!(world.kept.entries().is_empty());
}

#[tokio::test]
async fn a_proxy_ends_with_its_connections_and_its_socket() {
    let canary = Canary::answering("").await;
    let world = World::start(here(), vec![permit("*:*")], known());
    let directory = world.proxy.socket().parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let mut tunnel = world.connect().await;
    tunnel
        .write_all(format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\nhost: x\r\n\r\n", canary.port).as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 12];
    tunnel.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let World { proxy, kept, directory: kept_directory, .. } = world;
    timeout(Duration::from_secs(20), proxy.stop()).await.expect("it ends");
    assert!(matches!(&kept.entries()[..], [Entry::Opened(_), Entry::Closed(_)]), "{:?}", kept.entries());
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(20), tunnel.read_to_end(&mut rest)).await.expect("it is cut");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "the socket is gone");
    drop(kept_directory);
}
