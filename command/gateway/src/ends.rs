//! Telling those who wait for a run that it has ended.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use openclaw_model::{Event, RunId, event::run::RunEvent};
use tokio::sync::watch;

use crate::sequencer::Commit;

/// Who waits for which run.
#[derive(Debug, Default)]
pub struct Ends {
    waiting: Mutex<HashMap<RunId, watch::Sender<bool>>>,
}

impl Ends {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A receiver that turns true when `run` ends. It says nothing about an end before this call: look at the run
    /// after it.
    #[must_use]
    pub fn watch(&self, run: RunId) -> watch::Receiver<bool> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody watches any more were given up before the end.
        if waiting.len() > 1_024 && waiting.len().is_power_of_two() {
            waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        waiting.entry(run).or_insert_with(|| watch::Sender::new(false)).subscribe()
    }

    /// Wakes those who wait for the run, if `commit` ended it.
    pub fn tell(&self, commit: &Commit) {
        let ended = matches!(
            commit.events.last(),
            Some(Event::Run(RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_)))
        );
        if ended && let Some(run) = commit.stream.as_run() {
            let sender = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
            if let Some(sender) = sender {
                sender.send_replace(true);
            }
        }
    }
}
