//! Runs of workflows. The stepper (`command/workflow`) computes what happens next; the decider here guards that it
//! fits what has happened.

mod advance;
mod cancel;
mod pending;
mod signal;
mod start;
mod state;

use alloc::{string::String, vec::Vec};

use openclaw_model::{
    TaskId, Timestamp, Version,
    event::run::{RunEvent, RunStarted},
};
use serde_json::Value;

pub use pending::{Pending, pending};
pub use state::{End, Ended, Phase, Scope, State, Status, Task};

use crate::{Decider, Facts};

/// The decider of runs.
#[derive(Debug)]
pub struct Run;

/// What may be asked of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Accept it.
    Start(RunStarted),
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
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-RUN-001",
            Self::Exists => "OC-RUN-002",
            Self::Final(_) => "OC-RUN-003",
            Self::Stale { .. } | Self::Illegal { .. } => "OC-RUN-004",
        }
    }
}

impl Decider for Run {
    type State = State;
    type Command = Command;
    type Event = RunEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<RunEvent>, Rejection> {
        match command {
            Command::Start(started) => start::decide(state, started),
            Command::Advance { from, events } => advance::decide(state, *from, events),
            Command::Signal { name, data } => signal::decide(state, name, data),
            Command::Cancel { reason } => cancel::decide(state, reason.as_deref()),
        }
    }

    fn evolve(state: &mut State, event: &RunEvent, version: Version, at: Timestamp) {
        state.apply(event, version, at);
    }
}

impl State {
    /// Refuses unless the run exists and has not ended.
    fn open(&self) -> Result<(), Rejection> {
        match self.status() {
            Status::Unknown => Err(Rejection::NotFound),
            status if status.is_final() => Err(Rejection::Final(status)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
