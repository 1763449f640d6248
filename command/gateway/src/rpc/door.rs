//! What one caller may take of the transport, so that nobody can take all of it.
//!
//! The numbers and the books are kept outside ([`Door`]), because they are the operator's; this side asks before each
//! call and before each WebSocket, members of a batch one by one, and gives back what it was given.

use std::{any::Any, sync::Arc, time::Duration};

use openclaw_model::Actor;

/// What a caller wants to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// One call, for as long as it runs.
    Call,
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

    pub(super) const fn free() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

/// Decides what a caller may take. Called on every call; it must not wait.
pub trait Door: Send + Sync + 'static {
    /// Takes a place for `caller`.
    ///
    /// # Errors
    /// With how long the caller is to wait at least, if it has as much as it may.
    fn take(&self, caller: &Actor, ask: Ask) -> Result<Place, Duration>;
}

/// Lets everybody take everything, up to the limits that hold for all callers together.
pub(super) struct Unguarded;

impl Door for Unguarded {
    fn take(&self, _: &Actor, _: Ask) -> Result<Place, Duration> {
        Ok(Place::free())
    }
}

/// The door of a surface.
pub(super) type SharedDoor = Arc<dyn Door>;
