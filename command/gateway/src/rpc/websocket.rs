//! JSON-RPC over WebSocket: every text frame is one message.
//!
//! Messages are carried out side by side and answered as they finish; a client that needs an order waits for the
//! answer. Invariant: what waits to be written is bounded, a peer that does not read is cut off, and so is one that goes
//! on sending what is refused.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use super::{
    Inner, context::Caller, dispatch::Admission, door::Place, limits::Limits, metrics, registry::Scope,
};
use crate::access::Validity;

/// Small, because ten thousand idle sockets keep theirs.
const READ_BUFFER_BYTES: usize = 4_096;

/// Answers the handshake and serves the socket.
pub(super) fn accept(
    rpc: Arc<Inner>,
    upgrade: WebSocketUpgrade,
    caller: Caller,
    held: (Place, Validity),
) -> Response {
    let (place, validity) = held;
    let limits = &rpc.dispatch.limits;
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(limits.socket_write_buffer_bytes.max(1))
        .max_message_size(limits.body_bytes)
        .max_frame_size(limits.body_bytes)
        .on_upgrade({
            let rpc = Arc::clone(&rpc);
            move |socket| {
                let tracker = rpc.tracker.clone();
                let scope = Scope { caller, key: None };
                tracker.track_future(async move {
                    let _open = (metrics::Socket::open(), place);
                    serve(rpc, socket, scope, validity).await;
                })
            }
        })
}

/// The time in which refusals are counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time in which the goodbye to somebody who goes on sending has to be read.
const LINGER: Duration = Duration::from_secs(1);
/// Goodbye to whoever does not wait when told to.
const TOO_MUCH: End =
    End::Close(close_code::AGAIN, "OC-RPC-008: too many calls in a row were refused; connect again later");

/// An answer and the places that its calls take among those in flight, which it gives back once it is written.
struct Outgoing {
    text: String,
    /// How many of its calls were told to come back later.
    refused: usize,
    _places: OwnedSemaphorePermit,
}

/// How much longer a peer is borne that sends what has to be refused.
struct Patience {
    limit: usize,
    refused: usize,
    since: Instant,
}

impl Patience {
    fn new(limit: usize) -> Self {
        Self { limit, refused: 0, since: Instant::now() }
    }

    /// Counts refused calls; whether they are more than is borne.
    fn is_over(&mut self, refused: usize) -> bool {
        if refused == 0 {
            return false;
        }
        if self.since.elapsed() >= PATIENCE {
            *self = Self::new(self.limit);
        }
        self.refused += refused;
        self.refused > self.limit
    }
}

/// How a socket ends.
enum End {
    /// The peer closed it, or it broke.
    Gone,
    /// We close it.
    Close(u16, &'static str),
}

async fn serve(rpc: Arc<Inner>, socket: WebSocket, scope: Scope, validity: Validity) {
    let limits = rpc.dispatch.limits.clone();
    let (mut sink, mut stream) = socket.split();
    let places = Arc::new(Semaphore::new(limits.socket_in_flight));
    let (answers, mut outgoing) = mpsc::channel::<Outgoing>(limits.socket_in_flight.max(1));
    let mut ping = interval(limits.socket_ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let (mut heard, mut patience) = (Instant::now(), Patience::new(limits.socket_refusals));

    let end = loop {
        let sent = tokio::select! {
            answer = outgoing.recv() => {
                let Some(Outgoing { text, refused, _places }) = answer else { break End::Gone };
                let sent = write(&mut sink, &limits, Message::Text(text.into())).await;
                if patience.is_over(refused) {
                    break TOO_MUCH;
                }
                sent
            }
            // What has begun is carried out; nothing more is taken.
            () = validity.ended() => break End::Close(close_code::POLICY, "the caller may come in no more"),
            () = rpc.closing.cancelled() => break End::Close(close_code::AWAY, "the server is stopping"),
            _ = ping.tick() => {
                if heard.elapsed() >= limits.socket_idle {
                    break End::Close(close_code::POLICY, "idle");
                }
                write(&mut sink, &limits, Message::Ping(Bytes::new())).await
            }
            received = stream.next() => {
                heard = Instant::now();
                match received {
                    None | Some(Ok(Message::Close(_))) => break End::Gone,
                    Some(Err(error)) => break broken(error),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Binary(_))) => {
                        break End::Close(close_code::UNSUPPORTED, "JSON-RPC comes as text");
                    }
                    Some(Ok(Message::Text(text))) => match place(&rpc, &places, text.as_str()) {
                        Some(places) => {
                            let (rpc, scope, answers) = (Arc::clone(&rpc), scope.clone(), answers.clone());
                            // Detached: it is carried out to its end even if the socket closes.
                            rpc.tracker.clone().spawn(async move {
                                let reply = rpc.dispatch.message(&scope, text.as_str(), Admission::Open).await;
                                let refused = reply.refused();
                                if let Some(text) = reply.into_text() {
                                    // Fails when the socket is gone; then nobody wants the answer.
                                    let _ = answers.send(Outgoing { text, refused, _places: places }).await;
                                }
                            });
                            Ok(())
                        }
                        None => {
                            let reply = rpc.dispatch.message(&scope, text.as_str(), Admission::Full).await;
                            let over = patience.is_over(reply.refused());
                            let sent = match reply.into_text() {
                                Some(text) => write(&mut sink, &limits, Message::Text(text.into())).await,
                                None => Ok(()),
                            };
                            if over {
                                break TOO_MUCH;
                            }
                            sent
                        }
                    },
                }
            }
        };
        if sent.is_err() {
            break End::Gone;
        }
    };
    if let End::Close(code, reason) = end {
        // What is in flight is still answered, until every place is free again.
        let all = u32::try_from(limits.socket_in_flight).unwrap_or(u32::MAX);
        loop {
            tokio::select! {
                answer = outgoing.recv() => {
                    let Some(Outgoing { text, _places, .. }) = answer else { break };
                    if write(&mut sink, &limits, Message::Text(text.into())).await.is_err() {
                        break;
                    }
                }
                _ = places.acquire_many(all) => break,
            }
        }
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = write(&mut sink, &limits, Message::Close(Some(frame))).await;
        if code == close_code::AGAIN {
            linger(&mut stream).await;
        }
    }
    // Sends the queued reply to a close frame; without it the peer sees an abnormal closure.
    let _ = timeout(limits.socket_write, sink.close()).await;
}

/// The end of a socket that cannot be read on: with the code that RFC 6455 has for what the peer did (7.4.1).
fn broken(error: axum::Error) -> End {
    let error = error.into_inner();
    match error.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => End::Gone,
        Some(tungstenite::Error::Protocol(_)) => End::Close(close_code::PROTOCOL, "no WebSocket frame"),
        Some(tungstenite::Error::Utf8(_)) => End::Close(close_code::INVALID, "text is UTF-8"),
        Some(tungstenite::Error::Capacity(_)) => {
            End::Close(close_code::SIZE, "larger than limits.body_bytes")
        }
        _ => End::Gone,
    }
}

/// Places for all calls of a message, if that many are free. One that is larger than all places takes all of them.
fn place(rpc: &Inner, places: &Arc<Semaphore>, text: &str) -> Option<OwnedSemaphorePermit> {
    if places.available_permits() == 0 {
        return None;
    }
    let wanted = rpc.dispatch.weight(text).min(rpc.dispatch.limits.socket_in_flight);
    Arc::clone(places).try_acquire_many_owned(u32::try_from(wanted).ok()?).ok()
}

/// Throws away what still comes, for a moment. To hang up on bytes that were not read would reset the connection, and
/// with it take back the answers and the reason that the peer has not read yet.
async fn linger(stream: &mut SplitStream<WebSocket>) {
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = timeout(LINGER, rest).await;
}

/// Writes one frame, unless the peer does not take it in time.
async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    limits: &Limits,
    message: Message,
) -> Result<(), ()> {
    match timeout(limits.socket_write, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}
