//! The effects of a run that are under way in this process.

use std::sync::Arc;

use openclaw_core::run::{Labels, Pending, State, pending};
use openclaw_gateway::runs;
use openclaw_log::EventLog;
use openclaw_model::{
    TaskId, Timestamp,
    event::run::{Intent, Request, WorkflowError},
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::{
    error,
    stepper::{self, Stimulus},
};
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::{metrics, supervisor::Stage};

/// An effect under way.
pub(super) struct Performing {
    cancel: CancellationToken,
    abort: AbortHandle,
    /// Whether it goes through our own sequencer, so that it must not be undone when only the process stops.
    own: bool,
    /// Whether it is a container, which goes on when only the process stops, and is found again.
    stays: bool,
    /// It ended elsewhere while it was looked at, so it is to be looked at again.
    again: bool,
}

/// What came of it.
pub(super) enum Done {
    /// It has ended.
    Outcome(EffectOutcome),
    /// The child run has ended, to which data with these labels had come.
    Child(EffectOutcome, Labels),
    /// People allow it.
    Permitted,
    /// It goes on elsewhere.
    Elsewhere,
    /// What asking about it gave.
    Answer(Result<Option<Value>, WorkflowError>),
}

impl Performing {
    /// Stops it because the worker leaves, not because the run wants it stopped. `ended` says that the run has ended.
    pub(super) fn stop(&self, ended: bool) {
        if self.own || (self.stays && !ended) {
            self.abort.abort();
        } else {
            self.cancel.cancel();
        }
    }
}

impl<L: EventLog> Worker<L> {
    /// Starts the effects that are owed and stops those that nobody waits for any more. Returns when the run wants
    /// to be stepped next.
    pub(super) fn tend(&mut self, state: &State, stage: Stage) -> Option<Timestamp> {
        self.performing.retain(|task, performing| {
            let wanted = state.tasks.contains_key(task);
            if !wanted {
                performing.cancel.cancel();
            }
            wanted
        });
        self.elsewhere.retain(|task| state.tasks.contains_key(task));
        let mut next = None;
        for work in pending(state) {
            match work {
                Pending::Effect { task, intent, dispatch } => {
                    let begun = self.performing.contains_key(&task) || self.elsewhere.contains(&task);
                    if stage == Stage::Running && !begun {
                        if dispatch == 0 { self.ask(task, intent) } else { self.perform(task, intent) }
                    }
                }
                Pending::Timer { due } => next = Some(due),
                // What can be stepped has been stepped.
                Pending::Step => {}
            }
        }
        next
    }

    /// Asks people about an effect that a policy wants them to decide about.
    fn ask(&mut self, task: TaskId, intent: Arc<Intent>) {
        let (effects, run) = (self.parts.effects.clone(), self.run);
        metrics::effect_started();
        let abort = self.outcomes.spawn(async move {
            let done = match effects.permit(run, task, &intent).await {
                Some(Ok(())) => Done::Permitted,
                Some(Err(refused)) => Done::Outcome(Err(refused)),
                None => Done::Elsewhere,
            };
            (task, done)
        });
        let cancel = CancellationToken::new();
        self.performing.insert(task, Performing { cancel, abort, own: true, stays: false, again: false });
    }

    fn perform(&mut self, task: TaskId, intent: Arc<Intent>) {
        let effects = self.parts.effects.clone();
        let log = self.parts.log.clone();
        let cancel = CancellationToken::new();
        let own = matches!(intent.request, Request::Run(_) | Request::Command(_) | Request::Approval(_));
        let stays = matches!(intent.request, Request::Container(_));
        let asks = self.questions.remove(&task);
        let (run, token) = (self.run, cancel.clone());
        metrics::effect_started();
        let abort = self.outcomes.spawn(async move {
            if asks && let Some(inquiry) = &intent.inquiry {
                let answer = tokio::select! {
                    answer = effects.inquire(run, task, inquiry, &intent.key) => answer,
                    () = token.cancelled() => Err(error::runtime("cancelled".into())),
                };
                return (task, Done::Answer(answer));
            }
            // The stepper lets no such effect come to be pending.
            if let Some(denied) = stepper::denied(&intent) {
                return (task, Done::Outcome(Err(denied)));
            }
            let done = match &intent.request {
                Request::Run(child) => match effects.begin(run, task, &intent).await {
                    // What it gives back is made of what it has read.
                    Some(outcome) if child.wait => match runs::fold(&*log, child.run).await {
                        Ok(folded) => Done::Child(outcome, folded.state.reached.labels()),
                        Err(unreadable) => Done::Outcome(Err(error::runtime(unreadable.to_string()))),
                    },
                    Some(outcome) => Done::Outcome(outcome),
                    None => Done::Elsewhere,
                },
                Request::Approval(_) => {
                    effects.begin(run, task, &intent).await.map_or(Done::Elsewhere, Done::Outcome)
                }
                _ => Done::Outcome(effects.perform(run, task, &intent, token).await),
            };
            (task, done)
        });
        self.performing.insert(task, Performing { cancel, abort, own, stays, again: false });
    }

    /// What an effect that ended means for the run; nothing if the run does not wait for it any more.
    pub(super) fn take(
        &mut self,
        ended: Result<(tokio::task::Id, (TaskId, Done)), tokio::task::JoinError>,
        state: &State,
    ) -> Option<Stimulus> {
        metrics::effect_ended();
        let (task, done) = match ended {
            Ok((_, ended)) => ended,
            Err(failure) => {
                let task = self
                    .performing
                    .iter()
                    .find(|(_, performing)| performing.abort.id() == failure.id())
                    .map(|(task, _)| *task)?;
                tracing::error!(run = %self.run, %task, %failure, "an effect panicked");
                (task, Done::Outcome(Err(error::runtime("the effect failed inside the server".into()))))
            }
        };
        let performing = self.performing.remove(&task)?;
        match done {
            Done::Outcome(outcome) => Some(Stimulus::Outcome { task, outcome }),
            Done::Child(outcome, labels) => Some(Stimulus::Child { task, outcome, labels }),
            Done::Permitted => Some(Stimulus::Permitted { task }),
            Done::Answer(answer) => Some(Stimulus::Asked { task, answer }),
            // It is tended again at once.
            Done::Elsewhere if performing.again => Some(Stimulus::None),
            Done::Elsewhere => {
                if state.tasks.contains_key(&task) {
                    self.elsewhere.insert(task);
                }
                None
            }
        }
    }

    /// What `task` waits for has ended elsewhere.
    pub(super) fn look_again(&mut self, task: TaskId) {
        self.elsewhere.remove(&task);
        if let Some(performing) = self.performing.get_mut(&task) {
            performing.again = true;
        }
    }
}
