//! The schedule of a workflow: when it is started by itself. Due times are computed outside, with time zones and all;
//! here it is decided that each counts once, and which run it starts.

#[cfg(test)]
mod tests;

use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};

use openclaw_model::{
    Digest, Position, RunId, Timestamp, Version,
    event::schedule::{
        ScheduleActivated, ScheduleDeactivated, ScheduleEvent, ScheduleEventConsumed, SchedulePaused,
        ScheduleResumed, ScheduleTicked, ScheduleTriggered,
    },
};

use crate::{Decider, Facts};

/// The decider of schedules.
#[derive(Debug)]
pub struct Schedule;

/// A schedule, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What is in force.
    pub active: Option<ScheduleActivated>,
    /// Whether nothing is started for now.
    pub paused: bool,
    /// The newest due time that was dealt with.
    pub last_due: Option<Timestamp>,
    /// Filters that an event has passed since the last run.
    pub passed: BTreeSet<u32>,
    /// The newest event that was taken in.
    pub newest: Position,
}

/// What may be asked of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Put the schedule of a version in force. The same one again changes nothing.
    Activate(ScheduleActivated),
    /// Put none in force.
    Deactivate,
    /// Note that a due time came, and which run it starts.
    Tick {
        /// Of the definition that it was computed from.
        digest: Digest,
        /// The tick.
        tick: ScheduleTicked,
    },
    /// Take an event in.
    Consume {
        /// Of the definition that it was judged by.
        digest: Digest,
        /// The event.
        consumed: ScheduleEventConsumed,
        /// The run that starts, if the events are complete with it.
        run: Option<RunId>,
    },
    /// Start nothing until it is resumed.
    Pause {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
    /// Go on.
    Resume,
}

/// Why a schedule refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The workflow has no schedule. `OC-SCH-001`.
    #[error("the workflow has no schedule in force")]
    NotFound,
    /// It is not paused. `OC-SCH-002`.
    #[error("the schedule is not paused")]
    NotPaused,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-SCH-001",
            Self::NotPaused => "OC-SCH-002",
        }
    }
}

impl State {
    /// Whether ticks and events that belong to this definition count.
    fn takes(&self, digest: Digest) -> bool {
        !self.paused && self.active.as_ref().is_some_and(|active| active.digest == digest)
    }
}

impl Decider for Schedule {
    type State = State;
    type Command = Command;
    type Event = ScheduleEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<ScheduleEvent>, Rejection> {
        Ok(match command {
            Command::Activate(schedule) if state.active.as_ref() == Some(schedule) => vec![],
            Command::Activate(schedule) => vec![ScheduleEvent::Activated(schedule.clone())],
            Command::Deactivate if state.active.is_none() => vec![],
            Command::Deactivate => vec![ScheduleEvent::Deactivated(ScheduleDeactivated {})],
            Command::Tick { digest, tick } => {
                let counts = state.takes(*digest) && state.last_due.is_none_or(|last| tick.due > last);
                if counts { vec![ScheduleEvent::Ticked(tick.clone())] } else { vec![] }
            }
            Command::Consume { digest, consumed, run } => {
                if !state.takes(*digest) || consumed.position <= state.newest {
                    return Ok(vec![]);
                }
                let mut events = vec![ScheduleEvent::EventConsumed(consumed.clone())];
                events.extend(run.map(|run| ScheduleEvent::Triggered(ScheduleTriggered { run })));
                events
            }
            Command::Pause { .. } if state.active.is_none() => return Err(Rejection::NotFound),
            Command::Pause { .. } if state.paused => vec![],
            Command::Pause { reason } => {
                vec![ScheduleEvent::Paused(SchedulePaused { reason: reason.clone() })]
            }
            Command::Resume if state.paused => vec![ScheduleEvent::Resumed(ScheduleResumed {})],
            Command::Resume if state.active.is_none() => return Err(Rejection::NotFound),
            Command::Resume => return Err(Rejection::NotPaused),
        })
    }

    fn evolve(state: &mut State, event: &ScheduleEvent, _: Version, _: Timestamp) {
        match event {
            ScheduleEvent::Activated(data) => {
                // A newer version goes on from where the clock was, not from the ticks of the one before.
                *state = State {
                    active: Some(data.clone()),
                    paused: state.paused,
                    newest: state.newest,
                    ..State::default()
                };
            }
            ScheduleEvent::Deactivated(_) => {
                *state = State { paused: state.paused, newest: state.newest, ..State::default() };
            }
            ScheduleEvent::Ticked(data) => state.last_due = Some(data.due),
            ScheduleEvent::EventConsumed(data) => {
                state.passed.insert(data.filter);
                state.newest = data.position;
            }
            ScheduleEvent::Triggered(_) => state.passed.clear(),
            ScheduleEvent::Paused(_) => state.paused = true,
            ScheduleEvent::Resumed(_) => state.paused = false,
        }
    }
}
