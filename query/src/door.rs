//! What one caller may take of the query side, so that nobody can take all of it.
//!
//! The numbers and the books are kept outside ([`Door`]), because they are the operator's; this side asks before each
//! question, operation and WebSocket, and gives back what it was given.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use crate::Caller;

/// What a caller wants to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// One question over HTTP, for as long as it is worked on.
    Question,
    /// One operation of a WebSocket, for as long as it runs: of a subscription, until it ends.
    Operation,
    /// One WebSocket, for as long as it is open.
    Socket,
}

/// A place that a caller has taken. Dropping it gives it back.
pub struct Place(#[expect(dead_code, reason = "kept for its drop")] Option<Box<dyn Any + Send + Sync>>);

impl Place {
    /// Keeps `kept` until the place is given back.
    pub fn new(kept: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(kept)))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// Decides what a caller may take. Called on every question; it must not wait.
pub trait Door: Send + Sync + 'static {
    /// Takes a place for `caller`.
    ///
    /// # Errors
    /// With how long the caller is to wait at least, if it has as much as it may.
    fn take(&self, caller: &Caller, ask: Ask) -> Result<Place, Duration>;
}

/// Lets everybody take everything, up to the limits of each question and each socket.
pub(crate) struct Unguarded;

impl Door for Unguarded {
    fn take(&self, _: &Caller, _: Ask) -> Result<Place, Duration> {
        Ok(Place(None))
    }
}

/// Is told when a token that came in the first message of a WebSocket was refused. The server puts it into the
/// extensions of the handshake, so that guessing there counts like guessing anywhere else.
#[derive(Clone)]
pub struct OnRefusal(Arc<dyn Fn() + Send + Sync>);

impl OnRefusal {
    /// Tells `told`.
    pub fn new(told: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn tell(&self) {
        (self.0)();
    }
}

impl fmt::Debug for OnRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRefusal")
    }
}
