//! The pure stepper: definition and state of a run in, events out.
//!
//! [`advance`] computes everything that can happen without waiting for the world. Expressions are evaluated here,
//! once; their results are in the events, so that folding them never evaluates anything.
//!
//! Invariant: given the same definition, state, stimulus, time and ids, the same events come out.

mod cancel;
mod compose;
mod data;
mod effect;
mod fault;
mod listen;
mod scope;
mod start;
mod weight;

use std::{collections::HashMap, sync::Arc};

use openclaw_core::{
    Decider,
    run::{Labels, Phase, Run, State, Status},
};
use openclaw_model::{
    Position, RunId, TaskId, Timestamp, Version,
    event::run::{
        CancelReason, DataLabelled, EffectClass, EffectRedispatched, EffectUnknown, Origin, Request,
        RunEvent, TaskCancelled, WorkflowError,
    },
};
use serde_json::Value;
use uuid::Uuid;

use self::cancel::Unwound;
pub use self::effect::judge::{denial, denied, refusal};

use crate::{
    definition::{Body, Definition, ForEach, Listen, Task, Tasks},
    error,
    expression::Evaluator,
    policy::Policies,
};

/// A definition, indexed for stepping.
#[derive(Debug)]
pub struct Program {
    definition: Arc<Definition>,
    tasks: HashMap<String, Arc<Task>>,
}

impl Program {
    /// Indexes `definition`. Cost: one pass over its tasks.
    #[must_use]
    pub fn new(definition: Arc<Definition>) -> Self {
        let mut tasks = HashMap::new();
        index(&definition.tasks, &mut tasks);
        Self { definition, tasks }
    }

    /// The definition.
    #[must_use]
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Whether there is a task at this JSON pointer.
    #[must_use]
    pub fn has_task(&self, reference: &str) -> bool {
        self.tasks.contains_key(reference)
    }

    fn task(&self, reference: &str) -> Option<&Arc<Task>> {
        self.tasks.get(reference)
    }
}

fn index(tasks: &Tasks, into: &mut HashMap<String, Arc<Task>>) {
    tasks.0.iter().for_each(|task| index_one(task, into));
}

fn index_one(task: &Arc<Task>, into: &mut HashMap<String, Arc<Task>>) {
    into.insert(task.reference.clone(), task.clone());
    match &task.body {
        Body::Do(tasks) | Body::Fork { branches: tasks, .. } | Body::Advice(tasks) => index(tasks, into),
        Body::For(body) => index(&body.tasks, into),
        Body::Listen(Listen { foreach: Some(ForEach { tasks: Some(tasks), .. }), .. }) => index(tasks, into),
        Body::Extended(extended) => extended.children().for_each(|task| index_one(task, into)),
        Body::Try { tasks, catch } => {
            index(tasks, into);
            catch.tasks.iter().for_each(|tasks| index(tasks, into));
        }
        _ => {}
    }
}

/// What a step may know of the world.
pub struct Surroundings<'a> {
    /// The run.
    pub run: RunId,
    /// Now.
    pub now: Timestamp,
    /// Evaluates expressions.
    pub evaluator: &'a dyn Evaluator,
    /// Fresh ids, for child runs and published events.
    pub ids: &'a dyn Fn() -> Uuid,
    /// The shape of a secret, with a handle in place of every value, or why it cannot be used, with a code.
    pub secrets: &'a dyn Fn(&str) -> Result<Value, String>,
    /// The policies in force.
    pub policies: &'a Policies,
    /// Bounds on a run.
    pub limits: Limits,
}

/// Bounds on a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most tasks that one run may start; a run that would start more faults (`OC-RUN-005`).
    pub tasks: u32,
    /// The most events of one step; a step that would have more is continued in another.
    pub events: usize,
    /// A step is continued in another when its data reach about this many bytes, so that it fits into a frame of the log
    /// with its payloads.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tasks: 100_000, events: 64, bytes: 40 * 1024 }
    }
}

/// What came from the world since the last step.
#[derive(Clone, Debug)]
pub enum Stimulus {
    /// Nothing but time.
    None,
    /// The outcome of an effect.
    Outcome {
        /// Of which task.
        task: TaskId,
        /// Raw output or error.
        outcome: Result<Value, WorkflowError>,
    },
    /// The end of the child run that a task waits for.
    Child {
        /// The task.
        task: TaskId,
        /// Output or error of the child.
        outcome: Result<Value, WorkflowError>,
        /// Labels of the data that had reached the child.
        labels: Labels,
    },
    /// People allow an effect that a policy had asked them about.
    Permitted {
        /// Of which task.
        task: TaskId,
    },
    /// The process was started again: effects that are open may or may not have happened.
    Recovered,
    /// What asking about an effect gave, whose class is [`EffectClass::Queryable`] and whose outcome was unknown.
    Asked {
        /// Of which task.
        task: TaskId,
        /// Its outcome, none if it did not happen, or an error if the answer does not tell.
        answer: Result<Option<Value>, WorkflowError>,
    },
    /// An event that some `listen` tasks may be interested in.
    Event {
        /// Where it stands in the log.
        position: Position,
        /// The CloudEvent.
        event: Arc<Value>,
        /// The tasks.
        tasks: Vec<TaskId>,
    },
}

/// What a step gave.
#[derive(Debug)]
pub struct Advanced {
    /// The events, in order; empty if nothing can happen yet.
    pub events: Vec<RunEvent>,
    /// Whether the run can take another step at once, because the limit of events was reached.
    pub more: bool,
}

/// Moves `state` as far as it goes without waiting, and returns the events that led there.
///
/// `state` is left as if the events had been recorded. Cost: linear in the events, plus the expressions.
pub fn advance(
    program: &Program,
    state: &mut State,
    stimulus: Stimulus,
    around: &Surroundings<'_>,
) -> Advanced {
    let mut step = Step { program, state, around, events: Vec::new(), weight: 0 };
    step.stimulate(stimulus);
    let more = step.settle();
    Advanced { events: step.events, more }
}

/// One step under way.
struct Step<'a> {
    program: &'a Program,
    state: &'a mut State,
    around: &'a Surroundings<'a>,
    events: Vec<RunEvent>,
    /// About how many bytes the events have.
    weight: usize,
}

impl Step<'_> {
    fn emit(&mut self, event: RunEvent) {
        self.weight += weight::of(&event);
        let version = Version(self.state.version.0 + 1);
        Run::evolve(self.state, &event, version, self.around.now);
        self.events.push(event);
    }

    fn full(&self) -> bool {
        self.events.len() >= self.around.limits.events || self.weight >= self.around.limits.bytes
    }

    /// Takes in what came from the world.
    fn stimulate(&mut self, stimulus: Stimulus) {
        match stimulus {
            Stimulus::None => {}
            Stimulus::Outcome { task, outcome } => {
                let Some(open) = self.state.tasks.get(&task) else { return };
                // An outcome for a task that was cancelled meanwhile is of no interest any more.
                let Phase::Effect { intent, .. } = &open.phase else { return };
                if self.state.cancel.is_some() && !self.state.compensates(task) {
                    return;
                }
                match outcome {
                    Ok(output) => {
                        // What is not awaited has no output of its own (dsl-reference, "Run").
                        let output = if awaited(&intent.request) { output } else { (*open.input).clone() };
                        self.finish(task, output, None);
                    }
                    Err(error) => self.fault(task, error),
                }
            }
            Stimulus::Child { task, outcome, labels } => {
                let new = labels.without(self.state.reached.labels());
                if !new.is_empty() && self.state.tasks.contains_key(&task) {
                    self.emit(RunEvent::DataLabelled(DataLabelled { task, labels: new.to_set() }));
                }
                self.stimulate(Stimulus::Outcome { task, outcome });
            }
            Stimulus::Permitted { task } => self.permitted(task),
            Stimulus::Recovered => self.recover(),
            Stimulus::Asked { task, answer } => self.answered(task, answer),
            Stimulus::Event { position, event, tasks } => {
                for task in tasks {
                    self.hear(task, Origin::Log { position }, &event);
                }
            }
        }
    }

    /// Decides what becomes of effects that were open when the process died.
    fn recover(&mut self) {
        let open: Vec<_> = self
            .state
            .tasks
            .iter()
            .filter_map(|(id, task)| match &task.phase {
                // What people are still asked about has not been tried: they are asked on.
                Phase::Effect { dispatch: 0, .. } => None,
                Phase::Effect { intent, dispatch, unknown: false } => Some((*id, intent.clone(), *dispatch)),
                _ => None,
            })
            .collect();
        for (task, intent, dispatch) in open {
            match intent.request {
                // These go through the sequencer under their key: asking again finds what the first one did.
                Request::Run(_) | Request::Command(_) => {}
                Request::Approval(_) => {}
                _ if intent.class.may_repeat() => {
                    self.emit(RunEvent::EffectRedispatched(EffectRedispatched {
                        task,
                        dispatch: dispatch + 1,
                    }));
                }
                // The shell asks, see `Stimulus::Asked`.
                _ if intent.class == EffectClass::Queryable && intent.inquiry.is_some() => {}
                _ => self.emit(RunEvent::EffectUnknown(EffectUnknown { task })),
            }
        }
    }

    /// Takes in what asking about an effect gave.
    fn answered(&mut self, task: TaskId, answer: Result<Option<Value>, WorkflowError>) {
        let Some(Phase::Effect { dispatch, unknown, .. }) =
            self.state.tasks.get(&task).map(|open| &open.phase)
        else {
            return;
        };
        if self.state.cancel.is_some() && !self.state.compensates(task) {
            return;
        }
        let (dispatch, unknown) = (dispatch + 1, *unknown);
        match answer {
            Ok(Some(output)) => self.finish(task, output, None),
            Ok(None) => self.emit(RunEvent::EffectRedispatched(EffectRedispatched { task, dispatch })),
            Err(_) if unknown => {}
            Err(_) => self.emit(RunEvent::EffectUnknown(EffectUnknown { task })),
        }
    }

    /// Steps until nothing moves. Returns whether the limit of events stopped it.
    fn settle(&mut self) -> bool {
        loop {
            match self.state.status() {
                Status::Unknown | Status::Completed | Status::Faulted | Status::Cancelled => return false,
                _ => {}
            }
            if self.full() {
                return true;
            }
            if self.state.cancel.is_some() {
                match self.unwind() {
                    Unwound::Moved => continue,
                    Unwound::Waits => return false,
                    Unwound::Done => return false,
                }
            }
            if self.state.paused.is_some() || self.state.fork.is_some() {
                return false;
            }
            if self.state.deadline.is_some_and(|deadline| deadline <= self.around.now) {
                self.cancel_all(CancelReason::TimedOut);
                let mut error = error::timeout("the time limit of the workflow ran out".into());
                error.instance = Some("/".into());
                self.fault_run(error);
                return false;
            }
            if self.state.input.is_none() {
                if self.state.not_before.is_some_and(|start| start > self.around.now) {
                    return false;
                }
                self.begin();
                continue;
            }
            if self.state.last_task >= self.around.limits.tasks {
                // What goes round without end is the innermost task that is open, or else the top level.
                let innermost = self.state.tasks.values().next_back().map(|open| open.reference.clone());
                self.cancel_all(CancelReason::Faulted);
                let mut error = error::runtime(format!(
                    "OC-RUN-005: the run started {} tasks, the most that are allowed",
                    self.state.last_task
                ));
                error.instance = Some(innermost.unwrap_or_else(|| "/do".into()));
                self.fault_run(error);
                return false;
            }
            if !self.step_once() {
                return false;
            }
        }
    }

    /// Finds one thing that can move and moves it. Deepest tasks first, so that what ends is seen above.
    fn step_once(&mut self) -> bool {
        let mut tasks = self.state.tasks.iter();
        let overdue = tasks.find(|(_, task)| task.limit().is_some_and(|limit| limit <= self.around.now));
        if let Some((task, _)) = overdue {
            self.time_out(*task);
            return true;
        }
        let candidates: Vec<TaskId> = self.state.tasks.keys().rev().copied().collect();
        candidates.into_iter().any(|task| self.step_task(task)) || self.step_root()
    }

    /// Ends a task whose time is over, and all below it.
    fn time_out(&mut self, task: TaskId) {
        self.cancel_below(task, CancelReason::TimedOut);
        self.fault(task, error::timeout("the time limit of the task ran out".into()));
    }

    /// Cancels every open task, deepest first.
    fn cancel_all(&mut self, reason: CancelReason) {
        let open: Vec<TaskId> = self.state.tasks.keys().rev().copied().collect();
        for task in open {
            self.emit(RunEvent::TaskCancelled(TaskCancelled { task, reason }));
        }
    }

    /// Cancels every open task below `above`, deepest first.
    fn cancel_below(&mut self, above: TaskId, reason: CancelReason) {
        let below: Vec<TaskId> = self
            .state
            .tasks
            .keys()
            .rev()
            .copied()
            .filter(|task| *task != above && self.is_below(*task, above))
            .collect();
        for task in below {
            self.emit(RunEvent::TaskCancelled(TaskCancelled { task, reason }));
        }
    }

    fn is_below(&self, task: TaskId, above: TaskId) -> bool {
        let mut parent = self.state.tasks.get(&task).and_then(|task| task.parent);
        while let Some(id) = parent {
            if id == above {
                return true;
            }
            parent = self.state.tasks.get(&id).and_then(|task| task.parent);
        }
        false
    }
}

fn awaited(request: &Request) -> bool {
    match request {
        Request::Process(process) => process.wait,
        Request::Run(child) => child.wait,
        Request::Container(container) => container.wait,
        Request::Http(_)
        | Request::OpenApi(_)
        | Request::Grpc(_)
        | Request::Approval(_)
        | Request::Command(_) => true,
    }
}

#[cfg(test)]
mod tests;
