//! The connections of one job's tool.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
    uri::Scheme,
};
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use openclaw_ports::Secrets;
use rustls::ClientConfig;
use tokio::{net::UnixStream, sync::OwnedSemaphorePermit};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Limits,
    grant::{Grant, Permit},
    open::Open,
    wire::{Budget, Counted, Counts, idle},
};
use crate::{Gate, Reason, Refused, Target};

/// The body of an answer.
pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// What all connections of a job share.
pub(super) struct Session {
    pub(super) gate: Gate,
    pub(super) grant: Grant,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) limits: Limits,
    pub(super) budget: Arc<Budget>,
    pub(super) connections: Arc<AtomicU64>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

/// Why a request is not carried out.
pub(super) enum Problem {
    /// It is no request for a proxy.
    Bad(String),
    /// It may not be carried out.
    Refused(Refused),
    /// It cannot be.
    Gateway(String),
}

/// Serves one connection of the tool, whose `place` is given back when it is closed.
pub(super) async fn serve(session: Arc<Session>, stream: UnixStream, place: OwnedSemaphorePermit) {
    let counts = Arc::new(Counts::default());
    // The budget is taken from the other side, which is where it costs.
    let stream = Counted::new(stream, counts.clone(), None, place);
    let service = service_fn(|request| {
        let session = session.clone();
        async move { Ok::<_, Infallible>(session.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(session.limits.header_time)
        .max_buf_size(session.limits.header_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        // How it ended is the tool's affair; what became of its requests is on record.
        _ = connection => {}
        () = idle(&counts, session.limits.idle) => {}
        () = session.stopping.cancelled() => {}
    }
}

impl Session {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let answered = if request.method() == Method::CONNECT {
            self.tunnel(request).await
        } else {
            self.forward(request).await
        };
        answered.unwrap_or_else(Problem::response)
    }

    /// `CONNECT HOST:PORT`: bytes are passed on as they are, so nothing can be put in.
    async fn tunnel(self: &Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
        let bad = |what: &str| Problem::Bad(what.into());
        let port = request.uri().port_u16().ok_or_else(|| bad("CONNECT needs HOST:PORT"))?;
        if has_body(request.headers()) {
            return Err(bad("CONNECT has no body"));
        }
        let (target, permit) = self.permit(request.uri(), port).await?;
        let Open { mut stream, record } = self.open(&target, &rule(permit), None).await?;
        let (session, upgrade) = (self.clone(), hyper::upgrade::on(request));
        self.tasks.spawn(async move {
            let counts = record.counts.clone();
            let passing = async {
                if let Ok(upgraded) = upgrade.await {
                    let mut tool = TokioIo::new(upgraded);
                    // Either side may end it as it likes.
                    let _ = tokio::io::copy_bidirectional(&mut tool, &mut stream).await;
                }
            };
            tokio::select! {
                () = passing => {}
                () = idle(&counts, session.limits.idle) => {}
                () = session.stopping.cancelled() => {}
            }
            drop(stream);
            record.close().await;
        });
        Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()))
    }

    /// The host of `uri`, and the permit that the job has for it.
    pub(super) async fn permit(&self, uri: &Uri, port: u16) -> Result<(Target, &Permit), Problem> {
        let authority = uri.authority().ok_or_else(|| Problem::Bad("there is no host".into()))?;
        if authority.as_str().contains('@') {
            return Err(Problem::Bad("a host with a user before it is not accepted".into()));
        }
        // A port that is no number would otherwise become the usual one.
        if uri.port_u16().is_none() && authority.as_str() != authority.host() {
            return Err(Problem::Bad(format!("{authority:?} has a port that is none")));
        }
        let target =
            Target::new(authority.host(), port).map_err(|problem| Problem::Bad(problem.to_string()))?;
        match self.grant.permit(&target) {
            Some(permit) => Ok((target, permit)),
            None => {
                let address = target.address();
                Err(self.refuse(Refused { target, address, reason: Reason::NotGranted }).await)
            }
        }
    }
}

/// How a permit is shown as the rule that allowed a connection.
pub(super) fn rule(permit: &Permit) -> String {
    format!("sandbox.network {}", permit.destination)
}

/// Whether these headers announce one.
pub(super) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// Whether `uri` is one of plain HTTP.
pub(super) fn is_plain(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP)
}

impl Problem {
    fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Bad(text) => (StatusCode::BAD_REQUEST, format!("OC-EGR-005: {text}")),
            Self::Refused(refused) => (StatusCode::FORBIDDEN, refused.to_string()),
            Self::Gateway(text) => (StatusCode::BAD_GATEWAY, format!("OC-EGR-006: {text}")),
        };
        let body = Full::from(text + "\n").map_err(|never| match never {}).boxed();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(CONNECTION, http::HeaderValue::from_static("close"));
        response
    }
}
