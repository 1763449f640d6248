//! The token at the door.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use openclaw_gateway::rpc;
use openclaw_model::{Actor, access::Grants};

use super::answer::refuse;
use crate::token::Token;

/// The one path where the token may come later: a browser cannot set headers on a WebSocket, so the query side asks
/// for it in the first message and closes the socket if it does not come.
const LATE: &str = "/graphql/ws";

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Name of the token.
    pub(crate) name: &'static str,
}

impl Identity {
    /// As the events will name it.
    #[must_use]
    pub(crate) fn actor(&self) -> Actor {
        Actor(format!("token:{}", self.name).into())
    }
}

/// Decides who may come in.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    token: Arc<Token>,
}

impl Gate {
    /// Lets in whoever has `token`.
    #[must_use]
    pub(crate) fn new(token: Token) -> Self {
        Self { token: Arc::new(token) }
    }

    /// Who the value of an `Authorization` header is.
    #[must_use]
    pub(crate) fn decide(&self, authorization: Option<&str>) -> Option<Identity> {
        self.token.admits(authorization?).then_some(Identity { name: "operator" })
    }

    /// Who sent these headers. More than one `Authorization` is nobody.
    fn identify(&self, headers: &HeaderMap) -> Option<Identity> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { self.decide(value.to_str().ok()) }
    }
}

/// Lets a request in, with its caller in the extensions, or answers 401.
pub(super) async fn require(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match gate.identify(request.headers()) {
        Some(identity) => {
            let extensions = request.extensions_mut();
            let grants = Arc::new(Grants::all());
            let actor = identity.actor();
            let name = actor.0.clone().into_owned();
            extensions.insert(openclaw_query::Caller { name, grants: grants.clone() });
            extensions.insert(rpc::Caller { actor, grants, person: None });
            extensions.insert(identity);
            next.run(request).await
        }
        None if request.uri().path() == LATE && !request.headers().contains_key(header::AUTHORIZATION) => {
            next.run(request).await
        }
        None => {
            let mut response = refuse(
                StatusCode::UNAUTHORIZED,
                "OC-HTTP-001",
                "send the token of DIR/token as `Authorization: Bearer TOKEN`",
            );
            let challenge = HeaderValue::from_static("Bearer realm=\"openclaw\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
    }
}
