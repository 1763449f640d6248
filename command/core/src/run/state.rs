//! The state of a run, folded from its events. It is all that the stepper and the runtime know of a run.

use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec, vec::Vec};

use openclaw_model::{
    TaskId, Timestamp, Version,
    event::run::{
        Flow, Intent, ParentTask, RunEvent, TaskKind, TaskSkipped, TaskStarted, Work, WorkflowError,
        WorkflowRef,
    },
};
use serde_json::Value;

/// Status of a run, as the specification names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// There is no such run.
    #[default]
    Unknown,
    /// Accepted, no task has started.
    Pending,
    /// Tasks run.
    Running,
    /// All open tasks wait for a time.
    Waiting,
    /// The outcome of an effect is unknown and somebody has to decide.
    Suspended,
    /// Stopped on request.
    Cancelled,
    /// Ended with an error.
    Faulted,
    /// Ended well.
    Completed,
}

impl Status {
    /// The name that answers and the read model use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
            Self::Faulted => "faulted",
            Self::Completed => "completed",
        }
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Faulted | Self::Completed)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With this output.
    Completed(Arc<Value>),
    /// With this error.
    Faulted(WorkflowError),
    /// On request, for this reason.
    Cancelled(Option<String>),
}

/// A run, folded.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Version of the stream.
    pub version: Version,
    /// The definition it executes; none before its start.
    pub workflow: Option<WorkflowRef>,
    /// The document, when it was given inline.
    pub definition: Option<Arc<Value>>,
    /// Input before the transformation.
    pub raw_input: Arc<Value>,
    /// Input after the transformation; none while pending.
    pub input: Option<Arc<Value>>,
    /// What tasks exported last; `null` before that.
    pub context: Arc<Value>,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it times out.
    pub deadline: Option<Timestamp>,
    /// Who waits for it.
    pub parent: Option<ParentTask>,
    /// Ordinal of the newest task.
    pub last_task: u32,
    /// The top-level scope.
    pub root: Scope,
    /// Open tasks.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Somebody asked it to stop, for this reason.
    pub cancel: Option<Option<String>>,
    /// Its end, once it has one.
    pub end: Option<End>,
}

/// Where the flow stands among the tasks of one scope.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The task that ended last; none before the first.
    pub last: Option<Ended>,
    /// The error of a child, until the task it belongs to has handled it.
    pub fault: Option<WorkflowError>,
    /// How many children are open.
    pub open: u32,
    /// How often each task of the scope was started, to tell the rounds of a loop made with `then` apart.
    pub visits: BTreeMap<String, u32>,
}

/// A child task that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// Its transformed output.
    pub output: Arc<Value>,
    /// Where the flow goes after it.
    pub then: Flow,
}

/// An open task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The task it belongs to.
    pub parent: Option<TaskId>,
    /// Its name.
    pub name: String,
    /// JSON pointer to its definition.
    pub reference: String,
    /// What it does.
    pub kind: TaskKind,
    /// Identifies this place of the run whatever is retried: names, iterations and rounds, without attempts.
    pub path: String,
    /// Transformed input.
    pub input: Arc<Value>,
    /// Raw input.
    pub raw_input: Arc<Value>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it times out.
    pub deadline: Option<Timestamp>,
    /// Where it stands.
    pub phase: Phase,
    /// Its child tasks.
    pub scope: Scope,
}

/// Where an open task stands.
#[derive(Clone, Debug)]
pub enum Phase {
    /// It computes, or runs child tasks.
    Steps,
    /// It runs child tasks for each item.
    Loop {
        /// The collection.
        items: Arc<[Value]>,
        /// The current iteration; none before the first.
        index: Option<u32>,
    },
    /// It runs its branches.
    Branches {
        /// Whether the first that ends well wins.
        compete: bool,
        /// Outputs by branch.
        outputs: Vec<Option<Arc<Value>>>,
        /// How many branches have been started, in order of declaration.
        started: u32,
    },
    /// It waits until then.
    Timer {
        /// When it goes on.
        due: Timestamp,
    },
    /// It acts on the world.
    Effect {
        /// What was intended.
        intent: Arc<Intent>,
        /// How often it was dispatched.
        dispatch: u32,
        /// Whether nobody knows what became of it.
        unknown: bool,
    },
    /// A `try` runs its tasks.
    Trying {
        /// Which attempt, from 1.
        attempt: u32,
        /// When it began.
        since: Timestamp,
    },
    /// A `try` waits before it runs its tasks again.
    BackingOff {
        /// The attempt that will start.
        attempt: u32,
        /// When.
        due: Timestamp,
    },
    /// A `try` runs its `catch`.
    Catching {
        /// What was caught.
        error: Arc<WorkflowError>,
    },
}

impl State {
    /// Its status. `Waiting` when every open task without open children waits for a time.
    #[must_use]
    pub fn status(&self) -> Status {
        match (&self.end, &self.workflow) {
            (Some(End::Completed(_)), _) => return Status::Completed,
            (Some(End::Faulted(_)), _) => return Status::Faulted,
            (Some(End::Cancelled(_)), _) => return Status::Cancelled,
            (None, None) => return Status::Unknown,
            (None, Some(_)) if self.input.is_none() => return Status::Pending,
            (None, Some(_)) => {}
        }
        let mut waiting = false;
        for task in self.tasks.values() {
            match task.phase {
                Phase::Effect { unknown: true, .. } => return Status::Suspended,
                Phase::Timer { .. } | Phase::BackingOff { .. } => waiting = true,
                _ => {}
            }
        }
        let busy = self.tasks.values().any(|task| matches!(task.phase, Phase::Effect { .. }));
        if waiting && !busy { Status::Waiting } else { Status::Running }
    }

    /// The scope of `parent`; the top-level scope for none.
    #[must_use]
    pub fn scope(&self, parent: Option<TaskId>) -> Option<&Scope> {
        match parent {
            None => Some(&self.root),
            Some(id) => self.tasks.get(&id).map(|task| &task.scope),
        }
    }

    fn scope_mut(&mut self, parent: Option<TaskId>) -> Option<&mut Scope> {
        match parent {
            None => Some(&mut self.root),
            Some(id) => self.tasks.get_mut(&id).map(|task| &mut task.scope),
        }
    }

    /// The path that a task called `name` gets when it is started under `parent` in `iteration` now.
    #[must_use]
    pub fn path_of(&self, parent: Option<TaskId>, name: &str, iteration: Option<u32>) -> String {
        let base = parent.and_then(|id| self.tasks.get(&id)).map_or("", |task| task.path.as_str());
        // A new iteration starts its rounds anew, see `begin_round`.
        let same_round = match (parent.and_then(|id| self.tasks.get(&id)).map(|task| &task.phase), iteration)
        {
            (Some(Phase::Loop { index, .. }), Some(_)) => *index == iteration,
            _ => true,
        };
        let visits = self
            .scope(parent)
            .filter(|_| same_round)
            .and_then(|scope| scope.visits.get(name).copied())
            .unwrap_or(0);
        let iteration = iteration.map_or_else(String::new, |index| format!("[{index}]"));
        let round = if visits == 0 { String::new() } else { format!("#{visits}") };
        format!("{base}{iteration}/{name}{round}")
    }

    /// Folds an event in.
    pub(super) fn apply(&mut self, event: &RunEvent, version: Version, at: Timestamp) {
        self.version = version;
        match event {
            RunEvent::Started(data) => {
                self.workflow = Some(data.workflow.clone());
                self.definition = data.definition.clone().map(Arc::new);
                self.raw_input = Arc::new(data.input.clone());
                self.started_at = at;
                self.parent = data.parent;
            }
            RunEvent::Running(data) => {
                self.input = Some(Arc::new(data.input.clone()));
                self.deadline = data.deadline;
            }
            RunEvent::TaskStarted(data) => self.start(data, at),
            RunEvent::TaskSkipped(data) => self.skip(data, at),
            RunEvent::TaskCompleted(data) => {
                if let Some(context) = &data.context {
                    self.context = Arc::new(context.clone());
                }
                self.close(data.task, Ok((Arc::new(data.output.clone()), data.then.clone())));
            }
            RunEvent::TaskFaulted(data) => self.close(data.task, Err(Some(data.error.clone()))),
            RunEvent::TaskCancelled(data) => self.close(data.task, Err(None)),
            RunEvent::TaskRetried(data) => {
                if let Some(task) = self.tasks.get_mut(&data.task) {
                    task.phase = Phase::BackingOff { attempt: data.attempt, due: data.due };
                    task.scope = Scope::default();
                }
            }
            RunEvent::ErrorCaught(data) => {
                if let Some(task) = self.tasks.get_mut(&data.task) {
                    task.phase = Phase::Catching { error: Arc::new(data.error.clone()) };
                    task.scope = Scope::default();
                }
            }
            RunEvent::EffectRedispatched(data) => {
                if let Some(Phase::Effect { dispatch, .. }) = self.phase_mut(data.task) {
                    *dispatch = data.dispatch;
                }
            }
            RunEvent::EffectUnknown(data) => {
                if let Some(Phase::Effect { unknown, .. }) = self.phase_mut(data.task) {
                    *unknown = true;
                }
            }
            RunEvent::EventEmitted(_) | RunEvent::Signalled(_) => {}
            RunEvent::CancelRequested(data) => self.cancel = Some(data.reason.clone()),
            RunEvent::Completed(data) => self.finish(End::Completed(Arc::new(data.output.clone()))),
            RunEvent::Faulted(data) => self.finish(End::Faulted(data.error.clone())),
            RunEvent::Cancelled(data) => self.finish(End::Cancelled(data.reason.clone())),
        }
    }

    fn phase_mut(&mut self, task: TaskId) -> Option<&mut Phase> {
        self.tasks.get_mut(&task).map(|task| &mut task.phase)
    }

    /// A child of `parent` begins: the task above moves on to its branch, iteration or attempt.
    fn begin_round(
        &mut self,
        parent: Option<TaskId>,
        reference: &str,
        iteration: Option<u32>,
        attempt: u32,
        at: Timestamp,
    ) {
        let Some(task) = parent.and_then(|id| self.tasks.get_mut(&id)) else { return };
        match &mut task.phase {
            Phase::Branches { started, .. } => {
                *started = branch_index(reference).map_or(*started, |index| index as u32 + 1);
            }
            Phase::Loop { index, .. } if *index != iteration => {
                *index = iteration;
                task.scope.visits.clear();
                // The next iteration begins with the first task again; its input was the output of the last.
                task.scope.last = None;
            }
            Phase::BackingOff { attempt: due_attempt, .. } if *due_attempt == attempt => {
                task.phase = Phase::Trying { attempt, since: at };
            }
            _ => {}
        }
    }

    fn start(&mut self, data: &TaskStarted, at: Timestamp) {
        let path = self.path_of(data.parent, &data.name, data.iteration);
        self.begin_round(data.parent, &data.reference, data.iteration, data.attempt, at);
        self.last_task = self.last_task.max(data.task.0);
        if let Some(scope) = self.scope_mut(data.parent) {
            scope.open += 1;
            *scope.visits.entry(data.name.clone()).or_default() += 1;
        }
        let input = Arc::new(data.input.clone());
        let phase = match &data.work {
            Work::Steps if data.kind == TaskKind::Try => Phase::Trying { attempt: 1, since: at },
            Work::Steps => Phase::Steps,
            Work::Loop { items } => Phase::Loop { items: items.clone().into(), index: None },
            Work::Branches { count, compete } => {
                Phase::Branches { compete: *compete, outputs: vec![None; *count as usize], started: 0 }
            }
            Work::Timer { due } => Phase::Timer { due: *due },
            Work::Effect(intent) => {
                Phase::Effect { intent: Arc::new(intent.clone()), dispatch: 1, unknown: false }
            }
        };
        let task = Task {
            parent: data.parent,
            name: data.name.clone(),
            reference: data.reference.clone(),
            kind: data.kind,
            path,
            raw_input: data.raw_input.clone().map_or_else(|| input.clone(), Arc::new),
            input,
            started_at: at,
            deadline: data.deadline,
            phase,
            scope: Scope::default(),
        };
        self.tasks.insert(data.task, task);
    }

    fn skip(&mut self, data: &TaskSkipped, at: Timestamp) {
        self.begin_round(data.parent, &data.reference, data.iteration, data.attempt, at);
        self.last_task = self.last_task.max(data.task.0);
        let output = Arc::new(data.output.clone());
        self.record(data.parent, &data.name, &data.reference, output, Flow::Continue);
    }

    /// Closes an open task: with an output, with an error, or without either when it was cancelled.
    fn close(&mut self, id: TaskId, outcome: Result<(Arc<Value>, Flow), Option<WorkflowError>>) {
        let Some(task) = self.tasks.remove(&id) else { return };
        if let Some(scope) = self.scope_mut(task.parent) {
            scope.open = scope.open.saturating_sub(1);
        }
        match outcome {
            Ok((output, then)) => self.record(task.parent, &task.name, &task.reference, output, then),
            Err(Some(error)) => {
                if let Some(scope) = self.scope_mut(task.parent) {
                    // The first error of a scope is the one that is handled.
                    scope.fault.get_or_insert(error);
                }
            }
            Err(None) => {}
        }
    }

    /// Notes in the scope of `parent` that a child ended well.
    fn record(
        &mut self,
        parent: Option<TaskId>,
        name: &str,
        reference: &str,
        output: Arc<Value>,
        then: Flow,
    ) {
        if let Some(Phase::Branches { outputs, .. }) = parent.and_then(|id| self.phase_mut(id)) {
            let slot = branch_index(reference).and_then(|index| outputs.get_mut(index));
            if let Some(slot) = slot {
                *slot = Some(output.clone());
            }
        }
        if let Some(scope) = self.scope_mut(parent) {
            scope.last = Some(Ended { name: name.into(), output, then });
        }
    }

    fn finish(&mut self, end: End) {
        self.tasks.clear();
        self.root = Scope::default();
        self.end = Some(end);
    }
}

/// The index of a branch from its reference, `.../fork/branches/<index>/<name>`.
fn branch_index(reference: &str) -> Option<usize> {
    reference.rsplit('/').nth(1).and_then(|index| index.parse().ok())
}
