//! A web server for tests, and what calls need besides.

use std::sync::{
    Arc, Mutex, Once,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Response, Uri},
};
use openclaw_egress::{Gate, NoRecorder, Policy};
use openclaw_ports::Ids;
use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

use super::http::{HttpEffects, Limits};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query.
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Status, headers and body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, String);

/// A JSON answer.
pub(super) fn json(body: impl ToString) -> Answer {
    (200, vec![("content-type", "application/json".into())], body.to_string())
}

/// A server that ends with the test.
pub(super) struct Local {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: JoinSet<()>,
}

impl Local {
    /// Answers each request with what `answer` makes of it and of its number, from 0.
    pub(super) async fn start(
        answer: impl Fn(&Seen, usize) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        provide();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let handler = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let request = Seen { method: method.to_string(), uri: uri.to_string(), headers, body };
            let number = {
                let mut kept = kept.lock().unwrap();
                kept.push(request.clone());
                kept.len() - 1
            };
            let (status, headers, body) = answer(&request, number);
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, Router::new().fallback(handler)).await.unwrap();
        });
        Self { url, seen, _serving: serving }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(9, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// HTTP with these limits.
pub(super) fn limited(limits: Limits) -> HttpEffects {
    provide();
    let here = "127.0.0.1:*".parse().expect("it is a destination");
    let policy = Policy::new(vec![here], vec![], vec![]).expect("it names a host");
    through(Gate::new(policy, Arc::new(NoRecorder)), limits)
}

/// HTTP through this gate.
pub(super) fn through(gate: Gate, limits: Limits) -> HttpEffects {
    provide();
    HttpEffects::new(limits, gate, Arc::new(Counting(AtomicU64::new(0))))
}

pub(super) fn http() -> HttpEffects {
    limited(Limits::default())
}

fn provide() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
