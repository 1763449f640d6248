//! JSON-RPC 2.0 over HTTP POST and WebSocket, on one route.
//!
//! jsonrpsee keeps the registry of methods and the error objects; the envelope, ids, batches, notifications, limits
//! and both transports are ours, because its server deviates from the specification there (ids that are no unsigned
//! integers, notifications that are not executed, batches that run one after the other, calls that die with their
//! socket).
//!
//! Invariants: a method runs at most once per call and never stops half-way because its caller went away. Every
//! queue is bounded by [`Limits`]. A request without a [`Caller`] in its extensions is refused: authentication
//! lies in front of the transport and cannot be forgotten.

mod commands;
pub mod context;
mod dispatch;
mod door;
mod envelope;
pub mod error;
mod events;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod limits;
pub mod methods;
pub mod metrics;
mod openrpc;
mod params;
mod post;
mod registry;
#[cfg(test)]
mod tests;
pub mod wait;
mod websocket;

use std::sync::Arc;

use axum::{Router, extract::Request, routing::any};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use commands::Commands;
pub use context::{CallContext, Caller, ExpectedVersion, IdempotencyKey, InvalidKey};
pub use door::{Ask, Door, Place};
pub use error::{DefinitionProblem, Error, InvalidRequest, Kind};
pub use limits::Limits;
pub use wait::{InvalidSpan, Span};

/// The JSON-RPC surface. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    inner: Arc<Inner>,
}

struct Inner {
    dispatch: dispatch::Dispatch,
    document: Arc<RawValue>,
    tracker: TaskTracker,
    closing: CancellationToken,
}

impl Rpc {
    /// Serves the methods of `commands` within `limits`.
    #[must_use]
    pub fn new<C: Commands>(commands: Arc<C>, limits: Limits) -> Self {
        Self::guarded(commands, limits, Arc::new(door::Unguarded))
    }

    /// Serves the methods of `commands` within `limits`, and each caller within what `door` gives it.
    #[must_use]
    pub fn guarded<C: Commands>(commands: Arc<C>, limits: Limits, door: Arc<dyn Door>) -> Self {
        let (methods, document) = registry::build(commands, limits.response_bytes);
        let slots = Arc::new(Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS)));
        Self {
            inner: Arc::new(Inner {
                dispatch: dispatch::Dispatch { methods, limits, slots, door },
                document,
                tracker: TaskTracker::new(),
                closing: CancellationToken::new(),
            }),
        }
    }

    /// The routes `/rpc` and `/events`.
    pub fn router(&self) -> Router {
        let (calls, events) = (Arc::clone(&self.inner), Arc::clone(&self.inner));
        Router::new()
            .route("/rpc", any(move |request: Request| post::handle(Arc::clone(&calls), request)))
            .route("/events", any(move |request: Request| events::handle(Arc::clone(&events), request)))
    }

    /// The OpenRPC document that `rpc.discover` answers.
    #[must_use]
    pub fn openrpc(&self) -> &RawValue {
        &self.inner.document
    }

    /// Closes every WebSocket once what it has in flight is answered, and waits until no call is left. Calls that
    /// come meanwhile over HTTP are still carried out, so stop accepting connections first.
    pub async fn drain(&self) {
        self.inner.closing.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}
