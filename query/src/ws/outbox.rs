//! The way out of a socket: one writer, and a bounded queue before it.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt as _, stream::SplitSink};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::message::{Close, ServerMessage};

/// Messages of one operation that may wait to be sent.
const QUOTA_MESSAGES: usize = 256;
/// Bytes of one operation that may wait to be sent.
const QUOTA_BYTES: usize = 1 << 20;
/// Time that a full quota may stay full before its operation is ended.
const STALL: Duration = Duration::from_secs(5);
/// Time that the network may take for one message before the socket is given up.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Messages of one socket that may wait: the quotas of ten operations, and room for replies.
const QUEUE: usize = 10 * QUOTA_MESSAGES + 256;

/// What may wait to be sent for one operation.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Quota {
    pub(super) fn new() -> Self {
        Self {
            messages: Arc::new(Semaphore::new(QUOTA_MESSAGES)),
            bytes: Arc::new(Semaphore::new(QUOTA_BYTES)),
        }
    }

    /// Room for a message; one that is larger than the whole quota takes all of it.
    async fn room(&self, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let bytes = u32::try_from(bytes.min(QUOTA_BYTES)).expect("the quota fits");
        let message = Arc::clone(&self.messages).acquire_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()?;
        Some([message, bytes])
    }
}

/// Why a message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The client has not read for too long.
    Stalled,
    /// The socket is gone.
    Closed,
}

struct Outgoing {
    message: Message,
    /// Given back when the message has been sent.
    _room: Option<[OwnedSemaphorePermit; 2]>,
}

/// The queue before the writer. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    broken: CancellationToken,
}

/// The task that writes. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Writer {
    task: JoinSet<()>,
}

impl Writer {
    /// Waits until everything is written, or the network has given up.
    pub(super) async fn end(mut self) {
        let _ = timeout(WRITE_TIME, self.task.join_next()).await;
    }
}

impl Outbox {
    pub(super) fn start(sink: SplitSink<WebSocket, Message>) -> (Self, Writer) {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let broken = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(write(sink, outgoing, broken.clone()));
        (Self { queue, broken }, Writer { task })
    }

    /// Queues a message of an operation. Waits while its quota is used up.
    pub(super) async fn send(&self, quota: &Quota, message: &ServerMessage<'_>) -> Result<(), Refused> {
        let text = message.to_text();
        let room = tokio::select! {
            () = self.broken.cancelled() => return Err(Refused::Closed),
            room = timeout(STALL, quota.room(text.len())) => room.map_err(|_| Refused::Stalled)?,
        };
        let outgoing = Outgoing { message: Message::text(text), _room: room };
        self.queue.send(outgoing).await.map_err(|_| Refused::Closed)
    }

    /// Queues a reply at once. A client that asks for more replies than it reads is closed.
    pub(super) fn reply(&self, message: &ServerMessage<'_>) -> Result<(), Close> {
        let outgoing = Outgoing { message: Message::text(message.to_text()), _room: None };
        self.queue.try_send(outgoing).map_err(|_| Close::Overrun)
    }

    /// Says goodbye, if there is somebody and something to say.
    pub(super) async fn close(self, close: Option<Close>) {
        if let Some(close) = close {
            let outgoing = Outgoing { message: Message::Close(Some(close.frame())), _room: None };
            // A socket that is gone needs no goodbye.
            let _ = timeout(STALL, self.queue.send(outgoing)).await;
        }
    }

    /// Returns when nothing can be written any more.
    pub(super) async fn broken(&self) {
        self.broken.cancelled().await;
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    broken: CancellationToken,
) {
    let _guard = broken.drop_guard();
    while let Some(Outgoing { message, _room }) = outgoing.recv().await {
        let last = matches!(message, Message::Close(_));
        match timeout(WRITE_TIME, sink.send(message)).await {
            Ok(Ok(())) if !last => {}
            _ => return,
        }
    }
}
