//! Webhooks: tells receivers outside of events, in order, each at least once, until they have them.
//!
//! One task follows the log, knows which webhooks there are, and hands each the newest state of itself. Each webhook has
//! a worker of its own, which follows the log from its cursor; commits wake it, and nothing is polled.
//!
//! Invariant: the cursor of a webhook only passes events that were delivered or stand on the dead-letter list, so after
//! a crash an event may be delivered again, under the same `webhook-id`, and none is left out.

mod delivery;
mod registered;
mod signature;
mod source;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    webhook::{State, Webhook},
};
use openclaw_egress::Gate;
use openclaw_gateway::{Sequencer, sequencer::Refused, webhooks};
use openclaw_log::{EventLog, ReadError};
use openclaw_model::{Event, Recorded, StreamId, StreamKind, Version};
use openclaw_ports::{Clock, Ids, secrets::Secrets};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use registered::Registered;

/// How deliveries are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How often a delivery is tried before it is given up; at least 1.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Longest time for one attempt.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 16,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15 * 60),
            timeout: Duration::from_secs(15),
        }
    }
}

/// What webhooks work with.
pub struct Parts<L> {
    /// Where events come from.
    pub log: Arc<L>,
    /// Where it is recorded how far deliveries have come.
    pub sequencer: Sequencer,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids, and what is random.
    pub ids: Arc<dyn Ids>,
    /// The keys that sign.
    pub secrets: Arc<dyn Secrets>,
    /// Which receivers may be connected to.
    pub gate: Gate,
    /// How deliveries are made.
    pub limits: Limits,
}

/// Handle to the running webhooks.
#[derive(Debug)]
pub struct Webhooks {
    stopping: CancellationToken,
    ended: watch::Receiver<bool>,
}

impl Webhooks {
    /// Makes the webhooks and their task, which the caller runs. `registered` are those that there are.
    pub fn new<L: EventLog>(
        parts: Parts<L>,
        registered: Registered,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let stopping = CancellationToken::new();
        let (end, ended) = watch::channel(false);
        let keeper = Keeper {
            parts: Arc::new(parts),
            registered,
            stopping: stopping.clone(),
            hooks: HashMap::new(),
            workers: JoinSet::new(),
        };
        let task = async move {
            if let Err(error) = keeper.run().await {
                tracing::error!(%error, "webhooks are told nothing any more until the server is started again");
            }
            end.send_replace(true);
        };
        (Self { stopping, ended }, task)
    }

    /// Begins no more deliveries, breaks off those under way and records what was delivered.
    pub async fn stop(&self) {
        self.stopping.cancel();
        // An error means that the task is gone, which is as good as an end.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

/// One webhook, as the log has it.
struct Hook {
    state: watch::Sender<Arc<State>>,
    version: Version,
}

/// Follows the log and keeps a worker for every webhook.
struct Keeper<L> {
    parts: Arc<Parts<L>>,
    registered: Registered,
    stopping: CancellationToken,
    hooks: HashMap<StreamId, Hook>,
    workers: JoinSet<()>,
}

impl<L: EventLog> Keeper<L> {
    async fn run(mut self) -> Result<(), Refused> {
        let from = self.registered.position().next();
        for name in self.registered.names().clone() {
            let stream = webhooks::stream(&name).map_err(|error| Refused::Unreadable(error.to_string()))?;
            self.open(stream).await?;
        }
        let mut tail = self.parts.log.tail(from);
        loop {
            tokio::select! {
                batch = tail.next() => match batch {
                    Some(batch) => {
                        for recorded in batch?.iter() {
                            self.follow(recorded).await?;
                        }
                    }
                    None => break,
                },
                Some(ended) = self.workers.join_next(), if !self.workers.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the worker of a webhook panicked");
                    }
                }
                () = self.stopping.cancelled() => break,
            }
        }
        while self.workers.join_next().await.is_some() {}
        self.registered.save_or_warn();
        Ok(())
    }

    async fn follow(&mut self, recorded: &Recorded) -> Result<(), Refused> {
        self.registered.follow(recorded);
        if recorded.stream.kind() != StreamKind::Webhook {
            return Ok(());
        }
        match self.hooks.get_mut(&recorded.stream) {
            // Folded when it was opened.
            Some(hook) if recorded.version <= hook.version => {}
            Some(hook) => {
                let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                hook.version = recorded.version;
                if let Event::Webhook(event) = &event {
                    hook.state.send_modify(|state| {
                        Webhook::evolve(Arc::make_mut(state), event, recorded.version, recorded.at);
                    });
                }
                if hook.state.borrow().target.is_none() {
                    // Its worker sees that, and leaves.
                    self.hooks.remove(&recorded.stream);
                }
            }
            None => self.open(recorded.stream.clone()).await?,
        }
        Ok(())
    }

    /// Employs a worker for the webhook, if there is one.
    async fn open(&mut self, stream: StreamId) -> Result<(), Refused> {
        let (state, version) = webhooks::fold(&*self.parts.log, &stream).await?;
        if state.target.is_none() {
            return Ok(());
        }
        let (sender, receiver) = watch::channel(Arc::new(state));
        let work = worker::work(self.parts.clone(), stream.clone(), receiver, self.stopping.clone());
        self.workers.spawn(work);
        self.hooks.insert(stream, Hook { state: sender, version });
        Ok(())
    }
}
