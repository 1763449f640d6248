//! How long somebody who was let in may stay: a WebSocket outlives the request that opened it.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::Caller;

type Wait = dyn Fn(&Caller) -> BoxFuture<'static, ()> + Send + Sync;

/// Knows when a caller may come in no more. The server puts it into the extensions of the handshake; without it a
/// socket stays as long as its client does.
#[derive(Clone)]
pub struct Lasting(Arc<Wait>);

impl Lasting {
    /// Waits with `wait`, which ends when the caller may come in no more.
    pub fn new(wait: impl Fn(&Caller) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(wait))
    }

    /// Ends when `caller` may come in no more; never without anybody who knows.
    pub(crate) fn end(lasting: Option<&Self>, caller: &Caller) -> BoxFuture<'static, ()> {
        lasting.map_or_else(|| Box::pin(std::future::pending()) as _, |lasting| (lasting.0)(caller))
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lasting")
    }
}
