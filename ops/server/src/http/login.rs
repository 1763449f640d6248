//! Logging in and out in a browser: `POST /login`, `POST /logout`, `GET /session`.

use axum::{
    Extension,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use openclaw_gateway::{
    access::{Login, LoginError, Proof},
    rpc::{Caller, methods::user::Password},
};
use openclaw_model::access::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shell, answer, cookie, peer::Peer};

/// Bytes of a login at most.
const MAX_BODY: usize = 8 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    user: String,
    password: Password,
}

/// Begins a session: takes `{"user": ..., "password": ...}` and sets the cookie.
pub(super) async fn log_in(Extension(shell): Extension<Shell>, request: Request) -> Response {
    let Some(access) = shell.gate.access() else { return answer::not_found().await };
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        let message = "the content type must be application/json";
        return answer::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "OC-USR-007", message);
    }
    // Another page must not log its visitor in as somebody else.
    if cookie::is_same_origin(&parts.headers).is_none() {
        return answer::refuse(StatusCode::FORBIDDEN, "OC-ACC-003", "log in from the server's own page");
    }
    let Some(Credentials { user, password }) = credentials(body).await else {
        let message = "send {\"user\": ..., \"password\": ...}";
        return answer::refuse(StatusCode::BAD_REQUEST, "OC-USR-007", message);
    };
    match access.log_in(&user, password.reveal(), Peer::address(&parts.extensions)).await {
        Ok(Login { cookie, lasts, account }) => {
            let body = json!({
                "user": user, "role": account.role, "namespaces": account.namespaces, "groups": account.groups,
            });
            with_cookie(json_answer(&body), cookie::set(&parts.headers, &cookie, lasts))
        }
        Err(LoginError::Wrong) => {
            answer::refuse(StatusCode::UNAUTHORIZED, "OC-USR-005", "user or password is wrong")
        }
        Err(LoginError::TooMany { retry_after }) => {
            let message = "too many attempts, try again later";
            answer::retry(StatusCode::TOO_MANY_REQUESTS, "OC-USR-006", message, retry_after)
        }
        Err(LoginError::Unusable(reason)) => {
            tracing::error!(code = "OC-AUTH-003", reason, "nobody can log in");
            let message = "passwords cannot be checked; the server's log says why";
            answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "OC-AUTH-003", message)
        }
        Err(LoginError::Refused(refused)) => unavailable(&refused),
    }
}

/// Ends the session of the cookie and takes the cookie back.
pub(super) async fn log_out(
    Extension(shell): Extension<Shell>,
    Extension(proof): Extension<Proof>,
    headers: HeaderMap,
) -> Response {
    let Some(access) = shell.gate.access() else { return answer::not_found().await };
    match access.log_out(&proof).await {
        Ok(()) => with_cookie(StatusCode::NO_CONTENT.into_response(), cookie::none(&headers)),
        Err(refused) => unavailable(&refused),
    }
}

/// Says who the caller is, and what they may do.
pub(super) async fn who(
    Extension(shell): Extension<Shell>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let account = caller
        .person
        .as_ref()
        .and_then(|person| Some((person, shell.gate.access()?.account(&person.name)?)))
        .map_or(Value::Null, |(person, account)| {
            let (role, namespaces, groups): (Role, _, _) = (account.role, account.namespaces, account.groups);
            json!({ "name": person.name, "role": role, "namespaces": namespaces, "groups": groups })
        });
    json_answer(&json!({ "actor": caller.actor.0, "scopes": *caller.grants, "user": account }))
}

async fn credentials(body: Body) -> Option<Credentials> {
    let body = Limited::new(body, MAX_BODY).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn json_answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn unavailable(refused: &openclaw_gateway::sequencer::Refused) -> Response {
    answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "OC-USR-008", &refused.to_string())
}
