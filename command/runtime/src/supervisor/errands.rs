//! What the supervisor has done by others: paying what is owed, ticking, offering events to schedules, saving the index.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use openclaw_core::{approval, run};
use openclaw_gateway::sequencer::{self, Refused, Rejection, Submission};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, ApprovalId, CommandDigest, CommandId, Position, StreamId, Timestamp, envelope::Causality,
};
use tokio::time::Instant;

use super::{Parts, SAVE_AFTER, Stage, Supervisor, Timer};
use crate::{index::Owed, metrics, schedule};

/// What became of an errand.
pub(super) enum Errand {
    /// Something owed was paid, or not.
    Paid(Owed, Result<(), Refused>),
    /// An approval was told that its time is over.
    Expired(ApprovalId, Result<(), Refused>),
    /// A schedule has dealt with what was due.
    Ticked(Arc<str>, Result<(), Refused>),
    /// A schedule has looked at an event.
    Offered(Arc<str>, Position, Result<(), Refused>),
    /// The index was written, in this time.
    Saved(io::Result<()>, Duration),
}

impl<L: EventLog> Supervisor<L> {
    fn stopping(&self) -> bool {
        *self.stage.borrow() != Stage::Running
    }

    /// Pays what is owed, unless that is under way.
    pub(super) fn pay(&mut self, owed: Owed) {
        if self.stopping() || !self.open.owed().contains(&owed) || !self.paying.insert(owed.clone()) {
            return;
        }
        let parts = self.parts.clone();
        let scheduled = match &owed {
            Owed::Settle { workflow } => self.open.schedules().get(workflow).cloned(),
            _ => None,
        };
        self.errands.spawn(async move {
            let paid = match &owed {
                Owed::Close { run, kill } => {
                    let reason = Some("nobody waits for it any more".to_owned());
                    let command = run::Command::Cancel { reason, kill: *kill };
                    submit(&parts, StreamId::run(*run), command).await
                }
                Owed::Void { approval, task } => {
                    let reason = "the task that asked waits no more".to_owned();
                    let command = approval::Command::Void { task: Some(*task), reason };
                    submit(&parts, StreamId::approval(*approval), command).await
                }
                Owed::Start { schedule, run, due } => schedule::start(&parts, schedule, *run, *due).await,
                Owed::Settle { workflow } => schedule::settle(&parts, workflow, scheduled.as_ref()).await,
            };
            Errand::Paid(owed, paid)
        });
    }

    /// Tells an approval that its time is over, if it still is at that time.
    pub(super) fn expire(&mut self, approval: ApprovalId, due: Timestamp) {
        if self.stopping() || self.open.deadline(approval) != Some(due) {
            return;
        }
        let parts = self.parts.clone();
        self.errands.spawn(async move {
            let command = approval::Command::Expire { due };
            Errand::Expired(approval, submit(&parts, StreamId::approval(approval), command).await)
        });
    }

    /// Sets the clock for the next due time of a schedule.
    pub(super) fn plan(&mut self, name: &Arc<str>) {
        if let Some(next) = self.open.schedules().get(&**name).and_then(schedule::next) {
            self.due.insert((next, Timer::Schedule(name.clone())));
        }
    }

    /// Deals with the due times of a schedule, if one has come.
    pub(super) fn tick(&mut self, name: &Arc<str>, now: Timestamp) {
        let Some(scheduled) = self.open.schedules().get(&**name) else { return };
        if self.stopping() || schedule::next(scheduled).is_none_or(|next| next > now) {
            return;
        }
        if !self.busy.insert(name.clone()) {
            // Whoever is busy plans anew at the end.
            return;
        }
        let (parts, name, awake) = (self.parts.clone(), name.clone(), self.awake);
        let (scheduled, open) = (scheduled.clone(), self.open.is_under_way(scheduled));
        self.errands.spawn(async move {
            let ticked = schedule::tick(&parts, &name, &scheduled, awake, open).await;
            Errand::Ticked(name, ticked)
        });
    }

    /// Offers the next event to a schedule that waits for events.
    pub(super) fn offer(&mut self, name: &Arc<str>) {
        let Some(scheduled) = self.open.schedules().get(&**name) else { return };
        let Some(offered) = scheduled.events.front().cloned() else { return };
        if self.stopping() || !self.busy.insert(name.clone()) {
            return;
        }
        let (parts, name, scheduled) = (self.parts.clone(), name.clone(), scheduled.clone());
        self.errands.spawn(async move {
            let result = schedule::offer(&parts, &name, &scheduled, &offered).await;
            Errand::Offered(name, offered.position, result)
        });
    }

    pub(super) fn save(&mut self) {
        self.saving.at = None;
        self.saving.under_way = true;
        let write = self.open.save();
        self.errands.spawn_blocking(move || {
            let begun = Instant::now();
            Errand::Saved(write(), begun.elapsed())
        });
    }

    pub(super) fn done(&mut self, done: Result<Errand, tokio::task::JoinError>) {
        match done {
            Ok(Errand::Paid(owed, result)) => self.paid(owed, result),
            Ok(Errand::Expired(approval, result)) => {
                if let Err(refused) = result {
                    tracing::debug!(%approval, %refused, "an approval did not take the end of its time");
                }
            }
            Ok(Errand::Ticked(name, result)) => {
                self.busy.remove(&name);
                match result {
                    Ok(()) => self.plan(&name),
                    // Not at once again, and not never: the next start, or the next change of the schedule.
                    Err(refused) => tracing::warn!(schedule = %name, %refused, "a tick was not recorded"),
                }
                self.offer(&name);
            }
            Ok(Errand::Offered(name, position, result)) => {
                self.busy.remove(&name);
                match result {
                    Ok(()) => {
                        self.open.offered(&name, position);
                        self.offer(&name);
                    }
                    Err(refused) => tracing::warn!(schedule = %name, %refused, "an event was not offered"),
                }
                self.plan(&name);
            }
            Ok(Errand::Saved(result, took)) => {
                self.saving.under_way = false;
                self.saving.after = SAVE_AFTER.max(took * 20);
                if let Err(error) = result {
                    tracing::warn!(%error, "the index of open runs was not saved");
                }
            }
            Err(error) => {
                tracing::error!(%error, "an errand panicked");
                self.paying = BTreeSet::new();
                self.busy.clear();
                self.saving.under_way = false;
            }
        }
    }

    fn paid(&mut self, owed: Owed, result: Result<(), Refused>) {
        self.paying.remove(&owed);
        match result {
            // The log shows that runs were started and asked to stop; the others leave no trace if they change nothing.
            Ok(()) => self.open.paid(&owed),
            Err(Refused::Rejected(rejection)) => {
                // It ended by itself, or never began.
                tracing::debug!(?owed, %rejection, "what was owed is not wanted any more");
                self.open.paid(&owed);
            }
            Err(refused) => {
                metrics::unpaid();
                tracing::warn!(?owed, %refused, "what is owed is left to the next start");
            }
        }
    }
}

async fn submit<L: EventLog>(
    parts: &Parts<L>,
    stream: StreamId,
    command: impl Into<sequencer::Command>,
) -> Result<(), Refused> {
    let submission = Submission {
        stream,
        command: command.into(),
        id: CommandId(*parts.ids.next().as_bytes()),
        digest: CommandDigest([0; 16]),
        keyed: false,
        expected: Default::default(),
        actor: Actor::RUNTIME,
        causality: Causality::default(),
    };
    match parts.sequencer.submit_patiently(submission).await {
        // A run whose history is still being copied cannot be cancelled yet; that is rare and soon over.
        Err(Refused::Rejected(Rejection::Run(run::Rejection::Copying))) => {
            Err(Refused::Unreadable("the history of the run is still being copied".into()))
        }
        result => result.map(|_| ()),
    }
}
