//! The loop that accepts connections, and its orderly end.
//!
//! HTTP/1.1 only, with TLS or without: its header time limit begins with the connection, and the handshake before it
//! has the same one.

use std::{io, pin::pin, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{connection::Connection, peer::Peer, places::Places, tls::Tls};
use crate::metrics;

/// Bounds of the loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Connections at the same time.
    pub(crate) max_connections: usize,
    /// Connections of one address at the same time.
    pub(crate) max_per_address: usize,
    /// For the handshake of TLS, for the head of a request, and for an idle connection until its next one.
    pub(crate) header_time: Duration,
    /// Without progress while an answer is written.
    pub(crate) write_time: Duration,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Every request that had begun was answered.
    Whole,
    /// The time was over first; the rest was cut off.
    CutOff,
}

/// Head and first lines of a request together.
const HEAD_BYTES: usize = 32 << 10;
/// Clients that are told that there is no place, at the same time; more are closed without a word.
const TURNING_AWAY: usize = 64;
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncontent-length: 67\r\n\r\n\
    {\"code\":\"OC-HTTP-006\",\"message\":\"too many connections, try again\"}\n";

/// Serves `router`, over TLS if there is one, until `stop` is cancelled, then answers what has begun, for at most `drain`. WebSockets end with
/// the application, not here.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    times: Times,
    stop: CancellationToken,
    drain: Duration,
) -> Drained {
    let places = Places::new(times.max_connections, times.max_per_address);
    let mut connections = JoinSet::new();
    let mut turned_away = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            Some(_) = turned_away.join_next(), if !turned_away.is_empty() => continue,
        };
        let (socket, peer) = match accepted {
            Ok((socket, address)) => (socket, Peer::of(address.ip())),
            Err(error) => {
                // A client that left before it was accepted is nobody's business; anything else is likely a lack of
                // descriptors or memory, which spinning would make worse.
                if !is_clients_fault(&error) {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
        };
        let Some(place) = places.take(peer) else {
            metrics::turned_away();
            // Whoever expects TLS does not understand a word.
            if tls.is_none() && turned_away.len() < TURNING_AWAY {
                turned_away.spawn(timeout(Duration::from_secs(1), turn_away(socket)));
            }
            continue;
        };
        // Answers are small and wanted at once. Failing is no reason to refuse the client.
        let _ = socket.set_nodelay(true);
        let socket = Connection::new(socket, times.write_time, place);
        let (router, stop) = (router.clone(), stop.clone());
        let Some(tls) = tls.clone() else {
            connections.spawn(talk(socket, peer, router, times, stop));
            continue;
        };
        connections.spawn(async move {
            let shaken = tokio::select! {
                shaken = timeout(times.header_time, tls.accept(socket)) => shaken,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(Ok(socket)) => talk(socket, peer, router, times, stop).await,
                Ok(Err(error)) => {
                    metrics::handshake_failed();
                    tracing::debug!(%error, "a handshake failed");
                }
                Err(_) => metrics::handshake_failed(),
            }
        });
    }
    drop(listener);
    let answered = async { while connections.join_next().await.is_some() {} };
    let whole = timeout(drain, answered).await.is_ok();
    connections.shutdown().await;
    if whole { Drained::Whole } else { Drained::CutOff }
}

/// Serves one connection to its end.
async fn talk(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    times: Times,
    stop: CancellationToken,
) {
    let router = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.header_time)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // Answers the request under way, if there is one, and takes no other.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn is_clients_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says that there is no place. A client that cannot be told is closed.
async fn turn_away(mut socket: TcpStream) {
    let _ = socket.write_all(NO_PLACE).await;
    let _ = socket.shutdown().await;
}
