//! The stepper over documents: what a run does, with effects answered by the test.

mod cancel;
mod effects;
mod extension;
mod flow;
mod hold;
mod listen;
mod pause;
mod policy;
mod property;
mod retry;
mod services;

use std::{cell::Cell, sync::Arc};

use openclaw_core::{
    Facts,
    run::{Command, End, Pending, Rejection, pending},
};
use openclaw_model::{
    Version,
    event::run::{Intent, Program as Ran, RunStarted, WorkflowRef},
};
use serde_json::json;

use super::*;
use crate::{definition, expression::Local};

/// A run under test. Time stands still unless a test moves it.
struct Bench {
    program: Program,
    state: State,
    history: Vec<RunEvent>,
    /// When each of them happened.
    times: Vec<Timestamp>,
    now: Timestamp,
    evaluator: Local,
    ids: Cell<u64>,
    limits: Limits,
    secrets: Value,
    policies: Policies,
}

impl Bench {
    fn new(tasks: Value, input: Value) -> Self {
        Self::of(json!({ "do": tasks }), input)
    }

    fn of(mut document: Value, input: Value) -> Self {
        document["document"] = json!({ "dsl": "1.0.3", "namespace": "t", "name": "t", "version": "1.0.0" });
        let definition = definition::from_value(document).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let workflow = WorkflowRef {
            namespace: "t".into(),
            name: "t".into(),
            version: "1.0.0".into(),
            digest: definition.digest,
        };
        let started = RunEvent::Started(RunStarted::new(workflow, input));
        let mut bench = Self {
            program: Program::new(Arc::new(definition)),
            state: State::default(),
            history: Vec::new(),
            times: Vec::new(),
            now: Timestamp::from_millis(1_000_000),
            evaluator: Local::new(),
            ids: Cell::new(0),
            limits: Limits::default(),
            secrets: json!({}),
            policies: Policies::none(),
        };
        bench.record(started);
        bench
    }

    fn record(&mut self, event: RunEvent) {
        let version = Version(self.state.version.0 + 1);
        Run::evolve(&mut self.state, &event, version, self.now);
        self.history.push(event);
        self.times.push(self.now);
    }

    fn step(&mut self, mut stimulus: Stimulus) {
        loop {
            let ids = || {
                self.ids.set(self.ids.get() + 1);
                Uuid::from_u64_pair(1, self.ids.get())
            };
            let around = Surroundings {
                secrets: &|name| {
                    self.secrets.get(name).cloned().ok_or_else(|| format!("there is no secret {name}"))
                },
                run: RunId(Uuid::nil()),
                now: self.now,
                evaluator: &self.evaluator,
                ids: &ids,
                policies: &self.policies,
                limits: self.limits,
            };
            let before = self.state.clone();
            let advanced = advance(&self.program, &mut self.state, stimulus, &around);
            // What the stepper says fits what the decider lets through.
            if !advanced.events.is_empty() {
                let command = Command::Advance { from: before.version, events: advanced.events.clone() };
                Run::decide(&before, &command, &Facts { now: self.now }).expect("a legal step");
            }
            self.history.extend(advanced.events);
            self.times.resize(self.history.len(), self.now);
            stimulus = Stimulus::None;
            if !advanced.more {
                return;
            }
        }
    }

    /// Sends the run a command, and lets it go on from there.
    fn command(&mut self, command: Command) -> Result<(), Rejection> {
        let events = Run::decide(&self.state, &command, &Facts { now: self.now })?;
        events.into_iter().for_each(|event| self.record(event));
        self.step(Stimulus::None);
        Ok(())
    }

    /// Lets time pass.
    fn pass(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.step(Stimulus::None);
    }

    /// The task of this name that is open.
    fn open(&self, name: &str) -> TaskId {
        let mut open = self.state.tasks.iter().filter(|(_, task)| task.name == name);
        *open.next().unwrap_or_else(|| panic!("{name} is not open: {:#?}", self.state.tasks)).0
    }

    /// The shell commands that are pending, each with its key.
    fn commands(&self) -> Vec<(String, String)> {
        self.intents()
            .iter()
            .map(|intent| match &intent.request {
                Request::Process(process) => match &process.program {
                    Ran::Shell { command } => (command.clone(), intent.key.clone()),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn intents(&self) -> Vec<Arc<Intent>> {
        pending(&self.state)
            .into_iter()
            .filter_map(|work| match work {
                Pending::Effect { intent, .. } => Some(intent),
                _ => None,
            })
            .collect()
    }

    /// Answers the pending shell command.
    fn reply(&mut self, command: &str, outcome: Result<Value, WorkflowError>) {
        let found = self.effects().into_iter().find(|(_, request)| {
            matches!(request, Request::Process(process)
                if matches!(&process.program, Ran::Shell { command: other } if other == command))
        });
        let (task, _) = found.unwrap_or_else(|| panic!("{command} is not pending: {:?}", self.commands()));
        self.answer(task, outcome);
    }

    fn effects(&self) -> Vec<(TaskId, Request)> {
        pending(&self.state)
            .into_iter()
            .filter_map(|work| match work {
                Pending::Effect { task, intent, .. } => Some((task, intent.request.clone())),
                _ => None,
            })
            .collect()
    }

    fn answer(&mut self, task: TaskId, outcome: Result<Value, WorkflowError>) {
        self.step(Stimulus::Outcome { task, outcome });
    }

    /// Answers every effect with `reply` until the run waits for nothing but time, or ends.
    fn settle(&mut self, mut reply: impl FnMut(&str) -> Result<Value, WorkflowError>) {
        self.step(Stimulus::None);
        while let Some((task, request)) = self.effects().into_iter().next() {
            let Request::Process(process) = request else { panic!("{request:?}") };
            let Ran::Shell { command } = process.program else { panic!() };
            self.answer(task, reply(&command));
        }
    }

    fn due(&self) -> Option<Timestamp> {
        pending(&self.state).into_iter().find_map(|work| match work {
            Pending::Timer { due } => Some(due),
            _ => None,
        })
    }

    fn output(&self) -> Value {
        match &self.state.end {
            Some(End::Completed(output)) => (**output).clone(),
            other => panic!("{other:?} after {:#?}", self.history),
        }
    }

    fn error(&self) -> &WorkflowError {
        match &self.state.end {
            Some(End::Faulted(error)) => error,
            other => panic!("{other:?} after {:#?}", self.history),
        }
    }

    fn names(&self, of: &str) -> Vec<String> {
        self.history
            .iter()
            .filter(|event| event.event_type() == of)
            .filter_map(|event| match event {
                RunEvent::TaskStarted(data) => Some(data.name.clone()),
                RunEvent::TaskSkipped(data) => Some(data.name.clone()),
                _ => None,
            })
            .collect()
    }

    fn count(&self, of: &str) -> usize {
        self.history.iter().filter(|event| event.event_type() == of).count()
    }
}

fn shell(command: &str) -> Value {
    json!({ "run": { "shell": { "command": command } } })
}

fn broken() -> WorkflowError {
    error::communication(503, "no".into())
}

fn run(tasks: Value, input: Value) -> Bench {
    let mut bench = Bench::new(tasks, input);
    bench.step(Stimulus::None);
    bench
}
