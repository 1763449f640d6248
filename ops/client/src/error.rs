//! What can go wrong between here and the server.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or the token cannot be used.
    #[error("{0}")]
    Config(String),
    /// No answer came: the server could not be reached, or the connection broke.
    #[error("no answer from the server at {url}")]
    Transport {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not know the token.
    #[error("the server refused the token")]
    Unauthorized,
    /// The server answered with a status that has nothing to do with the request's content.
    #[error("the server answered HTTP {status}: {body}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The answer is not what the protocol says.
    #[error("the answer makes no sense: {0}")]
    Protocol(String),
    /// The server refused the command.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The server refused the query; the first error is shown.
    #[error("{}", .0.first().map_or("the query was refused", |error| error.message.as_str()))]
    Graphql(Vec<GraphqlError>),
    /// The server closed a subscription.
    #[error("the subscription was closed with {code}: {reason}")]
    Closed {
        /// The WebSocket close code.
        code: u16,
        /// The server's words.
        reason: String,
    },
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// The JSON-RPC error code.
    pub code: i32,
    /// For people.
    pub message: String,
    /// For programs: `code` and what belongs to it.
    #[serde(default)]
    pub data: Value,
}

impl RpcError {
    /// The coded error, for example `OC-CMD-001`.
    #[must_use]
    pub fn oc_code(&self) -> Option<&str> {
        self.data["code"].as_str()
    }

    /// Everything a person needs: message, place and hint.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = match self.oc_code() {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        };
        let data = |name: &str| self.data[name].as_str().filter(|text| !text.is_empty());
        for part in [data("field"), data("reason"), data("hint")].into_iter().flatten() {
            if !text.contains(part) {
                text.push_str(": ");
                text.push_str(part);
            }
        }
        for problem in self.data["problems"].as_array().into_iter().flatten() {
            let part = |name: &str| problem[name].as_str().unwrap_or_default();
            let place = if part("path").is_empty() { "the document" } else { part("path") };
            text.push_str(&format!("\n  {} at {place}: {}", part("code"), part("message")));
            if let Some(suggestion) = problem["suggestion"].as_str() {
                text.push_str(&format!(" ({suggestion})"));
            }
        }
        text
    }
}

/// An entry of a GraphQL response's `errors`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GraphqlError {
    /// For people.
    pub message: String,
    /// Where in the answer.
    #[serde(default)]
    pub path: Vec<Value>,
    /// For programs: `code` and what belongs to it.
    #[serde(default)]
    pub extensions: Value,
}

impl Error {
    /// Whether the server could not be reached at all.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// How long to wait before trying again, if the server said that it is busy.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rpc(error) if error.code == -32009 => {
                Some(Duration::from_millis(error.data["retryAfterMs"].as_u64().unwrap_or(250)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_names_every_problem_once() {
        let error = RpcError {
            code: -32602,
            message: "Invalid params".into(),
            data: json!({
                "code": "OC-WF-010",
                "field": "definition",
                "problems": [{ "code": "OC-WF-010", "path": "/do/0", "message": "unknown field", "suggestion": "set" }],
            }),
        };
        assert_eq!(
            error.explain(),
            "OC-WF-010: Invalid params: definition\n  OC-WF-010 at /do/0: unknown field (set)"
        );
    }
}
