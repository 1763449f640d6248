//! The shell's own answers: a status, a code and a sentence.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// `{"code": ..., "message": ...}`. The code has a page in `ops/docs/errors`.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Says that it may be tried again after `wait`: with the header in whole seconds, and exactly in the body.
pub(super) fn retry(status: StatusCode, code: &str, message: &str, wait: Duration) -> Response {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let body = json!({ "code": code, "message": message, "retryAfterMs": millis }).to_string();
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::RETRY_AFTER, seconds)];
    (status, headers, body).into_response()
}

pub(super) async fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "OC-HTTP-004", "there is nothing here")
}

pub(super) async fn method_not_allowed() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "OC-HTTP-005", "not with this method")
}
