//! From the response to the task's output (dsl-reference, "HTTP Response").

use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_model::event::run::HttpOutput;
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, PROXY_AUTHORIZATION},
};
use serde_json::{Map, Value, json};

use super::transport;

/// Longest part of a body that becomes part of an error.
const MAX_EXCERPT: usize = 1024;

/// What the output `response` says about the request, and errors do.
pub(super) struct Echo {
    method: String,
    uri: String,
    headers: Value,
    /// Method and URL, for errors.
    pub(super) shown: String,
}

impl Echo {
    /// Everything but credentials: outputs are written to the log and shown.
    pub(super) fn new(method: &str, url: &Url, headers: &HeaderMap) -> Self {
        let secret: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        let mut headers = headers.clone();
        for name in &secret {
            headers.remove(name);
        }
        let mut uri = url.clone();
        // Only URLs without a host refuse these; http and https have one.
        let _ = uri.set_username("");
        let _ = uri.set_password(None);
        let shown = format!("{method} {}", transport::shown(url));
        Self { method: method.to_owned(), uri: uri.into(), headers: readable(&headers), shown }
    }
}

/// The output of the kind that the task wants.
///
/// # Errors
/// If the body is said to be JSON and is not.
pub(super) fn output(
    kind: HttpOutput,
    request: &Echo,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, String> {
    Ok(match kind {
        HttpOutput::Raw => STANDARD.encode(body).into(),
        HttpOutput::Content => content(headers, body)?,
        HttpOutput::Response => json!({
            "request": { "method": request.method, "uri": request.uri, "headers": request.headers },
            "statusCode": status.as_u16(),
            "headers": readable(headers),
            "content": content(headers, body)?,
        }),
    })
}

/// The body as JSON if it is JSON, as text if it is text, else in base 64; null if there is none.
fn content(headers: &HeaderMap, body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match media_type(headers).as_deref() {
        Some(media) if is_json(media) => {
            serde_json::from_slice(body).map_err(|problem| format!("the content is no {media}: {problem}"))
        }
        Some(media) if is_text(media) => Ok(String::from_utf8_lossy(body).into()),
        Some(_) => Ok(STANDARD.encode(body).into()),
        None => Ok(str::from_utf8(body).map_or_else(|_| STANDARD.encode(body).into(), Value::from)),
    }
}

/// The content type in lower case and without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next()?.trim().to_ascii_lowercase();
    (!media.is_empty()).then_some(media)
}

fn is_json(media: &str) -> bool {
    media.ends_with("/json") || media.ends_with("+json")
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || media.ends_with("+xml")
        || media.ends_with("+yaml")
        || matches!(
            media,
            "application/xml"
                | "application/yaml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
                | "application/x-ndjson"
        )
}

/// Headers as an object of texts; what is there several times is joined, as RFC 9110 section 5.3 says.
fn readable(headers: &HeaderMap) -> Value {
    let mut object = Map::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        object.insert(name.to_string(), values.join(", ").into());
    }
    object.into()
}

/// `: ` and the beginning of a body that is text; nothing if it is not.
pub(crate) fn excerpt(headers: &HeaderMap, body: &[u8]) -> String {
    let readable = media_type(headers).is_none_or(|media| is_json(&media) || is_text(&media));
    if body.is_empty() || !readable {
        return String::new();
    }
    let beginning = String::from_utf8_lossy(&body[..body.len().min(MAX_EXCERPT)]);
    format!(": {}", beginning.trim())
}
