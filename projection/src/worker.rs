//! The worker: keeps one generation up to date, replaces it when it has to, says how far it is.

mod handle;

use std::{path::Path, sync::Arc};

use openclaw_log::EventLog;
use openclaw_model::{Position, Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Changed, Failure, Progress, Status,
    builder::{self, Built},
    feed::Feed,
    generation::{Directory, Generation, Name},
    metrics,
    schema::Digest,
    store::Store,
};

pub use handle::{RebuildError, Unavailable, Views};

/// Why the projector could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of the read model cannot be used. `OC-PRJ-006`.
    #[error("[OC-PRJ-006] the directory of the read model cannot be used: {0}")]
    Directory(#[from] std::io::Error),
}

/// The running worker.
#[derive(Debug)]
pub struct Projector {
    views: Views,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Projector {
    /// Starts to show `log` in `directory`, which it makes if it is missing.
    ///
    /// Returns at once: an intact read model is served from where it stands while it catches up; one that is
    /// missing, damaged, of another shape or not of this log is built anew in the background.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start<L: EventLog>(log: Arc<L>, directory: &Path) -> Result<Self, StartError> {
        metrics::describe();
        let directory = Directory::open(directory)?;
        let (views, requests) = Views::new();
        let stop = CancellationToken::new();
        let mut worker = Worker::new(log, directory, views.clone(), stop.clone());
        worker.resume().await?;
        let tasks = TaskTracker::new();
        tasks.spawn(worker.run(requests));
        tasks.close();
        Ok(Self { views, stop, tasks })
    }

    /// The side that readers use.
    #[must_use]
    pub fn views(&self) -> Views {
        self.views.clone()
    }

    /// Stops after the transaction under way. The read model stays readable.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

type Waiters = Vec<oneshot::Sender<Result<Position, Failure>>>;

struct Worker<L> {
    log: Arc<L>,
    directory: Directory,
    views: Views,
    stop: CancellationToken,
    /// The writer of the serving generation; none while there is none of this shape, or after a failure.
    store: Option<Store>,
    feed: Option<Feed>,
    /// What readers can see.
    shown: Position,
    at: Timestamp,
    failure: Option<Failure>,
    builds: JoinSet<Result<Built, Failure>>,
    built: watch::Sender<Position>,
    waiters: Waiters,
}

impl<L: EventLog> Worker<L> {
    fn new(log: Arc<L>, directory: Directory, views: Views, stop: CancellationToken) -> Self {
        Self {
            log,
            directory,
            views,
            stop,
            store: None,
            feed: None,
            shown: Position::START,
            at: Timestamp::default(),
            failure: None,
            builds: JoinSet::new(),
            built: watch::Sender::new(Position::START),
            waiters: Vec::new(),
        }
    }

    /// Takes up the generation that the pointer names, or begins a new one.
    async fn resume(&mut self) -> std::io::Result<()> {
        let current = self.directory.current();
        self.directory.remove_others(current.as_ref())?;
        match current {
            Some(name) if name.digest == Digest::current() => match self.usable(&name).await {
                Ok(store) => {
                    (self.shown, self.at) = (store.position(), store.at());
                    self.serve(name, store);
                }
                Err(reason) => {
                    tracing::warn!(file = name.file(), reason, "the read model is built anew");
                    self.build();
                }
            },
            // Other code, same tables: it shows what it shows until its successor is there.
            Some(name) if name.digest.is_readable() => {
                if let Ok(store) = Store::open(&self.directory.path(&name)).await {
                    (self.shown, self.at) = (store.position(), store.at());
                    self.views.offer(Generation::new(&self.directory, name));
                }
                self.build();
            }
            _ => self.build(),
        }
        self.publish();
        Ok(())
    }

    /// Opens a generation of this shape, if its rows are of this log.
    async fn usable(&self, name: &Name) -> Result<Store, String> {
        let mut store = Store::open(&self.directory.path(name)).await.map_err(|error| error.to_string())?;
        let head = self.log.head().position;
        if store.position() > head {
            return Err(format!("it shows position {}, the log ends at {head}", store.position()));
        }
        let newest = store.newest().await.map_err(|error| error.to_string())?;
        let recorded = handle::event_at(&*self.log, store.position()).await;
        if let (Some(newest), Ok(recorded)) = (newest, recorded)
            && recorded.is_none_or(|recorded| recorded.id != newest)
        {
            return Err("its newest event is another one in the log".to_owned());
        }
        Ok(store)
    }

    fn serve(&mut self, name: Name, store: Store) {
        let before = store.position();
        self.feed = Some(Feed::start(self.log.tail(before.next()), before));
        self.store = Some(store);
        self.views.offer(Generation::new(&self.directory, name));
    }

    fn build(&mut self) {
        self.built.send_replace(Position::START);
        self.builds.spawn(builder::build(Arc::clone(&self.log), self.directory.clone(), self.built.clone()));
    }

    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<Result<Position, Failure>>>) {
        let mut built = self.built.subscribe();
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(waiter) = requests.recv() => {
                    self.waiters.push(waiter);
                    if self.builds.is_empty() {
                        self.build();
                    }
                    self.publish();
                }
                Some(done) = self.builds.join_next() => {
                    let done = done.unwrap_or_else(|error| Err(Failure::storage(self.shown, &error)));
                    self.finish_build(done).await;
                    self.publish();
                }
                Ok(()) = built.changed() => self.publish(),
                portion = next(&mut self.feed) => {
                    let Some(portion) = portion else {
                        self.feed = None; // the log was closed
                        continue;
                    };
                    if let Some(mut store) = self.store.take() {
                        match store.apply(portion).await {
                            Ok(runs) => {
                                self.show(&store);
                                self.store = Some(store);
                                self.publish();
                                self.views.changed(Changed { position: self.shown, runs });
                            }
                            Err(failure) => {
                                self.show(&store);
                                self.fail(failure);
                                self.publish();
                            }
                        }
                    }
                }
            }
        }
        if let Some(store) = self.store.take()
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "the read model was not closed cleanly; the next start takes it up all the same");
        }
    }

    fn show(&mut self, store: &Store) {
        (self.shown, self.at) = (store.position(), store.at());
    }

    fn fail(&mut self, failure: Failure) {
        tracing::error!(code = failure.code(), position = failure.position().0, %failure, "the projector stopped");
        metrics::failed(&failure);
        (self.store, self.feed) = (None, None);
        self.failure = Some(failure);
    }

    async fn finish_build(&mut self, done: Result<Built, Failure>) {
        let outcome = match done {
            Ok(built) => self.switch(built).await,
            Err(failure) => Err(failure),
        };
        for waiter in self.waiters.drain(..) {
            // Who asked may have gone.
            let _ = waiter.send(outcome.clone());
        }
        match outcome {
            Ok(position) => {
                tracing::info!(%position, "a new generation of the read model serves");
                metrics::rebuilt();
            }
            // A generation that is kept up to date goes on serving; the one who asked for a new one was told.
            Err(failure) if self.store.is_some() => tracing::warn!(%failure, "the rebuild failed"),
            Err(failure) => self.fail(failure),
        }
    }

    /// Brings a built generation up to the serving one and puts it in its place.
    async fn switch(&mut self, built: Built) -> Result<Position, Failure> {
        let Built { name, position, failure } = built;
        // One that stopped early is better than none, but worse than one that shows more.
        if let Some(failure) = &failure
            && self.shown > position
        {
            self.discard(&name);
            return Err(failure.clone());
        }
        let store = match self.catch_up(&name).await {
            Ok(store) => store,
            Err(failure) => {
                self.discard(&name);
                return Err(failure);
            }
        };
        let (directory, pointed) = (self.directory.clone(), name.clone());
        let switched = tokio::task::spawn_blocking(move || directory.switch(&pointed)).await;
        let switched = switched.map_err(std::io::Error::other).and_then(|switched| switched);
        if let Err(error) = switched {
            self.discard(&name);
            return Err(Failure::storage(position, &error));
        }
        self.show(&store);
        self.failure = None;
        let shown = self.shown;
        self.serve(name.clone(), store);
        if let Err(error) = self.directory.remove_others(Some(&name)) {
            tracing::warn!(%error, "an old generation could not be removed; the next start tries again");
        }
        match failure {
            // The rows up to the event that stopped the build are served; the feed will meet it again.
            Some(failure) => {
                self.fail(failure.clone());
                Err(failure)
            }
            None => Ok(shown),
        }
    }

    async fn catch_up(&self, name: &Name) -> Result<Store, Failure> {
        let failed = |error: sqlx::Error| Failure::storage(self.shown, &error);
        let mut store = Store::open(&self.directory.path(name)).await.map_err(failed)?;
        if store.position() < self.shown {
            let mut feed = Feed::start(self.log.read(store.position().next()), store.position());
            while let Some(portion) = feed.next().await {
                store.apply(portion).await?;
            }
        }
        Ok(store)
    }

    fn discard(&self, name: &Name) {
        if let Err(error) = self.directory.remove(name) {
            tracing::warn!(%error, file = name.file(), "a discarded generation could not be removed");
        }
    }

    fn publish(&self) {
        let head = self.log.head();
        let status = match &self.failure {
            _ if !self.builds.is_empty() => Status::Rebuilding { built: *self.built.borrow() },
            Some(failure) => Status::Failed(failure.clone()),
            None => Status::CatchingUp,
        };
        let progress = Progress { position: self.shown, at: self.at, status }.against(head.position);
        metrics::lag(&progress, head);
        self.views.publish(progress);
    }
}

/// The next portion; waits for ever without a feed.
async fn next(feed: &mut Option<Feed>) -> Option<crate::store::Portion> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}
