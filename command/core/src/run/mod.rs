//! Runs of workflows. The stepper (`command/workflow`) computes what happens next; the decider here guards that it
//! fits what has happened.

mod advance;
mod cancel;
mod evolve;
mod fork;
mod labels;
mod pause;
mod pending;
mod reconcile;
mod retry;
mod signal;
mod start;
mod state;

use alloc::{string::String, vec::Vec};

use openclaw_model::{
    TaskId, Timestamp, Version,
    event::run::{Resolution, RunEvent, RunStarted},
};
use serde_json::Value;

pub use labels::{Labels, Reached};
pub use pending::{Pending, pending};
pub use state::{
    Again, BeforeFault, CANCELLED, Cancel, End, Ended, Listening, Paused, Phase, Scope, Signal, State,
    Status, Task,
};

use crate::{Decider, Facts};

/// The decider of runs.
#[derive(Debug)]
pub struct Run;

/// What may be asked of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Accept it.
    Start(RunStarted),
    /// Accept it, with its first task not before some time has passed.
    StartLater {
        /// The rest of it.
        started: RunStarted,
        /// How much, in milliseconds.
        delay_ms: u64,
    },
    /// Record what the stepper computed from the state at `from`.
    Advance {
        /// The stream version of that state.
        from: Version,
        /// What happens.
        events: Vec<RunEvent>,
    },
    /// Record a signal.
    Signal {
        /// Its name.
        name: String,
        /// What it carries.
        data: Value,
    },
    /// Ask it to stop.
    Cancel {
        /// Why, in the caller's words.
        reason: Option<String>,
        /// Whether it stops at once, without compensation.
        kill: bool,
    },
    /// Begin nothing new.
    Pause {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
    /// Go on.
    Resume,
    /// Run failed tasks again.
    Retry {
        /// Which; all if none.
        task: Option<TaskId>,
    },
    /// Record what became of an effect.
    Reconcile {
        /// Which task's.
        task: TaskId,
        /// What became of it.
        resolution: Resolution,
        /// How that was found out.
        note: Option<String>,
    },
    /// Take over events of the run it is forked from.
    Copy {
        /// The stream version before them, there and here.
        from: Version,
        /// The events.
        events: Vec<RunEvent>,
    },
    /// All is taken over.
    CompleteFork {
        /// When the other run was there.
        then: Timestamp,
    },
}

/// Why a run refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such run. `OC-RUN-001`.
    #[error("the run does not exist")]
    NotFound,
    /// It exists already. `OC-RUN-002`.
    #[error("the run exists already")]
    Exists,
    /// It has ended. `OC-RUN-003`.
    #[error("the run has ended: {}", .0.as_str())]
    Final(Status),
    /// The state that was advanced from is not the newest; fold again and repeat. Internal.
    #[error("the run is at version {actual}, the step was computed at {from}")]
    Stale {
        /// What the step was computed from.
        from: Version,
        /// Where the run is.
        actual: Version,
    },
    /// The events do not fit the state: a bug in the stepper. `OC-RUN-004`.
    #[error("illegal step: {what} for task {task}")]
    Illegal {
        /// The offending event type.
        what: &'static str,
        /// The task it is about.
        task: TaskId,
    },
    /// Nothing has failed that could run again. `OC-RUN-006`.
    #[error("no task of the run has failed in a way that it can run again")]
    NothingToRetry,
    /// Nothing is paused. `OC-RUN-007`.
    #[error("the run is not paused, and no task is held")]
    NotPaused,
    /// The task has no effect whose outcome is unknown. `OC-RUN-008`.
    #[error("task {task} has no effect whose outcome is unknown")]
    NotUnknown {
        /// Which.
        task: TaskId,
    },
    /// Too many signals wait. `OC-RUN-009`.
    #[error("too many signals wait for the run to take them in")]
    TooManySignals,
    /// It is a fork whose history is still being copied; try again. `OC-RUN-010`.
    #[error("the history of the run is still being copied")]
    Copying,
    /// It takes over no events. Internal.
    #[error("the run copies no history, or not this one")]
    NotCopying,
}

impl Rejection {
    /// Whether another fold of the run may lead to another answer. Internal.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-RUN-001",
            Self::Exists => "OC-RUN-002",
            Self::Final(_) => "OC-RUN-003",
            Self::Stale { .. } | Self::Illegal { .. } | Self::NotCopying => "OC-RUN-004",
            Self::NothingToRetry => "OC-RUN-006",
            Self::NotPaused => "OC-RUN-007",
            Self::NotUnknown { .. } => "OC-RUN-008",
            Self::TooManySignals => "OC-RUN-009",
            Self::Copying => "OC-RUN-010",
        }
    }
}

impl Decider for Run {
    type State = State;
    type Command = Command;
    type Event = RunEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, facts: &Facts) -> Result<Vec<RunEvent>, Rejection> {
        match command {
            Command::Start(started) => start::decide(state, started),
            Command::StartLater { started, delay_ms } => start::delayed(state, started, *delay_ms, facts.now),
            Command::Advance { from, events } => advance::decide(state, *from, events),
            Command::Signal { name, data } => signal::decide(state, name, data),
            Command::Cancel { reason, kill } => cancel::decide(state, reason.as_deref(), *kill),
            Command::Pause { reason } => pause::pause(state, reason.as_deref()),
            Command::Resume => pause::resume(state),
            Command::Retry { task } => retry::decide(state, *task),
            Command::Reconcile { task, resolution, note } => {
                reconcile::decide(state, *task, resolution, note.as_deref())
            }
            Command::Copy { from, events } => fork::copy(state, *from, events),
            Command::CompleteFork { then } => fork::complete(state, *then, facts.now),
        }
    }

    fn evolve(state: &mut State, event: &RunEvent, version: Version, at: Timestamp) {
        state.apply(event, version, at);
    }
}

impl State {
    /// Refuses unless the run exists, and has not ended itself: the end of the run that is copied does not count.
    fn open_or_copied(&self) -> Result<(), Rejection> {
        if self.fork.is_some() { Ok(()) } else { self.open() }
    }

    /// Refuses unless the run exists and has not ended.
    fn open(&self) -> Result<(), Rejection> {
        match self.status() {
            _ if self.fork.is_some() => Err(Rejection::Copying),
            Status::Unknown => Err(Rejection::NotFound),
            status if status.is_final() => Err(Rejection::Final(status)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
