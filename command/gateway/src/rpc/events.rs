//! CloudEvents over HTTP: `POST /events` in the structured, the batched and the binary mode
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>).
//!
//! Each event becomes a call of `event.publish`, so that there is one door with one set of checks.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Inner,
    context::Caller,
    dispatch::{Admission, Reply},
    error::{Error, InvalidRequest, Kind},
    methods::{Call, event},
    post::later,
    registry::Scope,
};

/// The header that names the namespace to publish in; without it the only one of the caller, or else `default`.
const NAMESPACE: &str = "openclaw-namespace";
/// The most events of one batch.
const BATCH: usize = 1_000;
/// How many events of a batch are on their way at the same time.
const SIDE_BY_SIDE: usize = 32;

/// How a request carries its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Structured,
    Batched,
    Binary,
}

/// Answers any request to the route.
pub(super) async fn handle(rpc: Arc<Inner>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    if parts.method != Method::POST {
        let mut response = answer(
            StatusCode::METHOD_NOT_ALLOWED,
            &refusal(&Error::InvalidRequest(InvalidRequest::HttpMethod)),
        );
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        return response;
    }
    let namespace = match parts.headers.get(NAMESPACE).map(|value| value.to_str()) {
        None => None,
        Some(Ok(name)) => Some(name.to_owned()),
        Some(Err(_)) => {
            let error = Error::invalid("namespace", "is no name of a namespace");
            return answer(StatusCode::BAD_REQUEST, &refusal(&error));
        }
    };
    let events = match read(&parts.headers, body, rpc.dispatch.limits.body_bytes).await {
        Ok(events) => Events { namespace, ..events },
        Err((status, error)) => return answer(status, &refusal(&error)),
    };
    // Detached: a client that goes away does not stop a command half-way.
    let work = {
        let rpc = Arc::clone(&rpc);
        async move { publish(&rpc, caller, events).await }
    };
    match rpc.tracker.spawn(work).await {
        Ok(response) => response,
        Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, &refusal(&Error::Internal)),
    }
}

/// The JSON texts of the events; `many` if the answer has to be a list as well.
pub(super) struct Events {
    texts: Vec<String>,
    many: bool,
    /// Where they are published.
    namespace: Option<String>,
}

impl Events {
    /// A call for each of them.
    pub(super) fn calls(&self) -> impl Iterator<Item = String> + '_ {
        let namespace = json!(self.namespace);
        self.texts.iter().map(move |event| {
            let method = event::Publish::NAME;
            let params = format!(r#"{{"event":{event},"namespace":{namespace}}}"#);
            format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}"#)
        })
    }
}

pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Events, (StatusCode, Error)> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(mode) = mode(headers, kind) else {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::InvalidRequest(InvalidRequest::NoCloudEvent),
        ));
    };
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            (StatusCode::PAYLOAD_TOO_LARGE, Error::InvalidRequest(InvalidRequest::TooLarge(limit)))
        } else {
            (StatusCode::BAD_REQUEST, Error::InvalidRequest(InvalidRequest::BodyBrokeOff))
        }
    })?;
    let body = body.to_bytes();
    let no_json = |_| (StatusCode::BAD_REQUEST, Error::Parse);
    match mode {
        Mode::Binary => {
            let event = binary(headers, kind, &body).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
            Ok(Events { texts: vec![Value::Object(event).to_string()], many: false, namespace: None })
        }
        Mode::Structured => {
            // One whole JSON value, so that nothing can stand behind it in the call that is made of it.
            let event: Box<RawValue> = serde_json::from_slice(&body).map_err(no_json)?;
            Ok(Events { texts: vec![event.get().to_owned()], many: false, namespace: None })
        }
        Mode::Batched => {
            let events: Vec<Box<RawValue>> = serde_json::from_slice(&body).map_err(no_json)?;
            if events.len() > BATCH {
                let error = Error::InvalidRequest(InvalidRequest::BatchTooLarge(BATCH));
                return Err((StatusCode::PAYLOAD_TOO_LARGE, error));
            }
            Ok(Events {
                texts: events.iter().map(|event| event.get().to_owned()).collect(),
                many: true,
                namespace: None,
            })
        }
    }
}

/// Which mode it is; none if it is none that we know. `application/json` is no event, and neither is a form: what a web
/// page may send without asking first is not taken.
fn mode(headers: &HeaderMap, kind: &str) -> Option<Mode> {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/cloudevents+json" => Some(Mode::Structured),
        "application/cloudevents-batch+json" => Some(Mode::Batched),
        _ if kind.starts_with("application/cloudevents") => None,
        _ if headers.contains_key("ce-specversion") => Some(Mode::Binary),
        _ => None,
    }
}

/// The event whose attributes are headers and whose data is the body.
fn binary(headers: &HeaderMap, kind: &str, body: &Bytes) -> Result<Map<String, Value>, Error> {
    let mut event = Map::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        let wrong = |reason: &str| Error::invalid(format!("event.{name}"), reason);
        if !event::is_attribute(name) || name == "data" {
            return Err(wrong("is no attribute name: those are lower-case letters and digits"));
        }
        let value = value.to_str().map_err(|_| wrong("has characters that have to be percent-encoded"))?;
        let value = percent_decode_str(value).decode_utf8().map_err(|_| wrong("is no UTF-8"))?;
        if event.insert(name.to_owned(), Value::String(value.into_owned())).is_some() {
            return Err(wrong("is given twice"));
        }
    }
    if body.is_empty() {
        return Ok(event);
    }
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !kind.is_empty() {
        event.insert("datacontenttype".into(), json!(kind));
    }
    if media.is_empty() || media == "application/json" || media.ends_with("+json") {
        let data = serde_json::from_slice(body).map_err(|_| Error::invalid("event.data", "is no JSON"))?;
        event.insert("data".into(), data);
    } else if let (true, Ok(text)) = (media.starts_with("text/"), std::str::from_utf8(body)) {
        event.insert("data".into(), json!(text));
    } else {
        event.insert("data_base64".into(), json!(STANDARD.encode(body)));
    }
    Ok(event)
}

/// Publishes the events and answers what became of each.
async fn publish(rpc: &Inner, caller: Caller, events: Events) -> Response {
    let scope = Scope { caller, key: None };
    let outcomes: Vec<(StatusCode, Value)> = stream::iter(events.calls())
        .map(|call| {
            let scope = &scope;
            async move { outcome(rpc.dispatch.message(scope, &call, Admission::Open).await) }
        })
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
    let worst = outcomes.iter().map(|(status, _)| *status).max().unwrap_or(StatusCode::OK);
    let mut bodies: Vec<Value> = outcomes.into_iter().map(|(_, body)| body).collect();
    let wait = bodies.iter().filter_map(|body| body["retryAfterMs"].as_u64()).max();
    let body = if events.many { Value::Array(bodies) } else { bodies.pop().unwrap_or_default() };
    let response = answer(worst, &body);
    match wait {
        Some(wait) if worst == StatusCode::TOO_MANY_REQUESTS => later(response, Duration::from_millis(wait)),
        _ => response,
    }
}

/// What became of one call.
fn outcome(reply: Reply) -> (StatusCode, Value) {
    let kind = match &reply {
        Reply::One(answer) => answer.kind,
        Reply::Nothing | Reply::Batch { .. } => None,
    };
    let text = reply.into_text().unwrap_or_default();
    let mut reply: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(kind) = kind else { return (StatusCode::OK, reply["result"].take()) };
    let status = match kind {
        Kind::REJECTED | Kind::CONFLICT | Kind::KEY_REUSED => StatusCode::CONFLICT,
        Kind::FORBIDDEN => StatusCode::FORBIDDEN,
        Kind::BUSY | Kind::LIMITED => StatusCode::TOO_MANY_REQUESTS,
        Kind::READ_ONLY | Kind::STOPPING => StatusCode::SERVICE_UNAVAILABLE,
        Kind::INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let error = &mut reply["error"];
    let mut body = error["data"].take();
    body["message"] = error["message"].take();
    (status, body)
}

fn refusal(error: &Error) -> Value {
    let mut body = error.data();
    body["message"] = json!(error.to_string());
    body
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
