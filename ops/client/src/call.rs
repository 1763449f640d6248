//! One connection pool, one call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Response, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Error, RpcError, tls::Trust};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// More than the longest time that a call may ask the server to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(330);
/// Time for all of a download.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// How long to wait before each repetition of a request that nobody answered.
const RETRIES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_600)];

/// A client of one server. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: String,
    token: String,
    trust: Trust,
    next_id: AtomicU64,
}

impl std::fmt::Debug for Client {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url`, for example `http://127.0.0.1:7710`. Connects only when it is used.
    ///
    /// Installs ring as the process's TLS provider if there is none yet.
    ///
    /// # Errors
    /// [`Error::Config`] if the address is no http or https URL or the token cannot stand in a header.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        Self::with_trust(url, token, Trust::System)
    }

    /// As [`Client::new`], and of all authorities only those whose certificates are in `pem` are trusted. A certificate
    /// that signed itself is its own authority.
    ///
    /// # Errors
    /// As [`Client::new`]; and if there is no certificate in `pem`.
    pub fn trusting(url: &str, token: &str, pem: &[u8]) -> Result<Self, Error> {
        Self::with_trust(url, token, Trust::only(pem)?)
    }

    fn with_trust(url: &str, token: &str, trust: Trust) -> Result<Self, Error> {
        let base = url.trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&base).map_err(|error| Error::Config(format!("{url}: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(Error::Config(format!("{url} is not an http or https address")));
        }
        let mut bearer = header::HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::Config("the token has characters that no token has".to_owned()))?;
        bearer.set_sensitive(true);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let http = trust
            .apply(reqwest::Client::builder())?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // The server is usually on this machine, where a proxy of the environment would only be in the way.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .default_headers([(header::AUTHORIZATION, bearer)].into_iter().collect())
            .build()
            .map_err(|error| Error::Config(format!("no HTTP client: {error}")))?;
        Ok(Self {
            inner: Arc::new(Inner { http, base, token: token.to_owned(), trust, next_id: AtomicU64::new(1) }),
        })
    }

    /// The address it was made with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.base
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    pub(crate) fn token(&self) -> &str {
        &self.inner.token
    }

    /// Calls a method. With a key the call is repeated when no answer came; without one never, because nobody could
    /// know whether it was carried out.
    ///
    /// # Errors
    /// [`Error::Rpc`] if the server refused; the others if there was no proper answer.
    pub async fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
        key: Option<&str>,
    ) -> Result<R, Error> {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let params = serde_json::to_value(params).map_err(|error| Error::Protocol(error.to_string()))?;
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut headers = header::HeaderMap::new();
        if let Some(key) = key {
            let key = header::HeaderValue::from_str(key)
                .map_err(|_| Error::Config("the idempotency key is not visible ASCII".to_owned()))?;
            headers.insert("idempotency-key", key);
        }
        let answer = self.post_json("/rpc", &body, headers, key.is_some()).await?;
        outcome(&answer, id)
    }

    /// Asks for `path`, which may be as long as it likes to come: with `GET`, or with `POST` and no body.
    ///
    /// # Errors
    /// [`Error::Status`] with the server's code and message if it refused.
    pub async fn download(&self, path: &str, post: bool) -> Result<Download, Error> {
        let url = format!("{}{path}", self.inner.base);
        let request = if post { self.inner.http.post(&url) } else { self.inner.http.get(&url) };
        let sent = request.timeout(DOWNLOAD_TIMEOUT).send().await;
        let response = sent.map_err(|error| Error::Transport { url: url.clone(), source: error.into() })?;
        if response.status().is_success() {
            return Ok(Download { response, url });
        }
        let status = response.status().as_u16();
        let answer = read(response, &url).await?;
        Err(Error::Status { status, body: answer.to_string() })
    }

    /// POSTs `body` and answers the JSON of the response. `repeatable` says whether sending it twice is harmless.
    pub(crate) async fn post_json(
        &self,
        path: &str,
        body: &Value,
        headers: header::HeaderMap,
        repeatable: bool,
    ) -> Result<Value, Error> {
        let url = format!("{}{path}", self.inner.base);
        let mut waits = if repeatable { RETRIES.as_slice() } else { &[] }.iter();
        loop {
            let sent = self.inner.http.post(&url).headers(headers.clone()).json(body).send().await;
            match sent {
                Ok(response) => return read(response, &url).await,
                Err(error) => match waits.next() {
                    Some(wait) if !error.is_timeout() => tokio::time::sleep(*wait).await,
                    _ => return Err(Error::Transport { url, source: error.into() }),
                },
            }
        }
    }
}

/// An answer that comes in pieces.
#[derive(Debug)]
pub struct Download {
    response: Response,
    url: String,
}

impl Download {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`Error::Transport`] when it was broken off before its end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.response.chunk().await;
        let piece =
            piece.map_err(|error| Error::Transport { url: self.url.clone(), source: error.into() })?;
        Ok(piece.map(Vec::from))
    }
}

/// The JSON of a response, whatever its status, or why there is none.
async fn read(response: Response, url: &str) -> Result<Value, Error> {
    let status = response.status();
    let is_json =
        response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
            |kind| kind.starts_with("application/json") || kind.starts_with("application/graphql-response"),
        );
    if status == StatusCode::UNAUTHORIZED {
        return Err(Error::Unauthorized);
    }
    let body = response
        .bytes()
        .await
        .map_err(|error| Error::Transport { url: url.to_owned(), source: error.into() })?;
    if is_json {
        let answer: Value =
            serde_json::from_slice(&body).map_err(|error| Error::Protocol(error.to_string()))?;
        // What is refused before it reaches a protocol has this form whatever the protocol.
        return match (status.is_success(), answer["code"].as_str(), answer["message"].as_str()) {
            (false, Some(code), Some(message)) => {
                Err(Error::Status { status: status.as_u16(), body: format!("{code}: {message}") })
            }
            _ => Ok(answer),
        };
    }
    let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    Err(Error::Status { status: status.as_u16(), body })
}

/// What a response object says.
fn outcome<R: DeserializeOwned>(answer: &Value, id: u64) -> Result<R, Error> {
    if let Some(error) = answer.get("error") {
        let error: RpcError =
            serde_json::from_value(error.clone()).map_err(|error| Error::Protocol(error.to_string()))?;
        return Err(Error::Rpc(error));
    }
    if answer["id"] != json!(id) {
        return Err(Error::Protocol("the answer is to another call".to_owned()));
    }
    let result =
        answer.get("result").ok_or_else(|| Error::Protocol("neither result nor error".to_owned()))?;
    R::deserialize(result).map_err(|error| Error::Protocol(error.to_string()))
}
