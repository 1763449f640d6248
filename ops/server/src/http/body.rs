//! A request's body has to arrive within a time, and all bodies together have so much room.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{StatusCode, header};
use tokio::{
    sync::Semaphore,
    time::{Sleep, sleep},
};

use super::answer::retry;
use crate::metrics;

/// The body of a request, or an error once its time is over.
struct Timed {
    body: Body,
    deadline: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let ready = Pin::new(&mut self.body).poll_frame(context);
        if ready.is_pending() && self.deadline.as_mut().poll(context).is_ready() {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the body came too slowly");
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        ready
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// Puts the limit on every body that is not there yet.
pub(super) async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body =
        if body.is_end_stream() { body } else { Body::new(Timed { body, deadline: Box::pin(sleep(limit)) }) };
    next.run(Request::from_parts(parts, body)).await
}

/// Bytes of one place in the room; a body takes whole ones.
const BLOCK_BYTES: usize = 4 << 10;
/// What a caller is told to wait when the room is full.
const WAIT: Duration = Duration::from_millis(500);

/// Room for the bodies of all requests that are worked on, because each of many may be as large as one may be.
#[derive(Clone)]
pub(super) struct Room {
    blocks: Arc<Semaphore>,
    /// What a body takes whose size is not said before: as much as it may have.
    largest: usize,
}

impl Room {
    /// Room for `bytes`, of bodies of at most `largest` bytes each. There is always room for one body.
    pub(super) fn new(bytes: usize, largest: usize) -> Self {
        let blocks = bytes.max(largest).div_ceil(BLOCK_BYTES);
        Self { blocks: Arc::new(Semaphore::new(blocks.min(Semaphore::MAX_PERMITS))), largest }
    }
}

/// Lets a request in while there is room for its body, and keeps the room until it is answered.
pub(super) async fn limit_room(State(room): State<Room>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let said =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Whoever says more is refused by the route, after at most so much.
    let bytes = said.unwrap_or(room.largest).min(room.largest);
    let blocks = u32::try_from(bytes.div_ceil(BLOCK_BYTES)).unwrap_or(u32::MAX);
    let Ok(_taken) = room.blocks.try_acquire_many(blocks) else {
        metrics::limited("bodies");
        let message = "too much is being received at the same time";
        return retry(StatusCode::SERVICE_UNAVAILABLE, "OC-HTTP-009", message, WAIT);
    };
    let _counted = metrics::Room::taken(blocks as usize * BLOCK_BYTES);
    next.run(request).await
}
