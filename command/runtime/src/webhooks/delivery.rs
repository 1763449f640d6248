//! One attempt to deliver one event.

use std::{error::Error, sync::OnceLock};

use openclaw_core::webhook::Target;
use openclaw_model::Timestamp;
use openclaw_ports::secrets::{Handle, Secrets};
use reqwest::{Client, header, redirect};

use super::{Limits, signature::sign};

/// How much of an answer is read, so that the connection can be used again; more is left, and the connection closed.
const ANSWER_BYTES: usize = 64 << 10;

/// Sends events. Makes its connections at the first of them.
#[derive(Debug)]
pub(super) struct Sender {
    limits: Limits,
    client: OnceLock<Result<Client, String>>,
}

/// An event on its way.
pub(super) struct Message<'a> {
    /// The same at every attempt.
    pub(super) id: String,
    /// The CloudEvent as JSON text.
    pub(super) body: String,
    pub(super) target: &'a Target,
}

impl Sender {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, client: OnceLock::new() }
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
        let client = self.client.get_or_init(|| connect(&self.limits)).as_ref().map_err(Clone::clone)?;
        let handle = Handle { name: message.target.secret.clone(), pointer: String::new() };
        let key = secrets.reveal(&handle).map_err(|error| error.to_string())?;
        let seconds = now.as_millis() / 1_000;
        let signature = sign(key.expose(), &message.id, seconds, &message.body);
        let mut request = client
            .post(&message.target.url)
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature);
        for (name, value) in &message.target.headers {
            request = request.header(name, value);
        }
        let answer =
            request.body(message.body.clone()).send().await.map_err(|error| chain(error.without_url()))?;
        let status = answer.status();
        drain(answer).await;
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {}", status.as_u16())) }
    }
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

/// A redirect is no delivery: the event would go to somebody whom nobody registered.
fn connect(limits: &Limits) -> Result<Client, String> {
    Client::builder()
        .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")))
        .timeout(limits.timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| format!("no HTTP client can be made: {}", chain(error)))
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
