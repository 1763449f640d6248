//! GraphQL over WebSocket, by the protocol `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! Invariant: what is kept for a client that does not read is bounded, per subscription and per socket.

pub(crate) mod message;
mod outbox;

use std::{collections::HashMap, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, header},
    response::Response,
};
use futures_util::{StreamExt as _, stream::SplitStream};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use self::{
    message::{ClientMessage, Close, ServerMessage},
    outbox::{Outbox, Quota, Refused},
};
use crate::{
    caller::Caller,
    door::{Ask, OnRefusal, Place},
    fault::{self, Code},
    http::{Question, Served, finish, later},
    lasting::Lasting,
    metrics::{self, Live},
    subscription::Resume,
};

const PROTOCOL: &str = "graphql-transport-ws";
/// Time for `connection_init` to come.
const INIT_TIME: Duration = Duration::from_secs(5);
/// Operations that run at the same time on one socket.
const MAX_OPERATIONS: usize = 10;
/// Bytes of a message from a client.
const MAX_MESSAGE: usize = 64 << 10;
/// Bytes that the socket keeps for a client that does not read, before it is closed.
const MAX_WRITE_BUFFER: usize = 1 << 20;
const READ_BUFFER: usize = 4 << 10;
/// Bytes of the id that a client gives an operation.
const MAX_ID: usize = 128;

/// Takes the socket over. It is authenticated by the layer outside, by its header, or in its first message.
pub(crate) async fn upgrade(
    State(served): State<Served>,
    caller: Option<Extension<Caller>>,
    on_refusal: Option<Extension<OnRefusal>>,
    lasting: Option<Extension<Lasting>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = caller
        .map(|Extension(caller)| caller)
        .or_else(|| authorization.and_then(|value| served.authenticate.decide(Some(value))));
    // Whoever is known by now can be told by a status; the others are told once they have introduced themselves.
    let known = match caller.map(|caller| served.door.take(&caller, Ask::Socket).map(|place| (caller, place)))
    {
        None => None,
        Some(Ok(known)) => Some(known),
        Some(Err(wait)) => return later(wait),
    };
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            let _live = Live::socket();
            let spoken = socket.protocol().is_some_and(|protocol| protocol == PROTOCOL);
            let (sink, stream) = socket.split();
            let (outbox, writer) = Outbox::start(sink);
            let mut connection = Connection {
                served,
                outbox,
                stream,
                on_refusal: on_refusal.map(|Extension(told)| told),
                lasting: lasting.map(|Extension(lasting)| lasting),
                operations: HashMap::new(),
                tasks: JoinSet::new(),
            };
            let close = if spoken { connection.run(known).await } else { Some(Close::BadProtocol) };
            // Subscriptions end before the goodbye, so that nothing comes after it.
            connection.tasks.shutdown().await;
            connection.outbox.close(close).await;
            writer.end().await;
        })
}

struct Connection {
    served: Served,
    outbox: Outbox,
    stream: SplitStream<WebSocket>,
    on_refusal: Option<OnRefusal>,
    lasting: Option<Lasting>,
    /// Running operations by the client's id.
    operations: HashMap<String, AbortHandle>,
    /// Each ends with the id of its operation.
    tasks: JoinSet<String>,
}

impl Connection {
    /// Serves until the client goes, none, or breaks the protocol.
    async fn run(&mut self, known: Option<(Caller, Place)>) -> Option<Close> {
        let (caller, _place) = match timeout(INIT_TIME, self.init(known)).await {
            Ok(Ok(known)) => known,
            Ok(Err(close)) => return close,
            Err(_) => return Some(Close::InitTimeout),
        };
        let mut over = Lasting::end(self.lasting.as_ref(), &caller);
        loop {
            tokio::select! {
                biased;
                () = self.outbox.broken() => return None,
                () = &mut over => return Some(Close::Forbidden),
                Some(ended) = self.tasks.join_next() => {
                    // An aborted one was taken out when it was aborted.
                    if let Ok(id) = ended {
                        self.operations.remove(&id);
                    }
                }
                received = receive(&mut self.stream) => {
                    let message = match received {
                        Ok(message) => message,
                        Err(close) => return close,
                    };
                    if let Err(close) = self.handle(message, &caller) {
                        return Some(close);
                    }
                }
            }
        }
    }

    /// Waits for `connection_init` and acknowledges it. Answers who it is, with the place that the socket takes.
    async fn init(&mut self, known: Option<(Caller, Place)>) -> Result<(Caller, Place), Option<Close>> {
        loop {
            match receive(&mut self.stream).await? {
                ClientMessage::ConnectionInit { payload } => {
                    let given = payload.as_ref().and_then(message::authorization);
                    // A token in the message is checked whatever came before it.
                    let known = match given {
                        Some(given) => self.introduced(given, known)?,
                        None => known.ok_or(Some(Close::Forbidden))?,
                    };
                    self.outbox.reply(&ServerMessage::ConnectionAck).map_err(Some)?;
                    return Ok(known);
                }
                ClientMessage::Ping => self.outbox.reply(&ServerMessage::Pong).map_err(Some)?,
                ClientMessage::Pong => {}
                ClientMessage::Subscribe { .. } | ClientMessage::Complete { .. } => {
                    return Err(Some(Close::Unauthorized));
                }
            }
        }
    }

    /// Who `authorization` is, with a place: the one it has, if it is who was known before.
    fn introduced(
        &self,
        authorization: &str,
        known: Option<(Caller, Place)>,
    ) -> Result<(Caller, Place), Option<Close>> {
        let Some(caller) = self.served.authenticate.decide(Some(authorization)) else {
            if let Some(told) = &self.on_refusal {
                told.tell();
            }
            return Err(Some(Close::Forbidden));
        };
        match known {
            Some((before, place)) if before == caller => Ok((caller, place)),
            _ => match self.served.door.take(&caller, Ask::Socket) {
                Ok(place) => Ok((caller, place)),
                Err(_) => Err(Some(Close::TooManySockets)),
            },
        }
    }

    fn handle(&mut self, message: ClientMessage, caller: &Caller) -> Result<(), Close> {
        match message {
            ClientMessage::ConnectionInit { .. } => Err(Close::InitTwice),
            ClientMessage::Ping => self.outbox.reply(&ServerMessage::Pong),
            ClientMessage::Pong => Ok(()),
            ClientMessage::Complete { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload, caller),
        }
    }

    fn subscribe(&mut self, id: String, question: Question, caller: &Caller) -> Result<(), Close> {
        if id.is_empty() || id.len() > MAX_ID {
            return Err(Close::BadMessage(format!("an id has 1 to {MAX_ID} bytes")));
        }
        if self.operations.contains_key(&id) {
            return Err(Close::DuplicateId(id));
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(Close::TooMany);
        }
        let operation =
            operate(self.served.clone(), self.outbox.clone(), id.clone(), question, caller.clone());
        self.operations.insert(id, self.tasks.spawn(operation));
        Ok(())
    }
}

/// The next message of the protocol; an error ends the connection, with a goodbye unless the client is gone.
async fn receive(stream: &mut SplitStream<WebSocket>) -> Result<ClientMessage, Option<Close>> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| {
                    Some(Close::BadMessage(format!("no message of the protocol: {error}")))
                });
            }
            Some(Ok(Message::Binary(_))) => {
                return Err(Some(Close::BadMessage("messages are text".to_owned())));
            }
            // The socket answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
        }
    }
}

/// Runs one operation to its end and returns its id.
async fn operate(served: Served, outbox: Outbox, id: String, question: Question, caller: Caller) -> String {
    let _place = match served.door.take(&caller, Ask::Operation) {
        Ok(place) => place,
        Err(wait) => {
            // A client that asks on and on without reading the refusals meets the bound of the replies.
            let _ = outbox.reply(&ServerMessage::Error { id: &id, payload: &[fault::limited(wait)] });
            return id;
        }
    };
    let _live = Live::subscription();
    let quota = Quota::new();
    let resume = Resume::default();
    let request = match question.admit(caller) {
        Ok(request) => request.data(resume.clone()),
        Err(error) => {
            let _ = outbox.send(&quota, &ServerMessage::Error { id: &id, payload: &[error] }).await;
            return id;
        }
    };
    let mut answers = served.schema.execute_stream(request);
    let mut delivered = None;
    while let Some(mut answer) = answers.next().await {
        finish(&served.deps, &mut answer);
        let position = resume.position();
        // What was refused before it ran is an error of the operation, not an answer.
        let refused = delivered.is_none()
            && answer.is_err()
            && answer.data == async_graphql::Value::Null
            && answer.errors.iter().all(|error| error.path.is_empty());
        let message = if refused {
            ServerMessage::Error { id: &id, payload: &answer.errors }
        } else {
            ServerMessage::Next { id: &id, payload: &answer }
        };
        match outbox.send(&quota, &message).await {
            Ok(()) if refused => return id,
            Ok(()) => delivered = Some(position),
            Err(Refused::Closed) => return id,
            Err(Refused::Stalled) => {
                metrics::lagged();
                let after = delivered.unwrap_or_default();
                let message =
                    "the client does not read; subscribe again after the position that it has handled";
                let error = Code::Lagged.error(message);
                let error = async_graphql::ErrorExtensions::extend_with(error, |_, values| {
                    values.set("position", after.to_string());
                });
                let error = fault::outside(error);
                // Beyond the quota, once: there is nothing else to tell it by.
                let _ = outbox.reply(&ServerMessage::Error { id: &id, payload: &[error] });
                return id;
            }
        }
    }
    let _ = outbox.send(&quota, &ServerMessage::Complete { id: &id }).await;
    id
}
