//! JSON-RPC over WebSocket: every text frame is one message.
//!
//! Messages are carried out side by side and answered as they finish; a client that needs an order waits for the
//! answer. Invariant: what waits to be written is bounded, and a peer that does not read is cut off.

use std::sync::Arc;

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

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

/// An answer and the place it takes among those in flight, which it gives back once it is written.
type Outgoing = (String, OwnedSemaphorePermit);

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
    let mut heard = Instant::now();

    let end = loop {
        let sent = tokio::select! {
            answer = outgoing.recv() => {
                let Some((text, _place)) = answer else { break End::Gone };
                write(&mut sink, &limits, Message::Text(text.into())).await
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
                    None | Some(Err(_)) | Some(Ok(Message::Close(_))) => break End::Gone,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Binary(_))) => {
                        break End::Close(close_code::UNSUPPORTED, "JSON-RPC comes as text");
                    }
                    Some(Ok(Message::Text(text))) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            let (rpc, scope, answers) = (Arc::clone(&rpc), scope.clone(), answers.clone());
                            // Detached: it is carried out to its end even if the socket closes.
                            rpc.tracker.clone().spawn(async move {
                                let reply = rpc.dispatch.message(&scope, text.as_str(), Admission::Open).await;
                                if let Some(text) = reply.into_text() {
                                    // Fails when the socket is gone; then nobody wants the answer.
                                    let _ = answers.send((text, place)).await;
                                }
                            });
                            Ok(())
                        }
                        Err(_) => {
                            let reply = rpc.dispatch.message(&scope, text.as_str(), Admission::Full).await;
                            match reply.into_text() {
                                Some(text) => write(&mut sink, &limits, Message::Text(text.into())).await,
                                None => Ok(()),
                            }
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
                    let Some((text, _place)) = answer else { break };
                    if write(&mut sink, &limits, Message::Text(text.into())).await.is_err() {
                        break;
                    }
                }
                _ = places.acquire_many(all) => break,
            }
        }
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = write(&mut sink, &limits, Message::Close(Some(frame))).await;
    }
    // Sends the queued reply to a close frame; without it the peer sees an abnormal closure.
    let _ = timeout(limits.socket_write, sink.close()).await;
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
