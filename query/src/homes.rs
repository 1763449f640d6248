//! The namespaces of streams, for answers that come from the log itself.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{Context, Result};
use futures_util::StreamExt as _;
use lru::LruCache;
use openclaw_model::{
    RunId, StreamId, Version,
    access::{Grants, Need},
    namespace::{self, Home},
};

use crate::{
    Deps,
    access::{Reach, Reader},
    caller::Caller,
    fault,
    history::History,
};

/// Runs of which the namespace is kept. It never changes, so nothing has to be forgotten.
const KEPT: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");

/// Namespaces of runs that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Homes(Arc<Mutex<LruCache<RunId, Arc<str>>>>);

impl Default for Homes {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(KEPT))))
    }
}

impl Homes {
    /// The namespace of a stream; none if it belongs to none, or is not there.
    async fn of(&self, history: &dyn History, stream: &StreamId) -> Result<Option<Arc<str>>> {
        let mut home = stream.home();
        let mut stream = stream.clone();
        loop {
            home = match home {
                Home::Namespace(name) => {
                    let name: Arc<str> = name.into();
                    if let Some(run) = stream.as_run() {
                        self.kept().put(run, name.clone());
                    }
                    return Ok(Some(name));
                }
                Home::Nowhere => return Ok(None),
                Home::Run(run) => {
                    stream = StreamId::run(run);
                    Home::First
                }
                Home::First => {
                    if let Some(known) = stream.as_run().and_then(|run| self.kept().get(&run).cloned()) {
                        return Ok(Some(known));
                    }
                    match first(history, &stream).await? {
                        Some(home) => home,
                        None => return Ok(None),
                    }
                }
            };
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<RunId, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn first(history: &dyn History, stream: &StreamId) -> Result<Option<Home>> {
    let Some(batch) = history.read_stream(stream, Version(1)).next().await else { return Ok(None) };
    let batch = batch.map_err(|error| fault::log(&error))?;
    // What cannot be read is nobody's, and stops the projection anyway.
    Ok(batch.first().and_then(|recorded| recorded.decode().ok()).map(|event| namespace::of_first(&event)))
}

/// Somebody who looks at the log and at the rows, for as long as a subscription lasts.
#[derive(Clone)]
pub(crate) struct Onlooker {
    pub(crate) deps: Deps,
    grants: Arc<Grants>,
    homes: Homes,
}

impl Onlooker {
    /// The caller of this question.
    pub(crate) fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self {
            deps: ctx.data::<Deps>()?.clone(),
            grants: ctx.data::<Caller>()?.grants.clone(),
            homes: ctx.data::<Homes>()?.clone(),
        })
    }

    /// Whether the caller may see what happens in `stream`, as far as `need` is concerned.
    pub(crate) async fn sees(&self, need: Need, stream: &StreamId) -> Result<bool> {
        let reach = Reach::new(&self.grants, need);
        // Most callers see everything; for them nothing is looked up.
        if reach.is_everywhere() {
            return Ok(true);
        }
        Ok(reach.sees(self.homes.of(&*self.deps.history, stream).await?.as_deref()))
    }

    /// A connection to the rows that the caller sees.
    pub(crate) async fn reader(&self) -> Result<Reader> {
        let rows = self.deps.views.reader().await.map_err(|error| fault::unavailable(&error))?;
        Ok(Reader::new(rows, self.grants.clone()))
    }
}
