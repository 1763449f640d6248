//! The probes, which need no token, and the metrics, which do.

use axum::{
    Extension,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
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
pub(super) async fn metrics(Extension(shell): Extension<Shell>) -> Response {
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
