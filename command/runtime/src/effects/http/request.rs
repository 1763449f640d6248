//! From the intent to a request.

use openclaw_model::event::run::{HttpRequest, WorkflowError};
use openclaw_workflow::error;
use reqwest::{
    Client, Method, Request, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request that `intent` describes.
///
/// # Errors
/// A configuration error that names what cannot be sent. Values of headers are not in it.
pub(super) fn build(client: &Client, intent: &HttpRequest, key: &str) -> Result<Request, WorkflowError> {
    let method = Method::from_bytes(intent.method.as_bytes())
        .map_err(|_| error::configuration(format!("{:?} is no HTTP method", intent.method)))?;
    let mut headers = headers(intent)?;
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        let key = HeaderValue::from_str(key)
            .map_err(|_| error::configuration("the effect's key cannot be a header".into()))?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    let mut builder = client.request(method, url(intent)?);
    if let Some(body) = &intent.body {
        builder = match body {
            // What kind of text it is has been said, so it is sent as it is.
            Value::String(text) if headers.contains_key(CONTENT_TYPE) => builder.body(text.clone()),
            other => {
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                builder.body(other.to_string())
            }
        };
    }
    builder.headers(headers).build().map_err(|problem| {
        error::configuration(format!("the request cannot be made: {}", problem.without_url()))
    })
}

fn url(intent: &HttpRequest) -> Result<Url, WorkflowError> {
    // Not the text itself: it may hold credentials.
    let mut url = Url::parse(&intent.url)
        .map_err(|problem| error::configuration(format!("the endpoint is no absolute URL: {problem}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(error::configuration(format!(
            "call: http cannot use {}:, only http: and https:",
            url.scheme()
        )));
    }
    if !intent.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&intent.query);
    }
    Ok(url)
}

fn headers(intent: &HttpRequest) -> Result<HeaderMap, WorkflowError> {
    let mut headers = HeaderMap::with_capacity(intent.headers.len() + 2);
    for (name, value) in &intent.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| error::configuration(format!("{name:?} is no name of a header")))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| error::configuration(format!("the value of the header {name} cannot be sent")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// `url` as it may be shown: without credentials, query and fragment, where secrets are.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Only URLs without a host refuse these; http and https have one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
