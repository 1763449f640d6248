//! What happens to the schedule of a workflow. All versions of one `namespace/name` share a schedule, that of the newest
//! version that is not retired.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{family::event_family, run::Interest};
use crate::{Digest, Position, RunId, Timestamp};

event_family! {
    /// What happened to a schedule.
    ScheduleEvent {
        /// A version's schedule is in force.
        "schedule.activated" @ 1 => Activated(ScheduleActivated),
        /// No schedule is in force any more.
        "schedule.deactivated" @ 1 => Deactivated(ScheduleDeactivated),
        /// A due time came.
        "schedule.ticked" @ 1 => Ticked(ScheduleTicked),
        /// An event that a schedule waits for was taken in.
        "schedule.event_consumed" @ 1 => EventConsumed(ScheduleEventConsumed),
        /// The events that a schedule waits for are complete.
        "schedule.triggered" @ 1 => Triggered(ScheduleTriggered),
        /// Nothing is started until it is resumed.
        "schedule.paused" @ 1 => Paused(SchedulePaused),
        /// It goes on.
        "schedule.resumed" @ 1 => Resumed(ScheduleResumed),
    }
}

/// When a workflow is started by itself (dsl-reference, "Schedule").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Timetable {
    /// At this interval, counted from the activation, whatever became of the run before.
    Every {
        /// Milliseconds, at least 1,000.
        millis: u64,
    },
    /// By a CRON expression.
    Cron {
        /// Five fields, or six with seconds.
        expression: String,
        /// IANA name of the time zone.
        timezone: String,
    },
    /// This long after the run before has ended; the first at once.
    After {
        /// Milliseconds.
        millis: u64,
    },
    /// When events come; what they are is in the definition.
    On,
}

/// What happens at a tick while the run of an earlier one is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Another run is started beside it.
    #[default]
    Allow,
    /// Nothing is started.
    Skip,
    /// The earlier run is asked to stop, and another is started.
    Cancel,
}

/// What happens to ticks that came while the server was down or the schedule paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are passed over.
    Skip,
    /// The latest of them is made up for.
    #[default]
    Latest,
    /// Each of them is made up for, the oldest first.
    All,
}

/// A version's schedule is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleActivated {
    /// Version of the workflow.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
    /// When it is started.
    pub timetable: Timetable,
    /// What happens while a run is under way.
    pub overlap: Overlap,
    /// What happens to missed ticks.
    pub missed: Missed,
    /// Input of the runs that a time starts.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// What an event has to look like to be of any interest, for [`Timetable::On`]: one of these. Empty if every event is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interests: Vec<Interest>,
}

/// No schedule is in force any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDeactivated {}

/// A due time came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTicked {
    /// When it was due.
    pub due: Timestamp,
    /// The run that it starts; none if it starts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Why it starts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// How many ticks before it were passed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u32,
}

/// Whether a number is zero, which is not written to the log.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Why a tick started nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// The run of an earlier tick was under way.
    Overlap,
    /// It was missed, and missed ticks are passed over.
    Missed,
}

/// An event was taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleEventConsumed {
    /// Index of the filter that it passed.
    pub filter: u32,
    /// Where it stands in the log.
    pub position: Position,
    /// The CloudEvent.
    pub event: Box<Value>,
    /// Correlation values that became known with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Value>,
}

/// The events are complete, and start a run with them as input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTriggered {
    /// The run.
    pub run: RunId,
}

/// Nothing is started for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulePaused {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// It goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleResumed {}
