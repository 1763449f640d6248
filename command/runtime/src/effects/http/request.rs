//! From the intent to a request.

use bytes::Bytes;
use openclaw_model::event::run::{HttpRequest, WorkflowError};
use openclaw_ports::secrets::has_handle;
use openclaw_workflow::error;
use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::response::Echo;
use crate::effects::exposure::{Exposure, masked};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that can be sent again.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Whether secrets are in the body.
    pub(super) secret_body: bool,
}

impl Wire {
    /// The request that `intent` describes, with the values of its secrets, and how it is shown.
    ///
    /// # Errors
    /// A configuration error that names what cannot be sent, without values of headers; an authorization error for
    /// secrets that may not be used.
    pub(super) fn new(
        intent: &HttpRequest,
        key: &str,
        exposure: &mut Exposure<'_>,
    ) -> Result<(Self, Echo), WorkflowError> {
        let method = Method::from_bytes(intent.method.as_bytes())
            .map_err(|_| error::configuration(format!("{:?} is no HTTP method", intent.method)))?;
        let (mut headers, mut readable) = (HeaderMap::new(), HeaderMap::new());
        for (name, value) in &intent.headers {
            let (name, value) = header(name, value, exposure)?;
            if !value.is_sensitive() {
                readable.append(name.clone(), value.clone());
            }
            headers.append(name, value);
        }
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            let key = HeaderValue::from_str(key)
                .map_err(|_| error::configuration("the effect's key cannot be a header".into()))?;
            readable.insert(IDEMPOTENCY_KEY, key.clone());
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        let (mut body, mut secret_body) = (None, false);
        if let Some(value) = &intent.body {
            secret_body = has_handle(&value.to_string());
            let text = match value {
                // What kind of text it is has been said, so it is sent as it is.
                Value::String(text) => match headers.get(CONTENT_TYPE) {
                    Some(form) if form.as_bytes().starts_with(b"application/x-www-form-urlencoded") => {
                        Some(exposure.form(text)?)
                    }
                    Some(_) => Some(exposure.text(text)?),
                    None => None,
                },
                _ => None,
            };
            body = Some(match text {
                Some(text) => Bytes::copy_from_slice(text.as_bytes()),
                None => {
                    let json = HeaderValue::from_static("application/json");
                    readable.entry(CONTENT_TYPE).or_insert(json.clone());
                    headers.entry(CONTENT_TYPE).or_insert(json);
                    Bytes::from(exposure.json(value)?.to_string())
                }
            });
        }
        let echo = Echo::new(method.as_str(), &url(intent, None)?, &readable);
        let url = url(intent, Some(exposure))?;
        Ok((Self { method, url, headers, body, secret_body }, echo))
    }

    /// As the client wants it.
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        request
    }
}

/// A header, marked as sensitive if there is a secret in it.
fn header(
    name: &str,
    value: &str,
    exposure: &mut Exposure<'_>,
) -> Result<(HeaderName, HeaderValue), WorkflowError> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| error::configuration(format!("{name:?} is no name of a header")))?;
    let mut sent = HeaderValue::from_str(&exposure.text(value)?)
        .map_err(|_| error::configuration(format!("the value of the header {name} cannot be sent")))?;
    sent.set_sensitive(has_handle(value));
    Ok((name, sent))
}

/// The URL with its query: as it is sent, or without `exposure` as it is shown.
fn url(intent: &HttpRequest, mut exposure: Option<&mut Exposure<'_>>) -> Result<Url, WorkflowError> {
    let mut url = match &mut exposure {
        Some(exposure) => parse(&exposure.url(&intent.url)?)?,
        // A URL that is a secret is shown by the secret's name.
        None => match parse(&masked(&intent.url)) {
            Ok(url) => url,
            Err(problem) if !has_handle(&intent.url) => return Err(problem),
            Err(_) => return Ok(Url::parse("secret:url").expect("it is a URL")),
        },
    };
    if !intent.query.is_empty() {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in &intent.query {
            match &mut exposure {
                Some(exposure) => pairs.append_pair(name, &exposure.text(value)?),
                None => pairs.append_pair(name, &masked(value)),
            };
        }
    }
    Ok(url)
}

/// A URL that can be called.
///
/// # Errors
/// A configuration error without the text itself, which may hold credentials.
pub(crate) fn parse(text: &str) -> Result<Url, WorkflowError> {
    let url = Url::parse(text)
        .map_err(|problem| error::configuration(format!("the endpoint is no absolute URL: {problem}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(error::configuration(format!(
            "call: http cannot use {}:, only http: and https:",
            url.scheme()
        )));
    }
    Ok(url)
}
