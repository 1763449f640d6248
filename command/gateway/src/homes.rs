//! Finding the namespace of a stream.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::StreamExt;
use lru::LruCache;
use openclaw_log::EventLog;
use openclaw_model::{
    RunId, StreamId, Version,
    namespace::{self, Home},
};

use crate::sequencer::Refused;

/// Runs of which the namespace is kept. It never changes, so nothing has to be forgotten.
const KEPT: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this namespace.
    In(Arc<str>),
    /// In none: it belongs to the server as a whole.
    Nowhere,
    /// There is no such thing.
    Missing,
}

/// Namespaces of streams, read from the log.
pub struct Homes<L> {
    log: Arc<L>,
    runs: Mutex<LruCache<RunId, Arc<str>>>,
}

impl<L: EventLog> Homes<L> {
    /// Reads from `log`.
    #[must_use]
    pub fn new(log: Arc<L>) -> Self {
        Self { log, runs: Mutex::new(LruCache::new(KEPT)) }
    }

    /// Where the thing is whose stream this is. Things that are named after their namespace are not looked up, so they
    /// are never missing. Cost: for a run that nobody asked for lately the first event of its stream is read, for an
    /// approval that of its own stream too.
    ///
    /// # Errors
    /// [`Refused::Unreadable`] when the log or an event cannot be read.
    pub async fn of(&self, stream: &StreamId) -> Result<Whereabouts, Refused> {
        let mut home = stream.home();
        let mut stream = stream.clone();
        loop {
            home = match home {
                Home::Namespace(name) => {
                    let name: Arc<str> = name.into();
                    if let Some(run) = stream.as_run() {
                        self.kept().put(run, name.clone());
                    }
                    return Ok(Whereabouts::In(name));
                }
                Home::Nowhere => return Ok(Whereabouts::Nowhere),
                Home::Run(run) => {
                    stream = StreamId::run(run);
                    Home::First
                }
                Home::First => {
                    if let Some(known) = stream.as_run().and_then(|run| self.kept().get(&run).cloned()) {
                        return Ok(Whereabouts::In(known));
                    }
                    match self.first(&stream).await? {
                        Some(home) => home,
                        None => return Ok(Whereabouts::Missing),
                    }
                }
            };
        }
    }

    async fn first(&self, stream: &StreamId) -> Result<Option<Home>, Refused> {
        let Some(batch) = self.log.read_stream(stream, Version(1)).next().await else { return Ok(None) };
        let batch = batch?;
        let Some(recorded) = batch.first() else { return Ok(None) };
        let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
        Ok(Some(namespace::of_first(&event)))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<RunId, Arc<str>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> fmt::Debug for Homes<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Homes").finish_non_exhaustive()
    }
}
