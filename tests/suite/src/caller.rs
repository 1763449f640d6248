//! Calls as bytes on the wire, where the typed client would be too polite: without retries, and with whatever body.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Longer than anything that is waited for in a test.
const PATIENCE: Duration = Duration::from_secs(90);

/// Calls one server. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Caller {
    http: reqwest::Client,
    base: Arc<str>,
    token: Arc<str>,
}

impl Caller {
    /// A caller of the server at `base`.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn new(base: &str, token: &str) -> Self {
        // Fails only if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client without TLS can be made");
        Self { http, base: base.into(), token: token.into() }
    }

    /// The server's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The server's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    /// A request without the token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// POSTs `body` as JSON, whatever it is. Answers the status and the body's text.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, path: &str, body: impl Into<String>) -> reqwest::Result<(u16, String)> {
        let request =
            self.request(Method::POST, path).header("content-type", "application/json").body(body.into());
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Calls a method once. Answers its result, or its error object.
    ///
    /// # Errors
    /// When no answer came, or the answer is no JSON-RPC.
    pub async fn call(
        &self,
        method: &str,
        params: &Value,
        key: Option<&str>,
    ) -> Result<Result<Value, Value>, String> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self.request(Method::POST, "/rpc").header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.body(body.to_string()).send().await.map_err(|error| error.to_string())?;
        let text = response.text().await.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        match (answer.get_mut("result").map(Value::take), answer.get_mut("error").map(Value::take)) {
            (Some(result), None) => Ok(Ok(result)),
            (None, Some(error)) => Ok(Err(error)),
            _ => Err(format!("neither result nor error: {text}")),
        }
    }

    /// The text of `path` with its status.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.request(Method::GET, path).send().await.expect("the server answers");
        (response.status().as_u16(), response.text().await.expect("the answer is text"))
    }
}
