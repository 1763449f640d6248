//! Sending requests: through the gate, with the limits of a call, and with errors of the specification.

use std::error::Error;

use openclaw_egress::{Clients, Gate, Options, SendError};
use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;
use reqwest::{
    Request, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
};

use super::Limits;

/// Sends requests over shared connections. It follows no redirect and knows no credentials.
#[derive(Debug)]
pub(crate) struct Transport {
    limits: Limits,
    clients: Clients,
    /// Speak HTTP/2 from the first byte, for gRPC.
    http2: Clients,
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
    /// Connects to nothing. What may be connected to, `gate` says.
    pub(crate) fn new(limits: Limits, gate: Gate) -> Self {
        let options = |http2| Options { connect: limits.connect, total: limits.total, http2 };
        let clients = Clients::new(gate, options(false));
        Self { limits, http2: clients.with(options(true)), clients }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sends `request` over HTTP/2, without an upgrade. `shown` names it in errors.
    ///
    /// # Errors
    /// As [`Transport::exchange`].
    pub(crate) async fn http2(&self, request: Request, shown: &str) -> Result<Response, WorkflowError> {
        self.http2.send(request).await.map_err(|error| unsent(shown, error))
    }

    /// Sends `request` and takes its answer in, whatever its status is. `shown` names the request in errors.
    ///
    /// # Errors
    /// An authorization error (403) if the gate refuses the connection (`OC-EGR-001`), a timeout error (408), or a
    /// communication error: 503 if there was no connection, else 500.
    pub(crate) async fn exchange(&self, request: Request, shown: &str) -> Result<Answer, WorkflowError> {
        let answer = self.clients.send(request).await.map_err(|error| unsent(shown, error))?;
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

fn unsent(shown: &str, error: SendError) -> WorkflowError {
    match error {
        SendError::Refused(refused) => error::authorization(refused.to_string()),
        SendError::NoHost(problem) => error::configuration(problem.to_string()),
        SendError::NoClient(problem) => {
            error::configuration(format!("no HTTP client can be made: {problem}"))
        }
        SendError::Failed(error) => failed(shown, error),
    }
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
