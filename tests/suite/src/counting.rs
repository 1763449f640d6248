//! An HTTP server in the test's process that counts what it is asked to do, and misbehaves as it is told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// One request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// Its body, as JSON where it is JSON, else as text.
    pub body: Value,
}

/// How a path answers.
#[derive(Clone, Debug)]
struct Behaviour {
    delay: Duration,
    failures: usize,
    status: u16,
    body: Body,
    /// The call from which on all are held, counted from 1.
    held_from: Option<usize>,
}

/// What a path answers with.
#[derive(Clone, Debug, Default)]
enum Body {
    /// How often it was called, and with what.
    #[default]
    Count,
    /// This.
    Fixed(Value),
    /// `{ "data": text }` with a text of this many characters that no other call gets.
    Fresh(usize),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { delay: Duration::ZERO, failures: 0, status: 200, body: Body::Count, held_from: None }
    }
}

#[derive(Debug)]
struct Inner {
    calls: Vec<Call>,
    behaviours: BTreeMap<String, Behaviour>,
    /// Changes when anything is told to the server, so that held calls look again.
    told: watch::Sender<u64>,
}

/// The server. It ends when it is dropped. A path that was told nothing answers 200 and says how often it was called.
#[derive(Debug)]
pub struct Counting {
    base: String,
    inner: Arc<Mutex<Inner>>,
    _serving: JoinSet<()>,
}

impl Counting {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let (told, _) = watch::channel(0);
        let inner = Arc::new(Mutex::new(Inner { calls: Vec::new(), behaviours: BTreeMap::new(), told }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let application = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, application).await.expect("a bound listener serves");
        });
        Self { base, inner, _serving: serving }
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// From now on `path` takes this long to answer.
    pub fn delay(&self, path: &str, delay: Duration) {
        self.change(path, |behaviour| behaviour.delay = delay);
    }

    /// The next `times` calls of `path` are answered with `status`.
    pub fn fail(&self, path: &str, times: usize, status: u16) {
        self.change(path, |behaviour| (behaviour.failures, behaviour.status) = (times, status));
    }

    /// From now on `path` answers with this body.
    pub fn body(&self, path: &str, body: Value) {
        self.change(path, |behaviour| behaviour.body = Body::Fixed(body));
    }

    /// From now on `path` answers `{ "data": text }` with a text of that many characters, another one each time and
    /// none that compresses well.
    pub fn fresh(&self, path: &str, characters: usize) {
        self.change(path, |behaviour| behaviour.body = Body::Fresh(characters));
    }

    /// Holds the calls of `path`, from the one with this number on (the first is 1): they arrive, and are answered
    /// only after [`Counting::release`].
    pub fn hold(&self, path: &str, from: usize) {
        self.change(path, |behaviour| behaviour.held_from = Some(from));
    }

    /// Answers the calls of `path` that are held, and holds none any more.
    pub fn release(&self, path: &str) {
        self.change(path, |behaviour| behaviour.held_from = None);
    }

    /// Waits until `path` was called that often.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn arrived(&self, path: &str, calls: usize) {
        let what = format!("call {calls} of {path}");
        crate::eventually(&what, async || (self.calls_of(path).len() >= calls).then_some(())).await;
    }

    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.inner).calls.clone()
    }

    /// The calls of one path.
    #[must_use]
    pub fn calls_of(&self, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// How many calls came with each key.
    #[must_use]
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for key in self.calls().into_iter().filter_map(|call| call.key) {
            *counts.entry(key).or_default() += 1;
        }
        counts
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Behaviour)) {
        let mut inner = lock(&self.inner);
        change(inner.behaviours.entry(path.to_owned()).or_default());
        inner.told.send_modify(|told| *told += 1);
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let call = Call {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        key: headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned),
        body: serde_json::from_slice(&body).unwrap_or(Value::String(text)),
    };
    let (count, behaviour, mut told) = {
        let mut inner = lock(&inner);
        let behaviour = inner.behaviours.get(&call.path).cloned().unwrap_or_default();
        if let Some(known) = inner.behaviours.get_mut(&call.path) {
            known.failures = known.failures.saturating_sub(1);
        }
        inner.calls.push(call.clone());
        let count = inner.calls.iter().filter(|other| other.path == call.path).count();
        (count, behaviour, inner.told.subscribe())
    };
    let held = |_: &u64| {
        let inner = lock(&inner);
        let from = inner.behaviours.get(&call.path).and_then(|known| known.held_from);
        from.is_some_and(|from| count >= from)
    };
    if told.wait_for(|told| !held(told)).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    tokio::time::sleep(behaviour.delay).await;
    if behaviour.failures > 0 {
        let status = StatusCode::from_u16(behaviour.status).expect("tests name statuses well");
        return (status, "told to fail").into_response();
    }
    let body = match behaviour.body {
        Body::Count => json!({ "count": count, "received": call.body }),
        Body::Fixed(body) => body,
        Body::Fresh(characters) => json!({ "data": noise(count as u64, characters) }),
    };
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A text that does not compress well: six bits of a random number (splitmix64) in each character.
#[must_use]
pub fn noise(seed: u64, characters: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let letter = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        char::from(LETTERS[((mixed ^ (mixed >> 31)) & 63) as usize])
    };
    (0..characters).map(letter).collect()
}
