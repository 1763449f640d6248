//! JSON-RPC over HTTP: one POST, one message.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, WebSocketUpgrade},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{
    Inner,
    context::{Caller, IdempotencyKey},
    dispatch::{Admission, Answer, Reply},
    door::Ask,
    error::{Error, InvalidRequest},
    registry::Scope,
    websocket,
};
use crate::access::Validity;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Answers any request to the route: a POST, or the handshake of a WebSocket.
pub(super) async fn handle(rpc: Arc<Inner>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    if parts.method == Method::GET && parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => match rpc.dispatch.door.take(&caller.actor, Ask::Socket) {
                Ok(place) => {
                    let validity = parts.extensions.get::<Validity>().cloned();
                    websocket::accept(
                        rpc,
                        upgrade,
                        caller,
                        (place, validity.unwrap_or_else(Validity::endless)),
                    )
                }
                Err(retry_after) => respond(Reply::refusal(Error::Limited { retry_after })),
            },
            Err(rejection) => rejection.into_response(),
        };
    }
    match read(&rpc, parts, body, caller).await {
        Ok((scope, text)) => {
            // Detached: a client that goes away does not stop a command half-way.
            let work = {
                let rpc = Arc::clone(&rpc);
                async move { rpc.dispatch.message(&scope, &text, Admission::Open).await }
            };
            match rpc.tracker.spawn(work).await {
                Ok(reply) => respond(reply),
                Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, Error::Internal),
            }
        }
        Err((status, error)) => refuse(status, error),
    }
}

/// Everything that is checked before the message itself.
async fn read(
    rpc: &Inner,
    parts: Parts,
    body: Body,
    caller: Caller,
) -> Result<(Scope, String), (StatusCode, Error)> {
    let invalid = |status, reason| (status, Error::InvalidRequest(reason));
    if parts.method != Method::POST {
        return Err(invalid(StatusCode::METHOD_NOT_ALLOWED, InvalidRequest::HttpMethod));
    }
    if !is_json(&parts.headers) {
        return Err(invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, InvalidRequest::ContentType));
    }
    let key = match parts.headers.get(IDEMPOTENCY_KEY) {
        None => None,
        Some(value) => {
            Some(value.to_str().ok().and_then(|text| IdempotencyKey::new(text).ok()).ok_or_else(|| {
                (
                    StatusCode::OK,
                    Error::invalid(
                        "idempotencyKey",
                        "the header Idempotency-Key is not 1 to 128 visible characters",
                    ),
                )
            })?)
        }
    };
    let limit = rpc.dispatch.limits.body_bytes;
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            invalid(StatusCode::PAYLOAD_TOO_LARGE, InvalidRequest::TooLarge(limit))
        } else {
            invalid(StatusCode::BAD_REQUEST, InvalidRequest::BodyBrokeOff)
        }
    })?;
    let text = String::from_utf8(body.to_bytes().into()).map_err(|_| (StatusCode::OK, Error::Parse))?;
    Ok((Scope { caller, key }, text))
}

/// Whether the content type is `application/json`, whatever its parameters. Anything else is refused, because a
/// web page may send it to us without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Nothing => StatusCode::NO_CONTENT.into_response(),
        Reply::Batch { text, .. } => json(StatusCode::OK, text),
        // Proxies and clients that know nothing of JSON-RPC understand this one.
        Reply::One(Answer { text, retry_after: Some(wait), .. }) => {
            later(json(StatusCode::TOO_MANY_REQUESTS, text), wait)
        }
        Reply::One(Answer { text, .. }) => json(StatusCode::OK, text),
    }
}

/// The response with `Retry-After`, in whole seconds and at least one.
pub(super) fn later(mut response: Response, wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    if let Ok(value) = seconds.to_string().parse() {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn refuse(status: StatusCode, error: Error) -> Response {
    let mut response = json(status, Reply::refusal(error).into_text().unwrap_or_default());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST, GET"));
    }
    // The rest of the body, if any, is not read: the connection cannot be used again.
    if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST) {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

fn json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
