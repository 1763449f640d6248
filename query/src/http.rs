//! GraphQL over HTTP: one question per POST, as JSON.

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response, ServerError, Value, Variables};
use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response as HttpResponse},
    routing::any,
};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Deps, QuerySchema,
    caller::{Authenticate, Caller},
    door::{Ask, Door, Unguarded},
    fault::{self, Code},
    guard, metrics, schema, ws,
};

/// Bytes of a request's body.
const MAX_BODY: usize = 64 << 10;

/// Bytes of a body that are read at most before it is refused.
const MAX_DRAINED: usize = 4 << 20;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) schema: QuerySchema,
    pub(crate) deps: Arc<Deps>,
    pub(crate) authenticate: Authenticate,
    pub(crate) door: Arc<dyn Door>,
}

/// Routes `/graphql` (POST) and `/graphql/ws` (WebSocket, `graphql-transport-ws`).
///
/// A layer outside puts a [`Caller`] into the extensions of a request; without one, `/graphql` answers 401. A
/// WebSocket may come without, and is then authenticated by `authenticate`: from its `Authorization` header, or from
/// the payload `{"authorization": "Bearer ..."}` of `connection_init`.
pub fn router(deps: Deps, authenticate: Authenticate) -> Router {
    guarded_router(deps, authenticate, Arc::new(Unguarded))
}

/// As [`router`], and each caller may take what `door` gives it: more is answered 429 with `Retry-After` over HTTP,
/// and as an error of the operation over WebSocket.
pub fn guarded_router(deps: Deps, authenticate: Authenticate, door: Arc<dyn Door>) -> Router {
    metrics::describe();
    let served = Served { schema: schema(deps.clone()), deps: Arc::new(deps), authenticate, door };
    Router::new().route("/graphql", any(answer)).route("/graphql/ws", any(ws::upgrade)).with_state(served)
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Question {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Variables>,
    /// Allowed by the protocol; nothing here reads it.
    #[serde(default, rename = "extensions")]
    _extensions: Option<serde::de::IgnoredAny>,
}

async fn answer(
    State(served): State<Served>,
    caller: Option<Extension<Caller>>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    let began = Instant::now();
    let mut outcome = "ok".to_owned();
    let response = match question(caller, &method, &headers, body).await {
        Ok((caller, question)) => {
            let _place = match served.door.take(&caller, Ask::Question) {
                Ok(place) => place,
                Err(wait) => {
                    metrics::answered(Code::Limited.as_str().to_owned(), began.elapsed());
                    return later(wait);
                }
            };
            let mut response = match question.admit(caller) {
                Ok(request) => served.schema.execute(request).await,
                Err(error) => Response::from_errors(vec![error]),
            };
            if let Some(code) = finish(&served.deps, &mut response) {
                outcome = code;
            }
            json(StatusCode::OK, &response)
        }
        Err((status, code, message)) => {
            code.as_str().clone_into(&mut outcome);
            let mut response = json(status, &Response::from_errors(vec![code.server_error(message)]));
            if status == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            }
            response
        }
    };
    metrics::answered(outcome, began.elapsed());
    response
}

/// The answer to a caller that has to wait.
pub(crate) fn later(wait: Duration) -> HttpResponse {
    let mut response =
        json(StatusCode::TOO_MANY_REQUESTS, &Response::from_errors(vec![fault::limited(wait)]));
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    if let Ok(seconds) = seconds.parse() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Why there is no body.
enum Unread {
    TooLarge,
    Broken,
}

/// The body of a request. Of one that is too large the rest is taken off the connection too, within bounds: a caller
/// that is still sending would otherwise meet a broken connection in place of the answer.
async fn read(mut body: Body) -> Result<Vec<u8>, Unread> {
    let (mut taken, mut total) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        total += data.len();
        if total > MAX_DRAINED {
            break;
        }
        if total <= MAX_BODY {
            taken.extend_from_slice(&data);
        }
    }
    if total > MAX_BODY { Err(Unread::TooLarge) } else { Ok(taken) }
}

type Refusal = (StatusCode, Code, String);

async fn question(
    caller: Option<Extension<Caller>>,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Caller, Question), Refusal> {
    let refuse = |status, code, message: &str| (status, code, message.to_owned());
    let Some(Extension(caller)) = caller else {
        return Err(refuse(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "a token is needed"));
    };
    if method != Method::POST {
        return Err(refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::MethodNotAllowed,
            "questions are asked by POST",
        ));
    }
    // A browser sends other types across sites without asking; this one it does not.
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let message = "the content type must be application/json";
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, message));
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            let message = format!("the body has more than {MAX_BODY} bytes");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message));
        }
        Err(Unread::Broken) => {
            return Err(refuse(StatusCode::BAD_REQUEST, Code::BadRequest, "the body could not be read"));
        }
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(refuse(StatusCode::BAD_REQUEST, Code::BatchRefused, "one question at a time"));
    }
    let question = serde_json::from_slice(&body).map_err(|error| {
        (StatusCode::BAD_REQUEST, Code::BadRequest, format!("the body is no question: {error}"))
    })?;
    Ok((caller, question))
}

impl Question {
    /// Holds it against the limits.
    pub(crate) fn inspect(self) {
        let _ = guard::admit(&self.query, &self.variables.unwrap_or_default());
    }

    /// The question as a request, if it is within the limits.
    pub(crate) fn admit(self, caller: Caller) -> Result<Request, ServerError> {
        let variables = self.variables.unwrap_or_default();
        let document = guard::admit(&self.query, &variables)?;
        let mut request = Request::new(self.query).variables(variables).data(caller);
        if let Some(name) = self.operation_name {
            request = request.operation_name(name);
        }
        request.set_parsed_query(document);
        Ok(request)
    }
}

/// Says how current the answer is, gives every error a code, and returns the first one.
pub(crate) fn finish(deps: &Deps, response: &mut Response) -> Option<String> {
    let progress = deps.views.progress().against(deps.history.head().position);
    response.extensions.insert("position".to_owned(), Value::from(progress.position.to_string()));
    response.extensions.insert("status".to_owned(), Value::from(progress.status.as_str()));
    let codes: Vec<String> = response.errors.iter_mut().map(fault::code_of).collect();
    codes.into_iter().next()
}

fn json(status: StatusCode, response: &Response) -> HttpResponse {
    let body = serde_json::to_vec(response).expect("an answer has string keys only and always serialises");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}
