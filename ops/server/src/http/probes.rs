//! The probes, which need no token, and the metrics, which do.

use axum::{
    Extension,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use openclaw_gateway::rpc::Caller;
use openclaw_model::access::Need;
use serde_json::json;

use super::{Shell, answer};

/// The process answers.
pub(super) async fn livez() -> Response {
    json_answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Commands and queries are served, or why not.
pub(super) async fn readyz(Extension(shell): Extension<Shell>) -> Response {
    let reasons = shell.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_answer(status, &json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

/// The metrics in Prometheus's text format.
pub(super) async fn metrics(
    Extension(shell): Extension<Shell>,
    Extension(caller): Extension<Caller>,
) -> Response {
    // They are of the server as a whole, so the right has to be good everywhere.
    if !caller.grants.allow_everywhere(Need::Operate) {
        if let Some(access) = shell.gate.access() {
            access.denied(&caller.actor, "/metrics", Need::Operate);
        }
        let message = "the caller may not do this; it needs the scope `operate`";
        return answer::refuse(StatusCode::FORBIDDEN, "OC-ACC-001", message);
    }
    match &shell.metrics {
        Some(handle) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
                .into_response()
        }
        None => answer::not_found().await,
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
