//! Giving runs workers, and taking leave of them.

use std::cmp::Reverse;

use openclaw_log::EventLog;
use openclaw_model::RunId;
use tokio::sync::mpsc;

use super::{Stage, Supervisor, Timer};
use crate::{
    metrics,
    worker::{Brief, Exit, Poke, Pokes, Worker},
};

/// A run whose workers panic more often than this is left alone until something happens to it.
const MOST_PANICS: u32 = 3;

impl<L: EventLog> Supervisor<L> {
    /// Tells a run what came for it; gives it a worker first if it has none.
    pub(super) fn poke(&mut self, run: RunId, poke: Poke) {
        match self.running.get(&run) {
            // A worker that is leaving hands its unread pokes back.
            Some(pokes) => drop(pokes.send(poke)),
            // The new worker folds the run and is told what waits for it.
            None => self.employ(run, false),
        }
    }

    /// Gives a run a worker, unless it has one, may not begin yet, or has to wait for a place.
    pub(super) fn employ(&mut self, run: RunId, recovered: bool) {
        if *self.stage.borrow() != Stage::Running || self.running.contains_key(&run) {
            return;
        }
        let Some(open) = self.open.run(run) else { return };
        if !self.open.admits(run) {
            // It is let in when there is room.
            return;
        }
        if self.parts.max_active_runs.is_some_and(|most| self.running.len() >= most.max(1)) {
            let priority = open.more.as_ref().map_or(0, |more| more.priority);
            self.turn += 1;
            let (place, recovers) = self.queued.entry(run).or_insert(((Reverse(priority), self.turn), false));
            *recovers |= recovered;
            self.queue.insert(*place, run);
            metrics::queued(self.queue.len());
            return;
        }
        self.open.employ(run);
        let recovered = recovered | self.suspect.remove(&run);
        let (sender, pokes) = mpsc::unbounded_channel();
        self.running.insert(run, sender);
        let brief = Brief {
            recovered,
            elsewhere: self.open.elsewhere(run),
            deliveries: self.open.deliveries(run).into(),
        };
        let worker = Worker::new(self.parts.clone(), run, self.stage.clone(), self.handled.clone());
        self.workers.spawn(async move {
            let (exit, pokes) = worker.run(pokes, brief).await;
            (run, exit, pokes)
        });
    }

    /// A run that waited for a time goes on; one that has not begun may find room now.
    pub(super) fn on_time(&mut self, run: RunId) {
        let bound = self.open.run(run).and_then(|open| open.more.as_ref()?.concurrency.as_ref());
        match bound.map(|bound| bound.key.clone()).filter(|_| !self.open.admits(run)) {
            Some(key) => self.admit(&key),
            None => self.employ(run, false),
        }
    }

    /// Lets runs of a concurrency key begin, as many as there is room for.
    pub(super) fn admit(&mut self, key: &str) {
        let now = self.parts.clock.now();
        for run in self.open.let_in(key, now) {
            self.employ(run, false);
        }
    }

    pub(super) fn dismiss(&mut self, left: Result<(RunId, Exit, Pokes), tokio::task::JoinError>) {
        match left {
            Ok((run, exit, pokes)) => self.leave(run, exit, pokes),
            Err(error) => {
                tracing::error!(%error, "a worker panicked");
                // Which run it was is not known any more: those without a living worker.
                let lost = self.running.iter().filter(|(_, pokes)| pokes.is_closed());
                for run in lost.map(|(run, _)| *run).collect::<Vec<_>>() {
                    self.running.remove(&run);
                    self.suspect.insert(run);
                    let panics = self.panics.entry(run).or_default();
                    *panics += 1;
                    if *panics <= MOST_PANICS {
                        self.employ(run, true);
                    }
                }
            }
        }
        while self.parts.max_active_runs.is_some_and(|most| self.running.len() < most.max(1))
            && let Some((_, run)) = self.queue.pop_first()
        {
            let recovered = self.queued.remove(&run).is_some_and(|(_, recovered)| recovered);
            metrics::queued(self.queue.len());
            self.employ(run, recovered);
        }
    }

    fn leave(&mut self, run: RunId, exit: Exit, mut pokes: Pokes) {
        self.running.remove(&run);
        match exit {
            Exit::Ended => {
                // Open in spite of that: it was retried at once. Nothing happens if it is not.
                self.employ(run, true);
            }
            Exit::Stopped(reason) => {
                tracing::warn!(%run, reason, "a run was left where it stands");
                self.suspect.insert(run);
            }
            Exit::Parked { version, due } => {
                if pokes.try_recv().is_ok() {
                    self.employ(run, false);
                } else {
                    self.open.park(run, version, due);
                    if let Some(due) = due {
                        self.due.insert((due, Timer::Run(run)));
                    }
                }
            }
        }
    }
}
