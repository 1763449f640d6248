//! `call: http` (dsl-reference, "HTTP Call").

mod request;
mod response;
#[cfg(test)]
mod tests;

use std::{error::Error, sync::OnceLock, time::Duration};

use openclaw_model::event::run::{HttpRequest, WorkflowError};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;
use reqwest::{Client, redirect};
use tokio_util::sync::CancellationToken;

/// Redirects that are followed when the task allows them; the answer after that is the output as it is.
const MAX_REDIRECTS: usize = 5;

/// Bounds on one call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection. Default: 10 s.
    pub connect: Duration,
    /// Until the whole response is there. Default: 60 s.
    pub total: Duration,
    /// Bytes of the response's body. Default: 8 MiB.
    pub response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(60), response_bytes: 8 << 20 }
    }
}

/// Performs HTTP calls over shared connections.
#[derive(Debug, Default)]
pub struct HttpEffects {
    limits: Limits,
    clients: OnceLock<Result<Clients, String>>,
}

#[derive(Debug)]
struct Clients {
    following: Client,
    staying: Client,
}

impl HttpEffects {
    /// Connects to nothing. The process's rustls provider has to be installed before the first call.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, clients: OnceLock::new() }
    }

    /// Performs `request`, with `key` as its Idempotency-Key unless the task sets one.
    ///
    /// # Errors
    /// A configuration error if the request cannot be made, a timeout error (408) if a time limit ran out, else a
    /// communication error with the status of the response, 503 if there was no connection, 500 if the response could
    /// not be used. Credentials, query and fragment of the URL are in none of them.
    pub async fn perform(
        &self,
        request: &HttpRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(error::runtime("the call was cancelled".into())),
            outcome = self.call(request, key) => outcome,
        }
    }

    async fn call(&self, request: &HttpRequest, key: &str) -> EffectOutcome {
        let clients = self.clients()?;
        let client = if request.redirect { &clients.following } else { &clients.staying };
        let sent = request::build(client, request, key)?;
        let echo = response::Request::of(&sent);
        let shown = format!("{} {}", sent.method(), request::shown(sent.url()));

        let answer = client.execute(sent).await.map_err(|error| failed(&shown, error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let accepted = status.is_success() || (request.redirect && status.is_redirection());
        let body = self.body(answer, &shown).await?;
        if !accepted {
            let detail = format!("{shown} answered {status}{}", response::excerpt(&headers, &body));
            return Err(error::communication(status.as_u16(), detail));
        }
        response::output(request.output, &echo, status, &headers, &body)
            .map_err(|problem| error::communication(500, format!("{shown} answered {status}: {problem}")))
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

    /// Made at the first call, not at the start of the server: reading the machine's certificates costs memory and
    /// milliseconds.
    fn clients(&self) -> Result<&Clients, WorkflowError> {
        let made = self.clients.get_or_init(|| {
            let follow = redirect::Policy::custom(|attempt| {
                let known = matches!(attempt.url().scheme(), "http" | "https");
                if known && attempt.previous().len() <= MAX_REDIRECTS {
                    attempt.follow()
                } else {
                    attempt.stop()
                }
            });
            let make = |policy| connect(&self.limits, policy).map_err(|error| chain(&error));
            Ok(Clients { following: make(follow)?, staying: make(redirect::Policy::none())? })
        });
        made.as_ref()
            .map_err(|problem| error::configuration(format!("no HTTP client can be made: {problem}")))
    }
}

/// The one place where it is decided how connections are made: whom they may reach, and through what. No proxy is
/// taken from the environment.
fn connect(limits: &Limits, redirects: redirect::Policy) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .redirect(redirects)
        .no_proxy()
        .build()
}

fn failed(shown: &str, error: reqwest::Error) -> WorkflowError {
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
