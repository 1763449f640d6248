//! The worker of one run: steps it, performs its effects, and leaves when there is nothing to do but wait.

mod copy;
mod perform;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use openclaw_core::run::{self, Phase, State};
use openclaw_gateway::{
    runs::{self, Folded},
    sequencer::{Refused, Rejection, Submission},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, Position, RunId, StreamId, TaskId, Timestamp, Version,
    envelope::Causality, event::run::EffectClass,
};
use openclaw_workflow::stepper::{Advanced, Limits, Program, Stimulus, Surroundings, advance};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use uuid::Uuid;

use self::perform::{Done, Performing};
use crate::{
    index::{Delivery, OpenRuns},
    metrics,
    supervisor::{Parts, Stage},
};

/// A run that has to wait longer than this gives its memory back.
const PATIENCE: Duration = Duration::from_secs(2);

/// What comes from outside to a worker.
#[derive(Debug)]
pub(crate) enum Poke {
    /// Somebody else appended to the stream of the run.
    Look,
    /// What this task waits for has ended.
    Ended(TaskId),
    /// An event for some tasks.
    Event(Delivery),
}

/// Pokes on their way to a worker.
pub(crate) type Pokes = mpsc::UnboundedReceiver<Poke>;

/// Says that a run has dealt with a part of an event.
pub(crate) type Handled = mpsc::UnboundedSender<(RunId, Position, u8)>;

/// What a worker is told when it begins.
#[derive(Debug, Default)]
pub(crate) struct Brief {
    /// Effects that are open may have been performed by an earlier process.
    pub(crate) recovered: bool,
    /// Effects that go on elsewhere; a poke tells when they end.
    pub(crate) elsewhere: BTreeSet<TaskId>,
    /// Events to deal with first.
    pub(crate) deliveries: VecDeque<Delivery>,
}

/// Why a worker left.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The run has ended.
    Ended,
    /// There is nothing to do until then, or until somebody pokes.
    Parked {
        /// As of this version of the stream.
        version: Version,
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
    handled: Handled,
    performing: HashMap<TaskId, Performing>,
    outcomes: JoinSet<(TaskId, Done)>,
    /// Effects that go on elsewhere.
    elsewhere: BTreeSet<TaskId>,
    /// Effects to be asked about before anything else is done with them.
    questions: BTreeSet<TaskId>,
    deliveries: VecDeque<Delivery>,
}

impl<L: EventLog> Worker<L> {
    pub(crate) fn new(
        parts: Arc<Parts<L>>,
        run: RunId,
        stage: watch::Receiver<Stage>,
        handled: Handled,
    ) -> Self {
        Self {
            parts,
            run,
            stage,
            handled,
            performing: HashMap::new(),
            outcomes: JoinSet::new(),
            elsewhere: BTreeSet::new(),
            questions: BTreeSet::new(),
            deliveries: VecDeque::new(),
        }
    }

    /// Works until the run ends, waits for long, or cannot go on.
    pub(crate) async fn run(mut self, mut pokes: Pokes, brief: Brief) -> (Exit, Pokes) {
        self.elsewhere = brief.elsewhere;
        self.deliveries = brief.deliveries;
        let exit = match self.work(&mut pokes, brief.recovered).await {
            Ok(exit) => exit,
            Err(refused) => Exit::Stopped(refused.to_string()),
        };
        let ended = matches!(exit, Exit::Ended);
        for performing in self.performing.values() {
            performing.stop(ended);
        }
        // Whatever was started is gone when the worker is.
        while self.outcomes.join_next().await.is_some() {
            metrics::effect_ended();
        }
        (exit, pokes)
    }

    async fn work(&mut self, pokes: &mut Pokes, mut recovered: bool) -> Result<Exit, Refused> {
        let Folded { mut state, correlation, origin, .. } = runs::fold(&*self.parts.log, self.run).await?;
        let Some(reference) = state.workflow.clone() else {
            return Ok(Exit::Stopped("it has no start".into()));
        };
        if let (Some(fork), true) = (&origin, state.fork.is_some()) {
            if !self.copy(&mut state, fork, correlation).await? {
                return Ok(Exit::Stopped("the server stops while its history is copied".into()));
            }
            recovered = true;
        }
        let (inline, resources) = (state.definition.as_deref(), &*state.resources);
        let program = match self.parts.definitions.of_run(&reference, inline, resources).await {
            Ok(program) => program,
            Err(missing) => return Ok(Exit::Stopped(missing.to_string())),
        };
        if recovered {
            if let Some(fork) = &origin {
                for (task, outcome) in self.adopted(&state, fork).await? {
                    let stimulus = Stimulus::Outcome { task, outcome };
                    self.step(&program, &mut state, stimulus, correlation).await?;
                }
            }
            self.step(&program, &mut state, Stimulus::Recovered, correlation).await?;
            self.questions = questions(&state);
        }
        let mut stimulus = Stimulus::None;
        let mut handling = None;
        loop {
            self.step(&program, &mut state, stimulus, correlation).await?;
            if let Some((position, part)) = handling.take() {
                // A supervisor that is gone has no use for it.
                let _ = self.handled.send((self.run, position, part));
            }
            if state.end.is_some() {
                return Ok(Exit::Ended);
            }
            let stage = *self.stage.borrow();
            let due = self.tend(&state, stage);
            if stage != Stage::Running && self.performing.is_empty() {
                return Ok(Exit::Parked { version: state.version, due });
            }
            if stage == Stage::Running
                && let Some(delivery) = self.deliveries.pop_front()
            {
                handling = Some((delivery.position, delivery.part));
                stimulus = self.event(delivery).await?;
                continue;
            }
            stimulus = match self.wait(pokes, &mut state, due).await? {
                Ok(stimulus) => stimulus,
                Err(exit) => return Ok(exit),
            };
        }
    }

    /// Waits for the next thing that moves the run, or for the reason to leave.
    async fn wait(
        &mut self,
        pokes: &mut Pokes,
        state: &mut State,
        due: Option<Timestamp>,
    ) -> Result<Result<Stimulus, Exit>, Refused> {
        // What goes on elsewhere often ends soon; where workers are few they make room for it at once.
        let lingers = !self.elsewhere.is_empty() && self.parts.max_active_runs.is_none();
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let wait = due.map(|due| Duration::from_millis(due.millis_since(self.parts.clock.now())));
            let idle = self.performing.is_empty();
            let long = wait.is_none_or(|wait| wait > PATIENCE);
            let parked = Exit::Parked { version: state.version, due };
            if idle && long && (!lingers || self.elsewhere.is_empty()) {
                return Ok(Err(parked));
            }
            tokio::select! {
                Some(ended) = self.outcomes.join_next_with_id(), if !self.outcomes.is_empty() => {
                    if let Some(stimulus) = self.take(ended, state) {
                        return Ok(Ok(stimulus));
                    }
                }
                poke = pokes.recv() => match poke {
                    // Something was appended by others: fold again, it is not in our state.
                    Some(Poke::Look) => {
                        *state = runs::fold(&*self.parts.log, self.run).await?.state;
                        return Ok(Ok(Stimulus::None));
                    }
                    Some(Poke::Ended(task)) => {
                        self.look_again(task);
                        return Ok(Ok(Stimulus::None));
                    }
                    Some(Poke::Event(delivery)) => {
                        self.deliveries.push_back(delivery);
                        return Ok(Ok(Stimulus::None));
                    }
                    None => {}
                },
                () = sleep(wait) => return Ok(Ok(Stimulus::None)),
                () = tokio::time::sleep_until(patience), if idle && long => return Ok(Err(parked)),
                _ = self.stage.changed() => {
                    if *self.stage.borrow() == Stage::Killing {
                        let reason = "the server stops; its effects are taken up at the next start";
                        return Ok(Err(Exit::Stopped(reason.into())));
                    }
                    return Ok(Ok(Stimulus::None));
                }
            }
        }
    }

    /// An event as a stimulus.
    async fn event(&self, delivery: Delivery) -> Result<Stimulus, Refused> {
        let Delivery { position, part, tasks, event } = delivery;
        let event = match event {
            Some(event) => Some(event),
            None => OpenRuns::event_at(&*self.parts.log, position, part).await?,
        };
        // An event that cannot be made again is one that nobody can miss: its definition is gone.
        Ok(event.map_or(Stimulus::None, |event| Stimulus::Event { position, event, tasks }))
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
            policies: &self.parts.policies.now(),
            secrets: &|name| {
                let namespace = &program.definition().namespace;
                self.parts.secrets.shape(namespace, name).map_err(|problem| problem.to_string())
            },
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
}

/// Effects of which an earlier process may have performed some, and which can be asked about.
fn questions(state: &State) -> BTreeSet<TaskId> {
    let open = state.tasks.iter().filter(|(_, open)| match &open.phase {
        Phase::Effect { intent, unknown: false, .. } => {
            intent.class == EffectClass::Queryable && intent.inquiry.is_some()
        }
        _ => false,
    });
    open.map(|(task, _)| *task).collect()
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
