//! One attempt to deliver one event.

use std::{collections::BTreeSet, error::Error};

use openclaw_core::webhook::Target;
use openclaw_egress::{Clients, Gate, Options, SendError};
use openclaw_model::{Timestamp, namespace};
use openclaw_ports::secrets::{Error as SecretError, Handle, Revealed, Secrets, Use};
use reqwest::{Method, Request, Url, header, header::HeaderMap};

use super::{Limits, signature::sign};

/// How much of an answer is read, so that the connection can be used again; more is left, and the connection closed.
const ANSWER_BYTES: usize = 64 << 10;

/// Sends events. Makes its connections at the first of them.
#[derive(Debug)]
pub(super) struct Sender {
    clients: Clients,
}

/// An event on its way.
pub(super) struct Message<'a> {
    /// The same at every attempt.
    pub(super) id: String,
    /// The CloudEvent as JSON text.
    pub(super) body: String,
    pub(super) target: &'a Target,
    /// Name of the webhook, with its namespace.
    pub(super) webhook: &'a str,
}

impl Sender {
    /// Sends through `gate`. A redirect is no delivery: the event would go to somebody whom nobody registered.
    pub(super) fn new(gate: Gate, limits: Limits) -> Self {
        let options = Options { connect: limits.timeout, total: limits.timeout, http2: false };
        Self { clients: Clients::new(gate, options) }
    }

    /// Sends `message` once.
    ///
    /// # Errors
    /// Why it was not taken, in a line that holds no secret.
    pub(super) async fn send(
        &self,
        message: &Message<'_>,
        secrets: &dyn Secrets,
        now: Timestamp,
    ) -> Result<(), String> {
        let key = key(message, secrets).await.map_err(|error| error.to_string())?;
        let seconds = now.as_millis() / 1_000;
        let signature = sign(key.expose(), &message.id, seconds, &message.body);
        let url = Url::parse(&message.target.url).map_err(|error| error.to_string())?;
        let mut request = Request::new(Method::POST, url);
        let own = [
            ("content-type", "application/cloudevents+json; charset=utf-8"),
            ("webhook-id", &message.id),
            ("webhook-timestamp", &seconds.to_string()),
            ("webhook-signature", &signature),
        ];
        let others = message.target.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(others) {
            append(request.headers_mut(), name, value)?;
        }
        *request.body_mut() = Some(message.body.clone().into());
        let answer = self.clients.send(request).await.map_err(|error| match error {
            SendError::Failed(error) => chain(error),
            other => other.to_string(),
        })?;
        let status = answer.status();
        drain(answer).await;
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {}", status.as_u16())) }
    }
}

/// What signs deliveries. Its use is recorded.
async fn key(message: &Message<'_>, secrets: &dyn Secrets) -> Result<Revealed, SecretError> {
    let handle = Handle { name: message.target.secret.clone(), pointer: String::new() };
    let usage = Use { purpose: format!("webhook {}: signature", message.webhook), ..Use::default() };
    let namespace = namespace::of_name(message.webhook);
    let mut opened = secrets.open(namespace, BTreeSet::from([handle.clone()]), usage).await;
    opened.remove(&handle).unwrap_or_else(|| Err(SecretError::Missing(handle.name)))
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let unsendable = || format!("the header {name:?} cannot be sent");
    let sent = header::HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
    headers.append(sent, header::HeaderValue::from_str(value).map_err(|_| unsendable())?);
    Ok(())
}

async fn drain(mut answer: reqwest::Response) {
    let mut left = ANSWER_BYTES;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// An error with its causes.
fn chain(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
