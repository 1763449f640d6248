//! Connections: the one place where it is decided how they are made, whom they may reach, and through what.

use std::{error::Error, sync::OnceLock};

use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;
use reqwest::{
    Client, Request, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
    redirect,
};

use super::Limits;

/// Sends requests over shared connections. It follows no redirect and knows no credentials.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    limits: Limits,
    client: OnceLock<Result<Client, String>>,
    /// Speaks HTTP/2 from the first byte, for gRPC.
    http2: OnceLock<Result<Client, String>>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, if there is one and it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All values of a header.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok())
    }
}

impl Transport {
    /// Connects to nothing.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Made at the first call, not at the start of the server: reading the machine's certificates costs memory and
    /// milliseconds.
    pub(crate) fn client(&self) -> Result<&Client, WorkflowError> {
        made(self.client.get_or_init(|| connect(&self.limits, false)))
    }

    /// The client for HTTP/2 without an upgrade.
    pub(crate) fn http2(&self) -> Result<&Client, WorkflowError> {
        made(self.http2.get_or_init(|| connect(&self.limits, true)))
    }

    /// Sends `request` and takes its answer in, whatever its status is. `shown` names the request in errors.
    ///
    /// # Errors
    /// A timeout error (408), or a communication error: 503 if there was no connection, else 500.
    pub(crate) async fn exchange(&self, request: Request, shown: &str) -> Result<Answer, WorkflowError> {
        let answer = self.client()?.execute(request).await.map_err(|error| failed(shown, error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Answer { status, headers, body: self.body(answer, shown).await? })
    }

    async fn body(&self, mut answer: reqwest::Response, shown: &str) -> Result<Vec<u8>, WorkflowError> {
        let limit = self.limits.response_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(shown, error))? {
            if chunk.len() > limit - body.len() {
                let detail = format!("{shown} answered with a body of more than {limit} bytes");
                return Err(error::communication(500, detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn made(client: &Result<Client, String>) -> Result<&Client, WorkflowError> {
    client.as_ref().map_err(|problem| error::configuration(format!("no HTTP client can be made: {problem}")))
}

/// No proxy is taken from the environment.
fn connect(limits: &Limits, http2: bool) -> Result<Client, String> {
    let builder = Client::builder()
        .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .redirect(redirect::Policy::none())
        .no_proxy();
    let builder = if http2 { builder.http2_prior_knowledge() } else { builder };
    builder.build().map_err(|error| chain(&error))
}

pub(crate) fn failed(shown: &str, error: reqwest::Error) -> WorkflowError {
    let error = error.without_url();
    let detail = format!("{shown} failed: {}", chain(&error));
    if error.is_timeout() {
        error::timeout(detail)
    } else if error.is_connect() {
        error::communication(503, detail)
    } else {
        error::communication(500, detail)
    }
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// `url` as it may be shown: without credentials, query and fragment, where secrets are.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Only URLs without a host refuse these; http and https have one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
