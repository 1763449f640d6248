//! The state of a run, folded from its events. It is all that the stepper and the runtime know of a run.

use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};

use openclaw_model::{
    TaskId, Timestamp, Version,
    event::run::{
        Concurrency, Flow, ForkOrigin, Intent, Interest, ParentTask, Request, TaskKind, WorkflowError,
        WorkflowRef,
    },
};
use serde_json::Value;

use super::Reached;

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
    /// Texts of the files that the document refers to, when it was given inline.
    pub resources: Arc<BTreeMap<String, String>>,
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
    /// How many of its kind may be under way.
    pub concurrency: Option<Concurrency>,
    /// Nothing starts before this.
    pub not_before: Option<Timestamp>,
    /// The history that is being copied; none once it is complete.
    pub fork: Option<ForkOrigin>,
    /// Signals that nothing has taken in, the oldest first.
    pub signals: Vec<Signal>,
    /// Nothing new is begun, since when and for this reason.
    pub paused: Option<Paused>,
    /// Somebody asked it to stop.
    pub cancel: Option<Cancel>,
    /// How it was before the error that is going up, for a retry.
    pub before_fault: Option<Box<BeforeFault>>,
    /// Texts to find it by; policies see them.
    pub tags: Arc<BTreeMap<String, String>>,
    /// Labels of the data that has reached it.
    pub reached: Reached,
    /// Its end, once it has one.
    pub end: Option<End>,
}

/// A request to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// Whether it stops without compensation.
    pub kill: bool,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the caller's words.
    pub reason: Option<String>,
}

/// A signal that nothing has taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Where it stands in the run's stream.
    pub version: Version,
    /// Its name.
    pub name: String,
    /// What it carries.
    pub data: Arc<Value>,
    /// When it was sent.
    pub at: Timestamp,
}

/// How a run was before an error began to go up.
#[derive(Clone, Debug)]
pub struct BeforeFault {
    /// The task that failed.
    pub task: TaskId,
    /// When.
    pub at: Timestamp,
    /// What its effect gave, when it is what came after the effect that failed.
    pub(super) raw_output: Option<Arc<Value>>,
    pub(super) root: Scope,
    pub(super) tasks: BTreeMap<TaskId, Task>,
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
    /// The child that failed and is to be started anew, before anything else.
    pub again: Option<Again>,
}

/// A child task to be started anew.
#[derive(Clone, Debug)]
pub struct Again {
    /// JSON pointer to its definition.
    pub reference: String,
    /// Its raw input.
    pub raw_input: Arc<Value>,
}

/// A child task that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// JSON pointer to its definition.
    pub reference: String,
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
        /// Which branches have been started.
        started: Vec<bool>,
    },
    /// It waits until then.
    Timer {
        /// When it goes on.
        due: Timestamp,
    },
    /// It waits for events.
    Listening(Box<Listening>),
    /// It acts on the world.
    Effect {
        /// What was intended.
        intent: Arc<Intent>,
        /// How often it was dispatched; not yet while people are asked whether it may be.
        dispatch: u32,
        /// Whether nobody knows what became of it.
        unknown: bool,
    },
    /// Somebody said what became of its effect.
    Answered {
        /// Raw output, or the error.
        outcome: Result<Arc<Value>, Arc<WorkflowError>>,
    },
    /// It failed, and somebody has to decide.
    Held {
        /// With this.
        error: Arc<WorkflowError>,
        /// Where it stood, for a retry.
        before: Box<Phase>,
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

/// The type of the error that a cancelled run raises in those `try` tasks that name it, to compensate. No part of the
/// specification.
pub const CANCELLED: &str = "urn:openclaw:error:cancelled";

impl Task {
    /// When it times out; never while it only waits for somebody to decide, or for the next step.
    #[must_use]
    pub fn limit(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Effect { unknown: true, .. } | Phase::Held { .. } | Phase::Answered { .. } => None,
            _ => self.deadline,
        }
    }

    /// Whether it is a `try` whose `catch` undoes what was done, because the run is being cancelled.
    #[must_use]
    pub fn is_compensation(&self) -> bool {
        matches!(&self.phase, Phase::Catching { error } if error.r#type == CANCELLED)
    }

    /// Gives it its whole time limit again, which may be what it ran out of.
    pub(super) fn allow_all_its_time(&mut self, at: Timestamp) {
        self.deadline = self.deadline.map(|limit| at.plus_millis(limit.millis_since(self.started_at)));
    }

    /// Whether what it did so far would be lost if it were started anew.
    pub(super) fn keeps_its_place(&self) -> bool {
        match &self.phase {
            Phase::Branches { .. } | Phase::Catching { .. } | Phase::BackingOff { .. } => true,
            Phase::Answered { outcome } => outcome.is_ok(),
            Phase::Loop { index, .. } => index.is_some(),
            Phase::Listening(listening) => !listening.passed.is_empty(),
            Phase::Steps | Phase::Trying { .. } => self.scope.last.is_some(),
            Phase::Timer { .. } | Phase::Effect { .. } | Phase::Held { .. } => false,
        }
    }
}

/// What a `listen` task has taken in.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// What an event has to look like to be of interest; empty if every event is.
    pub interests: Vec<Interest>,
    /// Indexes of the filters that an event has passed.
    pub passed: BTreeSet<u32>,
    /// Correlation values that are known.
    pub keys: BTreeMap<String, Value>,
    /// The events, in order, without those of `until`.
    pub events: Vec<Arc<Value>>,
    /// What the iterations gave, as far as they are through.
    pub outputs: Vec<Arc<Value>>,
    /// The iteration that runs; none before the first.
    pub index: Option<u32>,
    /// Whether it takes in no more.
    pub complete: bool,
}

impl State {
    /// Its status. `Waiting` when every open task without open children waits for a time, an event or people.
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
        if self.paused.is_some() {
            return Status::Suspended;
        }
        let (mut waiting, mut busy) = (false, false);
        for task in self.tasks.values() {
            match &task.phase {
                Phase::Effect { unknown: true, .. } | Phase::Held { .. } => return Status::Suspended,
                Phase::Timer { .. } | Phase::BackingOff { .. } => waiting = true,
                Phase::Listening(_) if task.scope.open == 0 => waiting = true,
                Phase::Effect { intent, dispatch, .. }
                    if *dispatch == 0 || matches!(intent.request, Request::Approval(_)) =>
                {
                    waiting = true;
                }
                Phase::Effect { .. } => busy = true,
                _ => {}
            }
        }
        if waiting && !busy { Status::Waiting } else { Status::Running }
    }

    /// Whether `id` is a `try` that compensates, or lies below one.
    #[must_use]
    pub fn compensates(&self, id: TaskId) -> bool {
        let mut at = Some(id);
        while let Some(task) = at.and_then(|id| self.tasks.get(&id)) {
            if task.is_compensation() {
                return true;
            }
            at = task.parent;
        }
        false
    }

    /// The scope of `parent`; the top-level scope for none.
    #[must_use]
    pub fn scope(&self, parent: Option<TaskId>) -> Option<&Scope> {
        match parent {
            None => Some(&self.root),
            Some(id) => self.tasks.get(&id).map(|task| &task.scope),
        }
    }

    pub(super) fn scope_mut(&mut self, parent: Option<TaskId>) -> Option<&mut Scope> {
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
            (Some(Phase::Listening(listening)), Some(_)) => listening.index == iteration,
            _ => true,
        };
        let visits = self
            .scope(parent)
            .filter(|_| same_round)
            .and_then(|scope| scope.visits.get(name).copied())
            .unwrap_or(0);
        let iteration = iteration.map_or_else(String::new, |index| format!("[{index}]"));
        let round = if visits == 0 { String::new() } else { format!("#{visits}") };
        format!("{base}{iteration}/{}{round}", escaped(name))
    }
}

/// The name of a task without the characters that have a meaning in a path, so that two places never have one path.
fn escaped(name: &str) -> Cow<'_, str> {
    const MEANING: [char; 5] = ['/', '[', ']', '#', '%'];
    if !name.contains(MEANING) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        if MEANING.contains(&character) {
            escaped.push_str(&format!("%{:02x}", character as u32));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}
