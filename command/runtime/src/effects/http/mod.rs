//! `call: http` (dsl-reference, "HTTP Call").

mod request;
mod response;
#[cfg(test)]
mod tests;
mod transport;

use std::{sync::Arc, time::Duration};

use openclaw_egress::Gate;
use openclaw_model::event::run::{Authentication, HttpOutput, HttpRequest, WorkflowError};
use openclaw_ports::{EffectOutcome, Ids};
use openclaw_workflow::error;
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::request::Wire;
use super::{auth::Authenticator, exposure::Exposure};

pub(crate) use request::parse;
pub(crate) use response::excerpt;
pub(crate) use transport::{Answer, Transport, failed, shown};

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
pub struct HttpEffects {
    transport: Arc<Transport>,
    authenticator: Authenticator,
}

impl HttpEffects {
    /// Connects to nothing, and later only to what `gate` lets through. The process's rustls provider has to be installed
    /// before the first call. `ids` make the client's half of digest challenges unique.
    #[must_use]
    pub fn new(limits: Limits, gate: Gate, ids: Arc<dyn Ids>) -> Self {
        let transport = Arc::new(Transport::new(limits, gate));
        Self { authenticator: Authenticator::new(transport.clone(), ids), transport }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Performs `request`, with `key` as its Idempotency-Key unless the task sets one.
    ///
    /// # Errors
    /// A configuration error if the request cannot be made, an authorization error (403) for a secret that may not be
    /// used and for an address that may not be connected to, an authentication error (401) if no token is given out for it, a timeout error (408) if a time limit ran
    /// out, else a communication error with the status of the response, 503 if there was no connection, 500 if the
    /// response could not be used. Credentials, query and fragment of the URL are in none of them.
    pub async fn perform(
        &self,
        request: &HttpRequest,
        key: &str,
        exposure: &mut Exposure<'_>,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(error::runtime("the call was cancelled".into())),
            outcome = self.call(request, key, exposure) => outcome,
        }
    }

    async fn call(&self, request: &HttpRequest, key: &str, exposure: &mut Exposure<'_>) -> EffectOutcome {
        let (wire, echo) = Wire::new(request, key, exposure)?;
        let shown = &echo.shown;
        let answer =
            self.send(wire, request.redirect, request.authentication.as_ref(), exposure, shown).await?;
        let accepted = answer.status.is_success() || (request.redirect && answer.status.is_redirection());
        let status = answer.status;
        if !accepted {
            return Err(refused(&answer, shown));
        }
        response::output(request.output, &echo, status, &answer.headers, &answer.body)
            .map_err(|problem| error::communication(500, format!("{shown} answered {status}: {problem}")))
    }

    /// Asks with `request` what became of an effect: 2xx is its outcome, 404 that it did not happen.
    ///
    /// # Errors
    /// When neither was the answer, so that it is still unknown.
    pub async fn inquire(
        &self,
        request: &HttpRequest,
        key: &str,
        exposure: &mut Exposure<'_>,
    ) -> Result<Option<Value>, WorkflowError> {
        let (wire, echo) = Wire::new(request, key, exposure)?;
        let answer =
            self.send(wire, request.redirect, request.authentication.as_ref(), exposure, &echo.shown).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                response::output(request.output, &echo, status, &answer.headers, &answer.body)
                    .map(Some)
                    .map_err(|problem| error::communication(500, format!("{}: {problem}", echo.shown)))
            }
            _ => Err(refused(&answer, &echo.shown)),
        }
    }

    /// A text at a web address, for documents that calls refer to. Headers of the answer come with it.
    ///
    /// # Errors
    /// As [`HttpEffects::perform`]; 304 is none if `known` was sent.
    pub(crate) async fn get(
        &self,
        uri: &str,
        authentication: Option<&Authentication>,
        known: &[(&str, &str)],
        exposure: &mut Exposure<'_>,
    ) -> Result<Answer, WorkflowError> {
        let headers = known.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = HttpRequest {
            method: "GET".into(),
            url: uri.into(),
            headers,
            query: Default::default(),
            body: None,
            output: HttpOutput::Raw,
            redirect: true,
            authentication: authentication.cloned(),
        };
        let (wire, echo) = Wire::new(&request, "", exposure)?;
        let answer = self.send(wire, true, authentication, exposure, &echo.shown).await?;
        let unchanged = !known.is_empty() && answer.status == StatusCode::NOT_MODIFIED;
        if answer.status.is_success() || unchanged { Ok(answer) } else { Err(refused(&answer, &echo.shown)) }
    }

    /// Sends until there is an answer that is neither a redirect to follow nor a challenge to meet.
    async fn send(
        &self,
        mut wire: Wire,
        follow: bool,
        authentication: Option<&Authentication>,
        exposure: &mut Exposure<'_>,
        shown: &str,
    ) -> Result<Answer, WorkflowError> {
        let mut credentials = self.authenticator.prepare(authentication, exposure).await?;
        let (mut redirects, mut challenged) = (0, false);
        loop {
            if let Some(value) = credentials.header(&self.authenticator, &wire.method, &wire.url) {
                wire.headers.insert(AUTHORIZATION, value);
            }
            let answer = self.transport.exchange(wire.request(), shown).await?;
            if answer.status == StatusCode::UNAUTHORIZED
                && !challenged
                && credentials.meet(&self.authenticator, &wire.url, &answer, exposure).await?
            {
                challenged = true;
                continue;
            }
            if !follow || redirects == MAX_REDIRECTS {
                return Ok(answer);
            }
            let Some(next) = target(&wire.url, &answer) else { return Ok(answer) };
            redirects += 1;
            if next.origin() != wire.url.origin() {
                if wire.secret_body && keeps_body(answer.status) {
                    let detail = format!(
                        "{shown} leads to another server, which is not given the secrets of the body"
                    );
                    return Err(error::communication(answer.status.as_u16(), detail));
                }
                credentials.forget();
                strip(&mut wire);
            }
            redirect(&mut wire, answer.status, next);
        }
    }
}

/// Where an answer leads to, if it does and it can be followed.
fn target(from: &Url, answer: &Answer) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = from.join(answer.header(LOCATION.as_str())?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

fn keeps_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

/// Takes away what another server must not see.
fn strip(wire: &mut Wire) {
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
        wire.headers.remove(name);
    }
    let secret: Vec<_> =
        wire.headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in secret {
        wire.headers.remove(name);
    }
}

/// Follows as RFC 9110 section 15.4 says, and browsers do.
fn redirect(wire: &mut Wire, status: StatusCode, next: Url) {
    let becomes_get = match status.as_u16() {
        301 | 302 => wire.method == Method::POST,
        303 => wire.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        wire.method = Method::GET;
        (wire.body, wire.secret_body) = (None, false);
        wire.headers.remove(CONTENT_TYPE);
        wire.headers.remove(CONTENT_LENGTH);
    }
    wire.url = next;
}

fn refused(answer: &Answer, shown: &str) -> WorkflowError {
    let status = answer.status;
    let detail = format!("{shown} answered {status}{}", excerpt(&answer.headers, &answer.body));
    error::communication(status.as_u16(), detail)
}
