//! Every error of the JSON-RPC surface and the code it is answered with. The only file that knows the numbers.
//!
//! The codes -32000 to -32011 are left to jsonrpsee's meanings (types/src/error.rs there), of which "response too
//! large" and "busy" are used with that meaning. Ours begin at -32020.

use std::{borrow::Cow, time::Duration};

use jsonrpsee::types::ErrorObjectOwned;
use openclaw_model::Version;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a call was refused. The display text is for people; programs read [`Error::code`] and the `code` in
/// [`Error::data`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The text is not JSON. `OC-RPC-001`.
    #[error("the request is not JSON")]
    Parse,
    /// The JSON is not a request, or the transport does not take it. `OC-RPC-002`.
    #[error("{0}")]
    InvalidRequest(InvalidRequest),
    /// There is no such method. `OC-RPC-003`.
    #[error("there is no method `{0}`; `rpc.discover` lists them")]
    MethodNotFound(String),
    /// A parameter is missing, unknown, or not what it should be. `OC-RPC-004`.
    #[error("{field}: {reason}")]
    InvalidParams {
        /// Path of the parameter, for example `workflow.name`; empty for the parameters as a whole.
        field: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right, where that can be said.
        hint: Option<String>,
    },
    /// A workflow document does not load. The first problem's code is the error's.
    #[error("the workflow definition has {} problem(s)", problems.len())]
    InvalidDefinition {
        /// What is wrong, in document order. Not empty.
        problems: Vec<DefinitionProblem>,
    },
    /// Something went wrong here; the server's log says what. `OC-RPC-005`.
    #[error("internal error")]
    Internal,
    /// The result is larger than the transport answers; ask for it over GraphQL. `OC-RPC-006`.
    #[error("the result is larger than {limit} bytes")]
    ResponseTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// As many calls as allowed are in flight; nothing was done. `OC-RPC-007`.
    #[error("busy, try again later")]
    Busy {
        /// How long to wait at least.
        retry_after: Duration,
    },
    /// The caller has as many calls in flight, or has made as many within a second, as one caller may; nothing was
    /// done. `OC-RPC-008`.
    #[error("more than one caller may ask, try again later")]
    Limited {
        /// How long to wait at least.
        retry_after: Duration,
    },
    /// The stream is not at the version that the command expected; nothing was done. `OC-CMD-001`.
    #[error("the stream is at version {actual}, not at the expected one")]
    Conflict {
        /// Where it is.
        actual: Version,
    },
    /// The idempotency key was used before, for a command with other content. `OC-CMD-002`.
    #[error("the idempotency key was used for another command")]
    KeyReused,
    /// The command is not possible in the present state, for example a message to a session that has ended.
    #[error("{reason}")]
    Rejected {
        /// The rejection's own code.
        code: Cow<'static, str>,
        /// Why.
        reason: String,
    },
    /// The log takes no appends since a storage error; nothing was done. `OC-LOG-002`.
    #[error("the server is read-only: {reason}")]
    ReadOnly {
        /// The storage error.
        reason: String,
    },
    /// What the command is about does not exist. `OC-CMD-003`.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// For example `run`.
        what: &'static str,
        /// As the caller named it.
        id: String,
    },
    /// The server is stopping; nothing was done. `OC-CMD-004`.
    #[error("the server is stopping")]
    Stopping,
    /// The caller may not do this, in no namespace. `OC-ACC-001`.
    #[error("the caller may not do this; it needs the scope `{needs}`")]
    Forbidden {
        /// The scope that is missing.
        needs: String,
    },
}

/// Why a JSON text is not a request that the transport takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// Neither a request object nor a batch of them.
    #[error("a request is an object")]
    NotAnObject,
    /// `jsonrpc` is missing or wrong.
    #[error("`jsonrpc` must be \"2.0\"")]
    Version,
    /// `id` has the wrong type.
    #[error("`id` must be a string, a number or null")]
    IdType,
    /// `id` is too long.
    #[error("`id` is longer than 128 bytes")]
    IdTooLong,
    /// `method` is missing, no string, or too long.
    #[error("`method` must be a string of at most 64 bytes")]
    Method,
    /// `params` is a scalar.
    #[error("`params` must be an object or an array")]
    ParamsType,
    /// A batch without calls.
    #[error("a batch has at least one call")]
    EmptyBatch,
    /// A batch with too many calls.
    #[error("a batch has at most {0} calls")]
    BatchTooLarge(usize),
    /// Nested too deep.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// A key stands twice in one object.
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
    /// The header that belongs to one call came with many.
    #[error(
        "the header Idempotency-Key belongs to a single call; in a batch use the parameter idempotencyKey"
    )]
    KeyWithBatch,
    /// Body or message too large.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The body broke off or came too slowly.
    #[error("the body did not arrive whole")]
    BodyBrokeOff,
    /// Not `application/json`.
    #[error("the content type must be application/json")]
    ContentType,
    /// Not a CloudEvent in any of the three modes.
    #[error(
        "the content type must be application/cloudevents+json or application/cloudevents-batch+json, or the header \
         ce-specversion must be there"
    )]
    NoCloudEvent,
    /// Not POST, and no WebSocket handshake.
    #[error("call with POST, or open a WebSocket")]
    HttpMethod,
}

/// One problem of a workflow document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefinitionProblem {
    /// Its code, `OC-WF-...`.
    pub code: Cow<'static, str>,
    /// JSON pointer to the place in the document; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Line in the text, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the text, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// A kind of error, as `rpc.discover` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The JSON-RPC error code.
    pub number: i32,
    /// The coded error in `data.code`; for kinds with codes of their own the prefix.
    pub code: &'static str,
    /// The `message` for the standard errors; a title for the others.
    pub title: &'static str,
    /// Value of the label `outcome` in the metrics.
    pub outcome: &'static str,
}

macro_rules! kinds {
    ($($name:ident = ($number:literal, $code:literal, $title:literal, $outcome:literal);)*) => {
        impl Kind {
            $(#[doc = $title] pub const $name: Self = Self {
                number: $number, code: $code, title: $title, outcome: $outcome,
            };)*
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    PARSE = (-32700, "OC-RPC-001", "Parse error", "parse_error");
    INVALID_REQUEST = (-32600, "OC-RPC-002", "Invalid Request", "invalid_request");
    METHOD_NOT_FOUND = (-32601, "OC-RPC-003", "Method not found", "method_not_found");
    INVALID_PARAMS = (-32602, "OC-RPC-004", "Invalid params", "invalid_params");
    INVALID_DEFINITION = (-32602, "OC-WF-", "Invalid params", "invalid_definition");
    INTERNAL = (-32603, "OC-RPC-005", "Internal error", "internal_error");
    RESPONSE_TOO_LARGE = (-32008, "OC-RPC-006", "Response too large", "response_too_large");
    BUSY = (-32009, "OC-RPC-007", "Busy", "busy");
    LIMITED = (-32009, "OC-RPC-008", "Limited", "limited");
    CONFLICT = (-32020, "OC-CMD-001", "Version conflict", "conflict");
    KEY_REUSED = (-32021, "OC-CMD-002", "Idempotency key reused", "key_reused");
    REJECTED = (-32022, "OC-", "Rejected", "rejected");
    READ_ONLY = (-32023, "OC-LOG-002", "Read-only", "read_only");
    NOT_FOUND = (-32024, "OC-CMD-003", "Not found", "not_found");
    STOPPING = (-32025, "OC-CMD-004", "Stopping", "stopping");
    FORBIDDEN = (-32026, "OC-ACC-001", "Forbidden", "forbidden");
}

impl Error {
    /// An [`Error::InvalidParams`] about one parameter.
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidParams { field: field.into(), reason: reason.into(), hint: None }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Parse => Kind::PARSE,
            Self::InvalidRequest(_) => Kind::INVALID_REQUEST,
            Self::MethodNotFound(_) => Kind::METHOD_NOT_FOUND,
            Self::InvalidParams { .. } => Kind::INVALID_PARAMS,
            Self::InvalidDefinition { .. } => Kind::INVALID_DEFINITION,
            Self::Internal => Kind::INTERNAL,
            Self::ResponseTooLarge { .. } => Kind::RESPONSE_TOO_LARGE,
            Self::Busy { .. } => Kind::BUSY,
            Self::Limited { .. } => Kind::LIMITED,
            Self::Conflict { .. } => Kind::CONFLICT,
            Self::KeyReused => Kind::KEY_REUSED,
            Self::Rejected { .. } => Kind::REJECTED,
            Self::ReadOnly { .. } => Kind::READ_ONLY,
            Self::NotFound { .. } => Kind::NOT_FOUND,
            Self::Stopping => Kind::STOPPING,
            Self::Forbidden { .. } => Kind::FORBIDDEN,
        }
    }

    /// The JSON-RPC error code.
    #[must_use]
    pub const fn code(&self) -> i32 {
        self.kind().number
    }

    /// How long to wait before asking again, where that is what the error says.
    #[must_use]
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } | Self::Limited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// What the error object carries in `data`: always `code`, and what a program needs to react.
    #[must_use]
    pub fn data(&self) -> Value {
        let code = self.kind().code;
        match self {
            Self::InvalidRequest(reason) => json!({ "code": code, "reason": reason.to_string() }),
            Self::InvalidParams { field, reason, hint } => {
                let mut data = json!({ "code": code, "field": field, "reason": reason });
                if let Some(hint) = hint {
                    data["hint"] = json!(hint);
                }
                data
            }
            Self::InvalidDefinition { problems } => {
                let code =
                    problems.first().map_or(Cow::Borrowed("OC-WF-000"), |problem| problem.code.clone());
                json!({ "code": code, "field": "definition", "problems": problems })
            }
            Self::Busy { retry_after } | Self::Limited { retry_after } => {
                let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                json!({ "code": code, "retryAfterMs": millis })
            }
            Self::Conflict { actual } => json!({ "code": code, "actualVersion": actual }),
            Self::Rejected { code, .. } => json!({ "code": code }),
            Self::ReadOnly { reason } => json!({ "code": code, "reason": reason }),
            Self::NotFound { what, id } => json!({ "code": code, "what": what, "id": id }),
            Self::Forbidden { needs } => json!({ "code": code, "needs": needs }),
            Self::MethodNotFound(_)
            | Self::Parse
            | Self::Internal
            | Self::ResponseTooLarge { .. }
            | Self::KeyReused
            | Self::Stopping => json!({ "code": code }),
        }
    }

    /// The specification's own words for its five errors, ours for the others.
    fn message(&self) -> String {
        match self.code() {
            -32700 | -32603..=-32600 => self.kind().title.to_owned(),
            _ => self.to_string(),
        }
    }
}

impl From<Error> for ErrorObjectOwned {
    fn from(error: Error) -> Self {
        Self::owned(error.code(), error.message(), Some(error.data()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_do_not_collide_with_those_of_jsonrpsee() {
        for kind in Kind::ALL {
            let borrowed = [Kind::RESPONSE_TOO_LARGE.number, Kind::BUSY.number].contains(&kind.number);
            assert!(borrowed || !(-32011..=-32000).contains(&kind.number), "{kind:?}");
            assert!((-32768..=-32000).contains(&kind.number), "{kind:?}");
        }
    }

    #[test]
    fn an_internal_error_says_nothing_about_its_cause() {
        let object = ErrorObjectOwned::from(Error::Internal);
        assert_eq!((object.code(), object.message()), (-32603, "Internal error"));
        assert_eq!(object.data().expect("data").get(), r#"{"code":"OC-RPC-005"}"#);
    }
}
