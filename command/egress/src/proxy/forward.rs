//! Requests with an absolute `http:` URL.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
    uri::PathAndQuery,
};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    grant::Injection,
    open::{Open, Record},
    session::{Body, Problem, Session, is_plain, rule},
};
use crate::Target;

/// Headers that are between two neighbours (RFC 9110 section 7.6.1), besides those that `Connection` names.
const BETWEEN: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
];

impl Session {
    /// Sends `request` on, with the credential of the permit. Each goes over a connection of its own.
    pub(super) async fn forward(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        if !is_plain(request.uri()) {
            return Err(Problem::Bad(
                "this is an HTTP proxy: it takes CONNECT HOST:PORT and requests with an absolute http: URL"
                    .into(),
            ));
        }
        let port = request.uri().port_u16().unwrap_or(80);
        let (target, permit) = self.permit(request.uri(), port).await?;
        let injection = permit.injection.as_ref();
        let credential = match injection {
            Some(injection) => {
                let value = injection.value(&*self.secrets, &self.grant, &target).await;
                let value = value.map_err(Problem::Gateway)?;
                Some((injection.header().clone(), value))
            }
            None => None,
        };
        let tls = injection.is_some_and(Injection::tls);
        let request = outgoing(request, &target, credential, tls)?;
        let name = injection.map(Injection::credential);
        let Open { stream, record } = self.open(&target, &rule(permit), name).await?;
        if !tls {
            return self.exchange(stream, record, request, &target).await;
        }
        let secured = async {
            let config = self.tls()?;
            let name = ServerName::try_from(target.host().to_string().trim_matches(['[', ']']).to_owned());
            let name = name.map_err(|error| error.to_string())?;
            let connecting = TlsConnector::from(config).connect(name, stream);
            let connected = timeout(self.limits.connect, connecting).await;
            connected.map_err(|_| "it takes too long".to_owned())?.map_err(|error| error.to_string())
        };
        match secured.await {
            Ok(stream) => self.exchange(stream, record, request, &target).await,
            Err(problem) => {
                record.close().await;
                Err(Problem::Gateway(format!("TLS cannot be spoken with {target}: {problem}")))
            }
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        record: Record,
        request: Request<Incoming>,
        target: &Target,
    ) -> Result<Response<Body>, Problem> {
        let failed =
            |error: hyper::Error| Problem::Gateway(format!("the exchange with {target} failed: {error}"));
        let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
            Ok(made) => made,
            Err(error) => {
                record.close().await;
                return Err(failed(error));
            }
        };
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                // Its errors come with the answer.
                _ = connection => {}
                () = stopping.cancelled() => {}
            }
            record.close().await;
        });
        let answer = sender.send_request(request).await.map_err(failed)?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Problem::Gateway(format!("{target} switches protocols without being asked to")));
        }
        let (mut head, body) = answer.into_parts();
        strip(&mut head.headers);
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, body.boxed()))
    }
}

/// The request as the server gets it: with one length, one host, and nothing that was meant for the proxy.
fn outgoing(
    request: Request<Incoming>,
    target: &Target,
    credential: Option<(HeaderName, HeaderValue)>,
    tls: bool,
) -> Result<Request<Incoming>, Problem> {
    let (mut head, body) = request.into_parts();
    let several = head.headers.get_all(CONTENT_LENGTH).iter().count() > 1
        || head.headers.get_all(TRANSFER_ENCODING).iter().count() > 1
        || (head.headers.contains_key(CONTENT_LENGTH) && head.headers.contains_key(TRANSFER_ENCODING));
    if several {
        return Err(Problem::Bad("the request says more than once how long it is".into()));
    }
    strip(&mut head.headers);
    // Written anew from the body that was read.
    head.headers.remove(CONTENT_LENGTH);
    let usual = if tls { 443 } else { 80 };
    let host = if target.port() == usual { target.host().to_string() } else { target.to_string() };
    let host = HeaderValue::from_str(&host).map_err(|_| Problem::Bad("the host cannot be sent".into()))?;
    head.headers.insert(HOST, host);
    if let Some((name, value)) = credential {
        head.headers.insert(name, value);
    }
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from(path);
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Ok(Request::from_parts(head, body))
}

/// Takes away what is between neighbours.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&BETWEEN) {
        headers.remove(name);
    }
}
