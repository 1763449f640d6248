//! Who may come in: whoever has a token, or the cookie of a session.
//!
//! Invariant: a request that is let in carries what its caller may do, from the server's own records; what it says of
//! itself counts for nothing.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use openclaw_gateway::{
    Access,
    access::{BOOTSTRAP, Identity, Proof, Validity},
    rpc,
};
use openclaw_model::{Actor, access::Grants};

use super::{answer::refuse, cookie, peer::Peer};
use crate::token::{self, Token};

/// The one path where the token may come later: a browser cannot set headers on a WebSocket, so the query side asks
/// for it in the first message and closes the socket if it does not come.
const LATE: &str = "/graphql/ws";

/// Decides who may come in.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    token: Arc<Token>,
    access: Option<Access>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// They did not say who they are.
    Nobody,
    /// They said it with a token that is none.
    Unknown,
    /// Their browser was asked to by another page, or may have been.
    Foreign,
}

impl Gate {
    /// Lets in whoever has `token`.
    #[must_use]
    pub(crate) fn new(token: Token) -> Self {
        Self { token: Arc::new(token), access: None }
    }

    /// Lets in those as well whom `access` knows.
    #[must_use]
    pub(crate) fn with(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// Tokens, users and sessions.
    pub(super) const fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// Who the value of an `Authorization` header is.
    #[must_use]
    pub(crate) fn decide(&self, authorization: &str, address: Option<IpAddr>) -> Option<Identity> {
        let given = token::bearer(authorization)?;
        if self.token.is(given) {
            let actor = Actor(format!("token:{BOOTSTRAP}").into());
            let caller = rpc::Caller { actor, grants: Arc::new(Grants::all()), person: None };
            return Some(Identity { caller, proof: Proof::Bootstrap });
        }
        self.access.as_ref()?.token(given, address)
    }

    /// Records that a token was shown that is none, where only that is known.
    pub(crate) fn unproven(&self) {
        if let Some(access) = &self.access {
            access.unproven(None, None);
        }
    }

    /// Who sent these headers. Whoever sends a token is that or nobody, whatever cookies come with it.
    fn identify(&self, request: &Request) -> Result<Identity, Refusal> {
        let (headers, address) = (request.headers(), Peer::address(request.extensions()));
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        if let Some(value) = values.next() {
            let alone = values.next().is_none();
            let text = value.to_str().ok().filter(|_| alone);
            return text.and_then(|text| self.decide(text, address)).ok_or(Refusal::Unknown);
        }
        let access = self.access.as_ref().ok_or(Refusal::Nobody)?;
        let cookie = cookie::value(headers).ok_or(Refusal::Nobody)?;
        let identity = access.session(cookie).ok_or(Refusal::Nobody)?;
        if cookie::is_own_page(request.method(), headers) { Ok(identity) } else { Err(Refusal::Foreign) }
    }

    /// Fires when `proof` counts no more.
    fn watch(&self, proof: &Proof) -> Validity {
        self.access.as_ref().map_or_else(Validity::endless, |access| access.watch(proof))
    }

    /// How long whoever comes over a WebSocket of the query side may stay. `known` came with the handshake; somebody
    /// else may introduce themselves in the first message, with a token.
    fn lasting(&self, known: Option<(String, Validity)>) -> openclaw_query::Lasting {
        let gate = self.clone();
        openclaw_query::Lasting::new(move |caller| {
            let validity = match &known {
                Some((name, validity)) if *name == caller.name => validity.clone(),
                _ => match caller.name.strip_prefix("token:") {
                    Some(name) if name != BOOTSTRAP => gate.watch(&Proof::Token(name.to_owned())),
                    _ => Validity::endless(),
                },
            };
            async move { validity.ended().await }.boxed()
        })
    }
}

/// Lets a request in, with its caller in the extensions, or answers 401.
pub(super) async fn require(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let opens_socket = request.headers().contains_key(header::UPGRADE);
    match gate.identify(&request) {
        Ok(Identity { caller, proof }) => {
            let name = caller.actor.0.clone().into_owned();
            let validity = opens_socket.then(|| gate.watch(&proof));
            let extensions = request.extensions_mut();
            if let Some(validity) = validity {
                extensions.insert(gate.lasting(Some((name.clone(), validity.clone()))));
                extensions.insert(validity);
            }
            extensions.insert(openclaw_query::Caller { name, grants: caller.grants.clone() });
            extensions.insert(caller);
            extensions.insert(proof);
            next.run(request).await
        }
        Err(Refusal::Nobody) if request.uri().path() == LATE => {
            let lasting = gate.lasting(None);
            request.extensions_mut().insert(lasting);
            next.run(request).await
        }
        Err(Refusal::Foreign) => refuse(
            StatusCode::FORBIDDEN,
            "OC-ACC-003",
            "with a cookie, send this from the server's own page, with the header `X-OpenClaw: 1`",
        ),
        Err(refusal) => {
            if let (Refusal::Unknown, Some(access)) = (refusal, gate.access()) {
                access.unproven(None, Peer::address(request.extensions()));
            }
            let over = cookie::value(request.headers()).is_some();
            let mut response = unauthorized();
            if over {
                // Of a session that is over the browser need not tell again.
                response.headers_mut().insert(header::SET_COOKIE, cookie::none(request.headers()));
            }
            response
        }
    }
}

fn unauthorized() -> Response {
    let mut response = refuse(
        StatusCode::UNAUTHORIZED,
        "OC-HTTP-001",
        "send a token as `Authorization: Bearer TOKEN`, for example that of DIR/token, or log in",
    );
    let challenge = HeaderValue::from_static("Bearer realm=\"openclaw\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The text of a header that may be there once.
pub(super) fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Some(None) };
    if values.next().is_some() { None } else { value.to_str().ok().map(Some) }
}
