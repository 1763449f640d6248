//! `/audit/...`: copies of history for auditors, as streams. Whoever takes one is recorded before the first byte of it.
//!
//! The log is one for all namespaces, so an auditor of some of them only is refused here; GraphQL shows them theirs.

use std::{io, sync::Arc};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{StatusCode, header};
use openclaw_audit::bundle;
use openclaw_gateway::rpc::Caller;
use openclaw_log::Frames;
use openclaw_model::{Position, RunId, access::Need};
use openclaw_ports::Clock;
use serde::Deserialize;
use serde_json::json;

use super::{
    copies::{self, ExportOf, Lines, TrailOf},
    signer::{self, Signer},
};

/// What the routes need.
pub(crate) struct Copies<L> {
    pub(crate) log: Arc<L>,
    pub(crate) signer: Arc<Signer<L>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The routes. Authentication puts the [`Caller`] into the request.
pub(crate) fn router<L: Frames>(copies: Arc<Copies<L>>) -> Router {
    Router::new()
        .route("/audit/frames", get(frames::<L>))
        .route("/audit/trail", get(trail::<L>))
        .route("/audit/export", get(export::<L>))
        .route("/audit/bundle/{run}", post(run::<L>))
        .with_state(copies)
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The refusal, if the caller may not have this.
fn barred(caller: &Caller) -> Option<Response> {
    let refusal =
        || refuse(StatusCode::FORBIDDEN, "OC-ACC-001", "this needs the scope audit, for every namespace");
    (!caller.grants.allow_everywhere(Need::Audit)).then(refusal)
}

fn failed(error: signer::Error) -> Response {
    let code = match &error {
        signer::Error::NoKey(_) => "OC-AUD-005",
        signer::Error::File(_) => "OC-AUD-006",
        _ => "OC-LOG-002",
    };
    refuse(StatusCode::SERVICE_UNAVAILABLE, code, &error.to_string())
}

fn lines(lines: Result<Lines, copies::Error>) -> Response {
    match lines {
        Ok(lines) => {
            // Many lines in one piece: each piece of a body is a write.
            let pieces = lines.map_err(io::Error::other).ready_chunks(256).map(|lines| {
                let lines: Result<Vec<String>, io::Error> = lines.into_iter().collect();
                lines.map(|lines| Bytes::from(lines.into_iter().map(|line| line + "\n").collect::<String>()))
            });
            ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(pieces)).into_response()
        }
        Err(error @ copies::Error::Nothing(_)) => {
            refuse(StatusCode::NOT_FOUND, "OC-AUD-011", &error.to_string())
        }
        Err(error @ copies::Error::Invalid(_)) => {
            refuse(StatusCode::BAD_REQUEST, "OC-RPC-004", &error.to_string())
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "OC-LOG-001", &error.to_string()),
    }
}

async fn trail<L: Frames>(
    State(copies): State<Arc<Copies<L>>>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<TrailOf>,
) -> Response {
    if let Some(refusal) = barred(&caller) {
        return refusal;
    }
    lines(copies::trail(&*copies.log, &of).await)
}

async fn export<L: Frames>(
    State(copies): State<Arc<Copies<L>>>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<ExportOf>,
) -> Response {
    if let Some(refusal) = barred(&caller) {
        return refusal;
    }
    let through = Position(of.to.unwrap_or(u64::MAX).min(copies.log.head().position.0));
    let what = of.stream.clone().unwrap_or_else(|| "log".into());
    let exported = copies::export(&*copies.log, &of).await;
    if exported.is_ok()
        && let Err(error) = copies.signer.exported(caller.actor, what, through).await
    {
        return failed(error);
    }
    lines(exported)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    #[serde(default)]
    from: u64,
}

/// Stored frames, each after its length (u32, big-endian).
async fn frames<L: Frames>(
    State(copies): State<Arc<Copies<L>>>,
    Extension(caller): Extension<Caller>,
    Query(From { from }): Query<From>,
) -> Response {
    if let Some(refusal) = barred(&caller) {
        return refusal;
    }
    let through = copies.log.head().position;
    let stored = copies.log.frames(Position(from));
    if let Err(error) = copies.signer.exported(caller.actor, "log".into(), through).await {
        return failed(error);
    }
    let pieces = stored.map_err(io::Error::other).map_ok(|frame| {
        let length = u32::try_from(frame.len()).expect("a frame has at most 56 KiB");
        Bytes::from([&length.to_be_bytes()[..], &frame].concat())
    });
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(pieces)).into_response()
}

async fn run<L: Frames>(
    State(copies): State<Arc<Copies<L>>>,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
) -> Response {
    if let Some(refusal) = barred(&caller) {
        return refusal;
    }
    let Ok(run) = run.parse::<RunId>() else {
        return refuse(StatusCode::NOT_FOUND, "OC-RUN-001", "there is no such run");
    };
    match copies.bundle(run, caller.actor).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/jsonl")], bytes).into_response(),
        Err(refusal) => refusal,
    }
}

impl<L: Frames> Copies<L> {
    /// The bundle of a run: all of it is signed first, and the export is recorded.
    async fn bundle(&self, run: RunId, actor: openclaw_model::Actor) -> Result<Vec<u8>, Response> {
        let stream = openclaw_model::StreamId::run(run);
        if !matches!(self.log.stream_head(&stream), Ok(Some(_))) {
            return Err(refuse(StatusCode::NOT_FOUND, "OC-RUN-001", "there is no such run"));
        }
        match self.signer.sign().await {
            // The checkpoint is in the log, which is what a bundle needs.
            Ok(_) | Err(signer::Error::File(_)) => {}
            Err(error) => return Err(failed(error)),
        }
        let key = self.signer.key().await.map_err(failed)?;
        let made = bundle::make(&*self.log, run, &key, self.clock.now()).await.map_err(|error| {
            let (status, code) = match &error {
                bundle::Error::NoRun(_) => (StatusCode::NOT_FOUND, "OC-RUN-001"),
                bundle::Error::NotCovered(_) => (StatusCode::SERVICE_UNAVAILABLE, "OC-AUD-009"),
                bundle::Error::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "OC-AUD-010"),
                bundle::Error::Log(_) | bundle::Error::Inconsistent(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "OC-LOG-001")
                }
            };
            refuse(status, code, &error.to_string())
        })?;
        self.signer.exported(actor, stream.to_string(), made.header.through).await.map_err(failed)?;
        Ok(made.bytes)
    }
}
