//! Places for connections: so many in all, so many of them for one peer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::peer::Peer;

/// The places of a listener.
pub(super) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    taken: Arc<Mutex<HashMap<Peer, usize>>>,
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    peer: Peer,
    taken: Arc<Mutex<HashMap<Peer, usize>>>,
    _one: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: usize, each: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { all, each, taken: Arc::default() }
    }

    /// A place for a connection of `peer`, if there is one and the peer has not all that it may have.
    pub(super) fn take(&self, peer: Peer) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(peer).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { peer, taken: Arc::clone(&self.taken), _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_have_all_places_and_gets_back_what_it_gives_back() {
        let places = Places::new(5, 3);
        let (greedy, modest) = (
            Peer::of("192.0.2.1".parse().expect("an address")),
            Peer::of("192.0.2.2".parse().expect("an address")),
        );
        let mut held: Vec<_> = (0..3).map(|_| places.take(greedy).expect("a place")).collect();
        assert!(places.take(greedy).is_none());
        held.push(places.take(modest).expect("there are two left"));
        held.push(places.take(modest).expect("there is one left"));
        assert!(places.take(modest).is_none(), "all are taken");
        held.remove(0);
        assert!(places.take(greedy).is_some());
        held.clear();
        assert!(
            places.taken.lock().expect("nobody panicked").is_empty(),
            "nothing is remembered of the gone"
        );
    }
}
