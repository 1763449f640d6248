//! The shell's own answers: a status, a code and a sentence.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// `{"code": ..., "message": ...}`. The code has a page in `ops/docs/errors`.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "OC-HTTP-004", "there is nothing here")
}

pub(super) async fn method_not_allowed() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "OC-HTTP-005", "not with this method")
}
