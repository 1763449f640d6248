//! The worker of one run: steps it, performs its effects, and leaves when there is nothing to do but wait.

use std::{collections::HashMap, sync::Arc, time::Duration};

use openclaw_core::run::{self, Pending, State, pending};
use openclaw_gateway::{
    runs::{self, Folded},
    sequencer::{Refused, Rejection, Submission},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, RunId, StreamId, TaskId, Timestamp,
    envelope::Causality,
    event::run::{Intent, Request},
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::{
    error,
    stepper::{Advanced, Limits, Program, Stimulus, Surroundings, advance},
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    metrics,
    supervisor::{Parts, Stage},
};

/// A run that has to wait longer than this gives its memory back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says that something came from outside.
pub(crate) type Pokes = mpsc::UnboundedReceiver<()>;

/// Why a worker left.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The run has ended.
    Ended,
    /// There is nothing to do until then, or until somebody pokes.
    Parked {
        /// When.
        due: Option<Timestamp>,
    },
    /// The run cannot go on now; the next start takes it up.
    Stopped(String),
}

pub(crate) struct Worker<L> {
    parts: Arc<Parts<L>>,
    run: RunId,
    stage: watch::Receiver<Stage>,
    performing: HashMap<TaskId, Performing>,
    outcomes: JoinSet<(TaskId, EffectOutcome)>,
}

/// An effect under way.
struct Performing {
    cancel: CancellationToken,
    abort: AbortHandle,
    /// Whether it goes through our own sequencer, so that it must not be undone when only the process stops.
    own: bool,
}

impl<L: EventLog> Worker<L> {
    pub(crate) fn new(parts: Arc<Parts<L>>, run: RunId, stage: watch::Receiver<Stage>) -> Self {
        Self { parts, run, stage, performing: HashMap::new(), outcomes: JoinSet::new() }
    }

    /// Works until the run ends, waits for long, or cannot go on. `recovered` says that effects which are open may
    /// have been performed by an earlier process.
    pub(crate) async fn run(mut self, mut pokes: Pokes, recovered: bool) -> (Exit, Pokes) {
        let exit = match self.work(&mut pokes, recovered).await {
            Ok(exit) => exit,
            Err(refused) => Exit::Stopped(refused.to_string()),
        };
        for performing in self.performing.values() {
            performing.stop();
        }
        // Whatever was started is gone when the worker is.
        while self.outcomes.join_next().await.is_some() {
            metrics::effect_ended();
        }
        (exit, pokes)
    }

    async fn work(&mut self, pokes: &mut Pokes, recovered: bool) -> Result<Exit, Refused> {
        let Folded { mut state, correlation, .. } = runs::fold(&*self.parts.log, self.run).await?;
        let Some(reference) = state.workflow.clone() else {
            return Ok(Exit::Stopped("it has no start".into()));
        };
        let program = match self.parts.definitions.of_run(&reference, state.definition.as_deref()).await {
            Ok(program) => program,
            Err(missing) => return Ok(Exit::Stopped(missing.to_string())),
        };
        let mut stimulus = if recovered { Stimulus::Recovered } else { Stimulus::None };
        loop {
            self.step(&program, &mut state, stimulus, correlation).await?;
            if state.end.is_some() {
                return Ok(Exit::Ended);
            }
            let stage = *self.stage.borrow();
            let due = self.tend(&state, stage);
            if stage != Stage::Running && self.performing.is_empty() {
                return Ok(Exit::Parked { due: None });
            }
            stimulus = loop {
                let now = self.parts.clock.now();
                let wait = due.map(|due| Duration::from_millis(due.millis_since(now)));
                if self.performing.is_empty() && wait.is_none_or(|wait| wait > PATIENCE) {
                    return Ok(Exit::Parked { due });
                }
                tokio::select! {
                    Some(outcome) = self.outcomes.join_next_with_id(), if !self.outcomes.is_empty() => {
                        if let Some(stimulus) = self.take(outcome) {
                            break stimulus;
                        }
                    }
                    poke = pokes.recv() => {
                        if poke.is_some() {
                            // Something was appended by others: fold again, it is not in our state.
                            state = runs::fold(&*self.parts.log, self.run).await?.state;
                            break Stimulus::None;
                        }
                    }
                    () = sleep(wait) => break Stimulus::None,
                    _ = self.stage.changed() => {
                        if *self.stage.borrow() == Stage::Killing {
                            return Ok(Exit::Stopped("the server stops; its effects are taken up at the next start".into()));
                        }
                        break Stimulus::None;
                    }
                }
            };
        }
    }

    /// Steps `state` as far as it goes and records what happened.
    async fn step(
        &self,
        program: &Program,
        state: &mut State,
        mut stimulus: Stimulus,
        correlation: Option<Uuid>,
    ) -> Result<(), Refused> {
        loop {
            let draining = *self.stage.borrow() != Stage::Running;
            if draining && matches!(stimulus, Stimulus::None) {
                return Ok(());
            }
            let from = state.version;
            let again = stimulus.clone();
            let Advanced { events, more } = self.advance(program, state, stimulus, draining);
            stimulus = Stimulus::None;
            if !events.is_empty() {
                let command = run::Command::Advance { from, events };
                match self.submit(command, correlation).await {
                    Ok(()) => {}
                    Err(Refused::Rejected(Rejection::Run(run::Rejection::Stale { .. }))) => {
                        // Somebody else appended meanwhile: take it in and compute the step anew.
                        *state = runs::fold(&*self.parts.log, self.run).await?.state;
                        stimulus = again;
                        continue;
                    }
                    Err(refused) => return Err(refused),
                }
            }
            if !more || draining {
                return Ok(());
            }
        }
    }

    /// Blocks while an expression is evaluated in a worker process; the evaluator tells tokio.
    fn advance(&self, program: &Program, state: &mut State, stimulus: Stimulus, draining: bool) -> Advanced {
        // While draining only the outcome itself is recorded, so that nothing new is intended and not tried.
        let all = self.parts.limits;
        let limits = if draining { Limits { events: 1, ..all } } else { all };
        let around = Surroundings {
            run: self.run,
            now: self.parts.clock.now(),
            evaluator: &*self.parts.evaluator,
            ids: &|| self.parts.ids.next(),
            secrets: &|name| self.parts.secrets.shape(name),
            limits,
        };
        advance(program, state, stimulus, &around)
    }

    async fn submit(&self, command: run::Command, correlation: Option<Uuid>) -> Result<(), Refused> {
        let submission = Submission {
            stream: StreamId::run(self.run),
            command: command.into(),
            id: CommandId(*self.parts.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality { causation: None, correlation },
        };
        self.parts.sequencer.submit_patiently(submission).await.map(|_| ())
    }

    /// Starts the effects that are owed and stops those that nobody waits for any more. Returns when the run wants
    /// to be stepped next.
    fn tend(&mut self, state: &State, stage: Stage) -> Option<Timestamp> {
        self.performing.retain(|task, performing| {
            let wanted = state.tasks.contains_key(task);
            if !wanted {
                performing.cancel.cancel();
            }
            wanted
        });
        let mut next = None;
        for work in pending(state) {
            match work {
                Pending::Effect { task, intent, .. } => {
                    if stage == Stage::Running && !self.performing.contains_key(&task) {
                        self.perform(task, intent);
                    }
                }
                Pending::Timer { due } => next = Some(due),
                // What can be stepped has been stepped.
                Pending::Step => {}
            }
        }
        next
    }

    fn perform(&mut self, task: TaskId, intent: Arc<Intent>) {
        let effects = self.parts.effects.clone();
        let cancel = CancellationToken::new();
        let own = matches!(intent.request, Request::Run(_) | Request::Command(_));
        let (run, token) = (self.run, cancel.clone());
        metrics::effect_started();
        let abort = self.outcomes.spawn(async move {
            let outcome = effects.perform(run, task, &intent, token).await;
            (task, outcome)
        });
        self.performing.insert(task, Performing { cancel, abort, own });
    }

    /// What an effect that ended means for the run; nothing if the run does not wait for it any more.
    fn take(
        &mut self,
        ended: Result<(tokio::task::Id, (TaskId, EffectOutcome)), tokio::task::JoinError>,
    ) -> Option<Stimulus> {
        metrics::effect_ended();
        let (task, outcome) = match ended {
            Ok((_, ended)) => ended,
            Err(failure) => {
                let task = self
                    .performing
                    .iter()
                    .find(|(_, performing)| performing.abort.id() == failure.id())
                    .map(|(task, _)| *task)?;
                tracing::error!(run = %self.run, %task, %failure, "an effect panicked");
                (task, Err(error::runtime("the effect failed inside the server".into())))
            }
        };
        self.performing.remove(&task)?;
        Some(Stimulus::Outcome { task, outcome })
    }
}

impl Performing {
    /// Stops it because the worker leaves, not because the run wants it stopped.
    fn stop(&self) {
        if self.own {
            self.abort.abort();
        } else {
            self.cancel.cancel();
        }
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
