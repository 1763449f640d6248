//! Writes the next event of a run by chance, among those that could come.

use openclaw_core::{
    Decider as _,
    run::{End, Phase, Run, State},
};
use openclaw_model::{
    Digest, RunId, StreamId, TaskId, Timestamp, Version,
    event::{
        RunEvent,
        approval::{ApprovalRequest, Deadline, DeadlineOutcome, Deciders},
        run::{
            CancelReason, EffectReconciled, EffectRedispatched, EffectUnknown, ErrorCaught, EventConsumed,
            EventEmitted, Flow, ForkOrigin, Intent, ItemCompleted, Origin, Request, Resolution,
            RunCancelRequested, RunCancelled, RunCompleted, RunFaulted, RunForked, RunPaused, RunRequest,
            RunResumed, RunRetried, RunRunning, RunSignalled, TaskCancelled, TaskCompleted, TaskFaulted,
            TaskHeld, TaskKind, TaskRetried, TaskSkipped, TaskStarted, Work, WorkflowError,
        },
    },
};
use serde_json::json;

use crate::common::history;

/// Numbers by chance, the same for the same seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    /// Once in `times`.
    pub(crate) fn chance(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())].clone()) }
    }
}

/// One run that is being written.
#[derive(Clone)]
pub(crate) struct Writer {
    id: RunId,
    pub(crate) state: State,
    /// All events, to be copied by a fork, each with its time.
    written: Vec<(RunEvent, Timestamp)>,
    /// What is still to be copied.
    copy: Vec<(RunEvent, Timestamp)>,
    fork: Option<ForkOrigin>,
}

impl Writer {
    pub(crate) fn new(id: RunId) -> Self {
        Self { id, state: State::default(), written: Vec::new(), copy: Vec::new(), fork: None }
    }

    /// A fork of `origin` behind its first `at` events, or fewer.
    pub(crate) fn fork(id: RunId, origin: &Self, at: usize) -> Self {
        let at = at.min(origin.written.len());
        let fork = ForkOrigin { run: origin.id, at: Version(at as u64), context: None };
        let copy = origin.written[1..at].to_vec();
        Self { copy, fork: Some(fork), ..Self::new(id) }
    }

    pub(crate) fn stream(&self) -> StreamId {
        StreamId::run(self.id)
    }

    pub(crate) fn apply(&mut self, event: &RunEvent, at: Timestamp) {
        let version = self.state.version.next();
        Run::evolve(&mut self.state, event, version, at);
        self.written.push((event.clone(), at));
    }

    /// What happened so far, for the message of a failure.
    pub(crate) fn history(&self) -> Vec<&RunEvent> {
        self.written.iter().map(|(event, _)| event).collect()
    }

    /// The next events; none if nothing happens.
    pub(crate) fn step(&mut self, dice: &mut Dice, position: u64) -> Vec<RunEvent> {
        if self.state.workflow.is_none() {
            let RunEvent::Started(mut started) = history::started("w") else { unreachable!("it starts") };
            started.fork = self.fork.clone();
            started.priority = if dice.chance(2) { 3 } else { 0 };
            started.labels.insert("team".into(), "a".into());
            return vec![RunEvent::Started(started)];
        }
        if self.state.fork.is_some() {
            let count = (1 + dice.below(5)).min(self.copy.len());
            let events: Vec<RunEvent> = self.copy.drain(..count).map(|(event, _)| event).collect();
            if events.is_empty() {
                return vec![RunEvent::Forked(RunForked { shift_ms: 5_000, context: None })];
            }
            return events;
        }
        if let Some(end) = &self.state.end {
            let before = self.state.before_fault.as_ref().filter(|_| matches!(end, End::Faulted(_)));
            return before
                .map(|before| vec![RunEvent::Retried(RunRetried { tasks: vec![before.task] })])
                .unwrap_or_default();
        }
        if self.state.input.is_none() {
            return vec![RunEvent::Running(RunRunning { input: json!({}), deadline: later(dice, position) })];
        }
        let event = match dice.below(20) {
            0..=6 => self.start(dice, position),
            7..=15 => self.change(dice, position),
            16 => Some(self.control(dice)),
            17 => self.end(dice),
            _ => self.finish_leaf(dice),
        };
        event.into_iter().collect()
    }

    fn start(&self, dice: &mut Dice, position: u64) -> Option<RunEvent> {
        let mut parents: Vec<Option<TaskId>> = vec![None];
        parents.extend(self.state.tasks.iter().filter_map(|(id, task)| match &task.phase {
            Phase::Timer { .. } | Phase::Effect { .. } | Phase::Answered { .. } | Phase::Held { .. } => None,
            Phase::Listening(listening) if listening.events.is_empty() => None,
            _ => Some(Some(*id)),
        }));
        let parent = dice.of(&parents)?;
        let phase = parent.and_then(|id| self.state.tasks.get(&id)).map(|task| &task.phase);
        let (iteration, attempt) = match phase {
            Some(Phase::Loop { index, .. }) => {
                (Some(index.map_or(0, |index| index + u32::from(dice.chance(2)))), 1)
            }
            Some(Phase::Listening(listening)) => (Some(listening.outputs.len() as u32), 1),
            Some(Phase::Trying { attempt, .. } | Phase::BackingOff { attempt, .. }) => (None, *attempt),
            _ => (None, 1),
        };
        let task = TaskId(self.state.last_task + 1);
        let (kind, work) = work(dice, position);
        let name = format!("step{}", dice.below(4));
        let reference = format!("/do/0/fork/branches/0/{name}");
        if dice.chance(8) {
            let output = json!(1);
            return Some(RunEvent::TaskSkipped(TaskSkipped {
                task,
                parent,
                name,
                reference,
                kind,
                iteration,
                attempt,
                output,
            }));
        }
        Some(RunEvent::TaskStarted(TaskStarted {
            task,
            parent,
            name,
            reference,
            kind,
            iteration,
            attempt,
            input: json!({ "task": task }),
            raw_input: None,
            deadline: later(dice, position),
            work,
        }))
    }

    /// Something happens to an open task.
    fn change(&self, dice: &mut Dice, position: u64) -> Option<RunEvent> {
        let open: Vec<TaskId> = self.state.tasks.keys().copied().collect();
        let id = dice.of(&open)?;
        let task = &self.state.tasks[&id];
        let idle = task.scope.open == 0;
        Some(match &task.phase {
            Phase::Effect { dispatch, unknown: false, .. } if dice.chance(2) => match dice.below(2) {
                0 => RunEvent::EffectUnknown(EffectUnknown { task: id }),
                _ => RunEvent::EffectRedispatched(EffectRedispatched { task: id, dispatch: dispatch + 1 }),
            },
            Phase::Effect { unknown: true, .. } => {
                let resolution = match dice.below(3) {
                    0 => Resolution::NotDone,
                    1 => Resolution::Succeeded { output: json!(7) },
                    _ => Resolution::Failed { error: error() },
                };
                RunEvent::EffectReconciled(EffectReconciled { task: id, resolution, note: None })
            }
            Phase::Trying { attempt, .. } if idle && dice.chance(2) => RunEvent::TaskRetried(TaskRetried {
                task: id,
                attempt: attempt + 1,
                due: history::Scribe::time(openclaw_model::Position(position + 40)),
                error: error(),
            }),
            Phase::Trying { .. } if idle => RunEvent::ErrorCaught(ErrorCaught { task: id, error: error() }),
            Phase::Listening(listening) => {
                if idle && listening.outputs.len() < listening.events.len() {
                    let index = listening.outputs.len() as u32;
                    return Some(RunEvent::ItemCompleted(ItemCompleted {
                        task: id,
                        index,
                        output: json!(index),
                        context: None,
                    }));
                }
                RunEvent::EventConsumed(EventConsumed {
                    task: id,
                    filter: 0,
                    origin: Origin::Log { position: openclaw_model::Position(1) },
                    event: json!({ "type": "t" }),
                    keys: Default::default(),
                    until: dice.chance(5),
                    last: dice.chance(5),
                })
            }
            Phase::Held { .. } => RunEvent::Retried(RunRetried { tasks: vec![id] }),
            _ if idle && dice.chance(6) => {
                let raw_output = dice.chance(2).then(|| json!("raw"));
                RunEvent::TaskHeld(TaskHeld { task: id, error: error(), raw_output })
            }
            _ if dice.chance(10) => RunEvent::EventEmitted(EventEmitted {
                task: id,
                event: json!({ "id": "1", "source": "/runs", "type": "t", "specversion": "1.0" }),
            }),
            _ => return None,
        })
    }

    fn control(&self, dice: &mut Dice) -> RunEvent {
        match dice.below(5) {
            0 if self.state.cancel.is_none() => {
                RunEvent::CancelRequested(RunCancelRequested { reason: Some("enough".into()), kill: false })
            }
            1 => RunEvent::Signalled(RunSignalled { name: "s".into(), data: json!(1) }),
            _ if self.state.paused.is_some() => RunEvent::Resumed(RunResumed {}),
            _ => RunEvent::Paused(RunPaused { reason: Some("look".into()) }),
        }
    }

    /// A task without open children ends.
    fn finish_leaf(&self, dice: &mut Dice) -> Option<RunEvent> {
        let leaves: Vec<TaskId> =
            self.state.tasks.iter().filter(|(_, task)| task.scope.open == 0).map(|(id, _)| *id).collect();
        let task = dice.of(&leaves)?;
        Some(match dice.below(4) {
            0 => {
                let raw_output = dice.chance(2).then(|| json!("raw"));
                RunEvent::TaskFaulted(TaskFaulted { task, error: error(), raw_output })
            }
            1 => RunEvent::TaskCancelled(TaskCancelled { task, reason: CancelReason::LostRace }),
            _ => RunEvent::TaskCompleted(TaskCompleted {
                task,
                output: json!({ "of": task }),
                raw_output: None,
                context: None,
                then: Flow::Continue,
            }),
        })
    }

    fn end(&self, dice: &mut Dice) -> Option<RunEvent> {
        if self.state.before_fault.is_some() && dice.chance(2) {
            return Some(RunEvent::Faulted(RunFaulted { error: error() }));
        }
        match dice.below(30) {
            0 => Some(RunEvent::Completed(RunCompleted { output: json!("done") })),
            1 => Some(RunEvent::Cancelled(RunCancelled { reason: None })),
            _ => None,
        }
    }
}

fn later(dice: &mut Dice, position: u64) -> Option<Timestamp> {
    dice.chance(3).then(|| history::Scribe::time(openclaw_model::Position(position + 1_000)))
}

fn work(dice: &mut Dice, position: u64) -> (TaskKind, Work) {
    let due = history::Scribe::time(openclaw_model::Position(position + 50));
    match dice.below(9) {
        0 => (TaskKind::Do, Work::Steps),
        1 => (TaskKind::Try, Work::Steps),
        2 => (TaskKind::For, Work::Loop { items: vec![json!(1), json!(2)] }),
        3 => (TaskKind::Fork, Work::Branches { count: 2, compete: false }),
        4 => (TaskKind::Wait, Work::Timer { due }),
        5 => (TaskKind::Listen, Work::Listen { interests: Vec::new() }),
        6 => (TaskKind::Call, approval(due)),
        7 => (TaskKind::Run, child()),
        _ => (TaskKind::Call, history::effect()),
    }
}

fn intent(request: Request) -> Work {
    Work::Effect(Intent {
        key: "00112233445566778899aabbccddeeff".into(),
        class: openclaw_model::event::run::EffectClass::Keyed,
        request,
        inquiry: None,
        verdict: None,
    })
}

fn approval(due: Timestamp) -> Work {
    intent(Request::Approval(ApprovalRequest {
        approval: openclaw_model::ApprovalId([5; 16]),
        title: "Pay?".into(),
        details: json!(null),
        subject: json!({ "amount": 7 }),
        digest: Digest([9; 32]),
        choices: Vec::new(),
        deciders: Deciders::default(),
        quorum: 1,
        deadline: Some(Deadline { due, outcome: DeadlineOutcome::Deny }),
    }))
}

fn child() -> Work {
    intent(Request::Run(RunRequest {
        run: history::run_id(900),
        namespace: "test".into(),
        name: "w".into(),
        version: "1.0.0".into(),
        input: json!({}),
        wait: true,
        close: Default::default(),
        data_labels: Default::default(),
    }))
}

pub(crate) fn error() -> WorkflowError {
    WorkflowError {
        r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/runtime".into(),
        status: 500,
        title: None,
        detail: None,
        instance: None,
    }
}
