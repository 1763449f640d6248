//! Running a scenario: the stepper, a clock that jumps, and answers instead of effects.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use openclaw_core::{
    Decider,
    run::{End, Pending, Phase, Run, State, pending},
};
use openclaw_model::{
    Position, RunId, TaskId, Timestamp, Version,
    event::run::{Intent, Request, RunEvent, RunStarted, Work, WorkflowError, WorkflowRef},
};
use serde_json::Value;
use uuid::Uuid;

use super::{Verdict, expect, file::Scenario, mock::Answers};
use crate::{
    expression::Evaluator,
    policy::Policies,
    stepper::{Limits, Program, Stimulus, Surroundings, advance},
};

/// The most tasks of a scenario's run, so that a loop without end is found soon.
const MOST_TASKS: u32 = 10_000;

/// What happened in a scenario.
#[derive(Debug, Default)]
pub struct Trace {
    /// Reference and name of every task that started, in order.
    pub tasks: Vec<(String, String)>,
    /// Reference and name of every task with an effect, and what it asked for.
    pub calls: Vec<(String, String, Value)>,
    /// The events that were published.
    pub emitted: Vec<Value>,
    /// How the run ended.
    pub finished: Finished,
    /// How long it took on its own clock, in milliseconds.
    pub took_ms: u64,
}

/// How the run of a scenario ended.
#[derive(Debug, Default)]
pub enum Finished {
    /// With this output.
    Completed(Arc<Value>),
    /// With this error.
    Faulted(Box<WorkflowError>),
    /// Not: the scenario does not say how it goes on, for this reason.
    #[default]
    Stuck,
}

/// Runs `scenario` to its end. Cost: the steps of the run; `evaluator` bounds its expressions.
#[must_use]
pub fn run(program: &Program, scenario: &Scenario, evaluator: &dyn Evaluator) -> Verdict {
    let mut drive = Drive {
        program,
        evaluator,
        scenario,
        state: State::default(),
        now: scenario.now,
        ids: Cell::new(0),
        answers: Answers::new(scenario),
        asked: BTreeSet::new(),
        due: BTreeMap::new(),
        events: scenario.events.iter().cloned().map(Arc::new).collect(),
        published: VecDeque::new(),
        heard: 0,
        trace: Trace::default(),
    };
    let mut failures = Vec::new();
    match drive.play() {
        Ok(()) => {
            failures.extend(drive.answers.left());
            let left = drive.events.len();
            if left > 0 {
                failures.push(format!("nothing listened for the last {left} of the events"));
            }
        }
        Err(reason) => failures.push(reason),
    }
    let mut trace = drive.trace;
    trace.took_ms = drive.now.millis_since(scenario.now);
    // What comes after the first mistake tells little; what came before it is still compared.
    failures.extend(expect::compare(&scenario.expect, &trace, evaluator));
    Verdict { name: scenario.name.clone(), failures, trace }
}

struct Drive<'s> {
    program: &'s Program,
    evaluator: &'s dyn Evaluator,
    scenario: &'s Scenario,
    state: State,
    now: Timestamp,
    ids: Cell<u64>,
    answers: Answers<'s>,
    /// Tasks whose answer is under way.
    asked: BTreeSet<TaskId>,
    /// Answers by the time at which they come, in the order in which they were asked for.
    due: BTreeMap<(Timestamp, u32), (TaskId, Result<Value, WorkflowError>)>,
    events: VecDeque<Arc<Value>>,
    /// Events of the run's own that nobody was asked about yet.
    published: VecDeque<Arc<Value>>,
    heard: u64,
    trace: Trace,
}

impl Drive<'_> {
    fn play(&mut self) -> Result<(), String> {
        self.begin();
        let mut stimulus = Stimulus::None;
        loop {
            self.step(stimulus);
            match &self.state.end {
                Some(End::Completed(output)) => {
                    self.trace.finished = Finished::Completed(output.clone());
                    return Ok(());
                }
                Some(End::Faulted(error)) => {
                    self.trace.finished = Finished::Faulted(Box::new(error.clone()));
                    return Ok(());
                }
                Some(End::Cancelled(_)) => return Err("the run was cancelled".into()),
                None => {}
            }
            stimulus = self.what_comes_next()?;
        }
    }

    fn begin(&mut self) {
        let definition = self.program.definition();
        let workflow = WorkflowRef {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
        };
        let started = RunStarted::new(workflow, self.scenario.input.clone());
        Run::evolve(&mut self.state, &RunEvent::Started(started), Version(1), self.now);
    }

    fn step(&mut self, stimulus: Stimulus) {
        let ids = || {
            self.ids.set(self.ids.get() + 1);
            Uuid::from_u64_pair(u64::MAX, self.ids.get())
        };
        let secrets = |name: &str| {
            let secret = self.scenario.secrets.get(name).cloned();
            secret.ok_or_else(|| format!("OC-SEC-001: the scenario has no secret {name}"))
        };
        let around = Surroundings {
            run: RunId(Uuid::nil()),
            now: self.now,
            evaluator: self.evaluator,
            ids: &ids,
            secrets: &secrets,
            policies: &Policies::none(),
            limits: Limits { tasks: MOST_TASKS, ..Limits::default() },
        };
        let mut stimulus = stimulus;
        loop {
            let advanced = advance(self.program, &mut self.state, stimulus, &around);
            for event in advanced.events {
                if let RunEvent::EventEmitted(emitted) = &event {
                    self.published.push_back(Arc::new(emitted.event.clone()));
                }
                note(&mut self.trace, event);
            }
            if !advanced.more {
                return;
            }
            stimulus = Stimulus::None;
        }
    }

    /// What the run waits for: an event if a task listens, else whatever is due first.
    fn what_comes_next(&mut self) -> Result<Stimulus, String> {
        let mut timer = None;
        for work in pending(&self.state) {
            match work {
                Pending::Effect { task, intent, .. } => self.ask(task, &intent)?,
                Pending::Timer { due } => timer = Some(due),
                _ => {}
            }
        }
        let listening: Vec<TaskId> =
            self.state.tasks.iter().filter(|(_, task)| listens(&task.phase)).map(|(id, _)| *id).collect();
        if listening.is_empty() {
            // What is published while nobody listens is not kept.
            self.published.clear();
        } else if let Some(event) = self.published.pop_front().or_else(|| self.events.pop_front()) {
            self.heard += 1;
            return Ok(Stimulus::Event { position: Position(self.heard), event, tasks: listening });
        }
        let answer = self.due.keys().next().copied();
        match (answer, timer) {
            (Some(key), timer) if timer.is_none_or(|timer| key.0 <= timer) => {
                let (task, outcome) = self.due.remove(&key).expect("the key was just found");
                self.now = self.now.max(key.0);
                Ok(Stimulus::Outcome { task, outcome })
            }
            (_, Some(timer)) => {
                if timer <= self.now {
                    return Err(
                        "the run does not move although something is due: a fault of the program".into()
                    );
                }
                self.now = timer;
                Ok(Stimulus::None)
            }
            _ => Err(self.stuck()),
        }
    }

    /// Asks for the answer to an effect, unless that was done before.
    fn ask(&mut self, task: TaskId, intent: &Intent) -> Result<(), String> {
        if !self.asked.insert(task) {
            return Ok(());
        }
        let Some(open) = self.state.tasks.get(&task) else { return Ok(()) };
        let (outcome, after) = match self.answers.next(&open.reference, &open.name) {
            Ok(answer) => answer,
            // The output of what nobody waits for is not used.
            Err(_) if !awaited(&intent.request) => (Ok(Value::Null), 0),
            Err(reason) => return Err(reason),
        };
        self.due.insert((self.now.plus_millis(after), task.0), (task, outcome));
        Ok(())
    }

    fn stuck(&self) -> String {
        let open: Vec<&str> = self
            .state
            .tasks
            .values()
            .filter(|task| task.scope.open == 0)
            .map(|task| task.reference.as_str())
            .collect();
        format!("the run waits for what the scenario does not give: {}", open.join(", "))
    }
}

fn listens(phase: &Phase) -> bool {
    matches!(phase, Phase::Listening(listening) if !listening.complete)
}

fn awaited(request: &Request) -> bool {
    match request {
        Request::Process(process) => process.wait,
        Request::Run(child) => child.wait,
        _ => true,
    }
}

fn note(trace: &mut Trace, event: RunEvent) {
    match event {
        RunEvent::TaskStarted(started) => {
            if let Work::Effect(intent) = &started.work {
                let asked = serde_json::to_value(&intent.request).unwrap_or_default();
                trace.calls.push((started.reference.clone(), started.name.clone(), asked));
            }
            trace.tasks.push((started.reference, started.name));
        }
        RunEvent::EventEmitted(emitted) => trace.emitted.push(emitted.event),
        _ => {}
    }
}
