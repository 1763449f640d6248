//! Building a generation from the whole log.

use std::sync::Arc;

use openclaw_log::EventLog;
use openclaw_model::Position;
use tokio::sync::watch;

use crate::{
    Failure,
    feed::{Feed, PORTION_EVENTS},
    generation::{Directory, Name},
    store::Store,
};

/// A complete generation that does not serve yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) name: Name,
    pub(crate) position: Position,
    /// Why it does not show the whole log. What it shows is complete up to its position.
    pub(crate) failure: Option<Failure>,
}

/// Builds a generation in a new file and checks it. Says on `progress` how far it has come.
///
/// # Errors
/// When the file could not be written or did not pass its checks; it is removed then.
pub(crate) async fn build<L: EventLog>(
    log: Arc<L>,
    directory: Directory,
    progress: watch::Sender<Position>,
) -> Result<Built, Failure> {
    let name = directory.next().map_err(|error| Failure::storage(Position::START, &error))?;
    match fill(&*log, &directory, &name, &progress).await {
        Ok((position, failure)) => Ok(Built { name, position, failure }),
        Err(failure) => {
            if let Err(error) = directory.remove(&name) {
                tracing::warn!(%error, file = name.file(), "a failed build could not be removed");
            }
            Err(failure)
        }
    }
}

async fn fill<L: EventLog>(
    log: &L,
    directory: &Directory,
    name: &Name,
    progress: &watch::Sender<Position>,
) -> Result<(Position, Option<Failure>), Failure> {
    let failed = |error: sqlx::Error| Failure::storage(Position::START, &error);
    let mut store = Store::create(&directory.path(name)).await.map_err(failed)?;
    let mut stopped = None;
    loop {
        // What is appended meanwhile is read in further rounds, until the worker can catch up with the rest at once.
        let behind = log.head().position.0.saturating_sub(store.position().0);
        let almost = store.position() > Position::START && behind <= PORTION_EVENTS as u64;
        if behind == 0 || almost || stopped.is_some() {
            break;
        }
        let mut feed = Feed::start(log.read(store.position().next()), store.position());
        while let Some(portion) = feed.next().await {
            match store.apply(portion).await {
                Ok(_) => {}
                Err(failure @ Failure::Storage { .. }) => return Err(failure),
                Err(failure) => stopped = Some(failure),
            }
            progress.send_replace(store.position());
        }
    }
    store.complete().await?;
    let position = store.position();
    store.close().await.map_err(|error| Failure::storage(position, &error))?;
    Ok((position, stopped))
}
