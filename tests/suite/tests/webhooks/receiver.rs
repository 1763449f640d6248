//! A receiver of webhooks in the test's process: checks every signature, and refuses as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{net::TcpListener, task::JoinSet};

/// The key of the receivers, as the server's environment has it and as bytes.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One delivery that was signed well.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) event: Value,
    /// Whether it was answered with 2xx.
    pub(super) taken: bool,
    pub(super) headers: HeaderMap,
}

#[derive(Default)]
struct Inner {
    deliveries: Mutex<Vec<Delivery>>,
    /// How many of the next deliveries are refused.
    refuse: AtomicUsize,
}

/// The receiver. It can be down for a while and come back at the same address.
pub(super) struct Receiver {
    address: SocketAddr,
    inner: Arc<Inner>,
    serving: JoinSet<()>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let mut receiver =
            Self { address: ([127, 0, 0, 1], 0).into(), inner: Arc::default(), serving: JoinSet::new() };
        receiver.up().await;
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Comes back.
    pub(super) async fn up(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().expect("there are sockets");
        socket.set_reuseaddr(true).expect("a fresh socket");
        socket.bind(self.address).expect("the port is ours");
        let listener: TcpListener = socket.listen(64).expect("it is bound");
        self.address = listener.local_addr().expect("it is bound");
        let application = Router::new().fallback(receive).with_state(Arc::clone(&self.inner));
        self.serving.spawn(async move { axum::serve(listener, application).await.expect("it serves") });
    }

    /// Is gone: connections are refused.
    pub(super) async fn down(&mut self) {
        self.serving.shutdown().await;
    }

    /// The next `count` deliveries are refused.
    pub(super) fn refuse(&self, count: usize) {
        self.inner.refuse.store(count, Ordering::SeqCst);
    }

    /// Every delivery so far.
    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.inner.deliveries.lock().expect("the test knows what it sent").clone()
    }

    /// The events that were taken, each once, in the order in which they were first taken.
    pub(super) fn taken(&self) -> Vec<Delivery> {
        let mut seen = std::collections::BTreeSet::new();
        let taken = self.deliveries().into_iter().filter(|delivery| delivery.taken);
        taken.filter(|delivery| seen.insert(delivery.id.clone())).collect()
    }

    /// Waits until that many events were taken.
    pub(super) async fn took(&self, count: usize) {
        let what = format!("delivery of {count} events");
        openclaw_suite::eventually(&what, async || (self.taken().len() >= count).then_some(())).await;
    }

    /// Waits until that many deliveries came, taken or not.
    pub(super) async fn saw(&self, count: usize) {
        let what = format!("{count} deliveries");
        openclaw_suite::eventually(&what, async || (self.deliveries().len() >= count).then_some(())).await;
    }

    /// `data.n` of the events that were taken.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.taken()
            .iter()
            .map(|delivery| delivery.event["data"]["n"].as_u64().expect("the test knows what it sent"))
            .collect()
    }
}

async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, time) = (text("webhook-id"), text("webhook-timestamp"));
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("the test knows what it sent");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("the test knows what it sent");
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let well = !id.is_empty()
        && text("webhook-signature") == expected
        && text("content-type").starts_with("application/cloudevents+json");
    if !well {
        return StatusCode::UNAUTHORIZED;
    }
    let refused =
        inner.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let event = serde_json::from_slice(&body).expect("the test knows what it sent");
    inner.deliveries.lock().expect("the test knows what it sent").push(Delivery {
        id,
        event,
        taken: !refused,
        headers,
    });
    if refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}
