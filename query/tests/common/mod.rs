//! What the tests of this crate share: a log, its rows, and the router over both.

#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../../../projection/tests/common/history.rs"]
pub(crate) mod history;
pub(crate) mod writing;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use history::Scribe;
use openclaw_log::MemoryLog;
use openclaw_model::{Position, Timestamp, access::Grants};
use openclaw_projection::{Projector, Views};
use openclaw_query::{Authenticate, Caller, Deps, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server without a socket.
pub(crate) struct Served {
    pub(crate) scribe: Scribe,
    pub(crate) views: Views,
    pub(crate) projector: Projector,
    pub(crate) router: Router,
    pub(crate) guarded: Guarded,
    _directory: tempfile::TempDir,
}

/// What a router with a door is made of.
pub(crate) struct Guarded {
    pub(crate) deps: Deps,
    pub(crate) authenticate: Authenticate,
}

impl Served {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scribe = Scribe::new(MemoryLog::new());
        let log = Arc::new(scribe.log.clone());
        let projector = Projector::start(Arc::clone(&log), directory.path()).await.unwrap();
        let views = projector.views();
        let deps = Deps {
            views: views.clone(),
            history: log,
            now: Arc::new(|| Timestamp::from_micros(history::EPOCH + 30_000_000)),
            version: "0.0.0-test",
        };
        let authenticate = Authenticate::new(|authorization| {
            (authorization == Some("Bearer good"))
                .then(|| Caller { name: "good".into(), grants: Arc::new(Grants::all()) })
        });
        let router = router(deps.clone(), authenticate.clone());
        let guarded = Guarded { deps, authenticate };
        Self { guarded, scribe, views, projector, router, _directory: directory }
    }

    /// Appends what the scribe has and waits until it is shown.
    pub(crate) async fn flush(&mut self) -> Position {
        let head = self.scribe.flush().await;
        self.views.reach(head, PATIENCE).await.unwrap();
        head
    }

    /// The answer to a question of somebody who is authenticated.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        ask(&self.router, query, variables).await
    }

    /// The data of an answer that must have no errors.
    pub(crate) async fn data(&self, query: &str) -> Value {
        let mut answer = self.ask(query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    pub(crate) async fn post(&self, media: &str, body: impl Into<Body>, known: bool) -> (StatusCode, Value) {
        let mut request =
            Request::post("/graphql").header(header::CONTENT_TYPE, media).body(body.into()).unwrap();
        if known {
            request.extensions_mut().insert(Caller { name: "good".into(), grants: Arc::new(Grants::all()) });
        }
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        send(&self.router, request).await
    }
}

/// The answer to a question of somebody who is authenticated.
pub(crate) async fn ask(router: &Router, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request =
        Request::post("/graphql").header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap();
    request.extensions_mut().insert(Caller { name: "good".into(), grants: Arc::new(Grants::all()) });
    let (status, answer) = send(router, request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The first error's code in an answer.
pub(crate) fn code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {answer}"))
        .to_owned()
}
