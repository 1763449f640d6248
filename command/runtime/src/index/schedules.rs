//! What the index knows of the schedule of a workflow.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use openclaw_model::{
    Position, RunId, Timestamp,
    event::schedule::{Overlap, ScheduleActivated, ScheduleEvent, Timetable},
};
use openclaw_workflow::interest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::owed::Owed;

/// The schedule of one workflow, folded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    /// What is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) active: Option<ScheduleActivated>,
    /// Since when.
    #[serde(default)]
    pub(crate) since: Timestamp,
    #[serde(default)]
    pub(crate) paused: bool,
    /// When it was resumed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resumed: Option<Timestamp>,
    /// The newest due time that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_due: Option<Timestamp>,
    /// The run that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_run: Option<RunId>,
    /// When that run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_end: Option<Timestamp>,
    /// Where the events that it takes in stand after.
    #[serde(default)]
    pub(crate) after: Position,
    /// Filters that an event has passed since the last run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) passed: BTreeSet<u32>,
    /// Correlation values that are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) keys: BTreeMap<String, Value>,
    /// Events that may be of interest and were not looked at yet.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) events: VecDeque<Offered>,
}

/// An event that a schedule may be interested in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offered {
    /// Where it stands.
    pub(crate) position: Position,
    /// The CloudEvent; after a restart it is read again.
    #[serde(skip)]
    pub(crate) event: Option<Arc<Value>>,
}

impl Scheduled {
    /// Folds an event of the schedule in, which stands at `position`. Returns what is owed with it; `is_open` says
    /// whether a run is.
    pub(crate) fn follow(
        &mut self,
        name: &str,
        event: &ScheduleEvent,
        position: Position,
        at: Timestamp,
        is_open: impl Fn(RunId) -> bool,
    ) -> Vec<Owed> {
        match event {
            ScheduleEvent::Activated(data) => {
                *self = Self {
                    active: Some(data.clone()),
                    since: at,
                    after: position,
                    paused: self.paused,
                    last_run: self.last_run,
                    last_end: self.last_end,
                    ..Self::default()
                };
                Vec::new()
            }
            ScheduleEvent::Deactivated(_) => {
                *self = Self { paused: self.paused, last_run: self.last_run, ..Self::default() };
                Vec::new()
            }
            ScheduleEvent::Ticked(data) => {
                self.last_due = Some(data.due);
                data.run.map_or_else(Vec::new, |run| self.start(name, run, Some(data.due), is_open))
            }
            ScheduleEvent::EventConsumed(data) => {
                self.passed.insert(data.filter);
                self.keys.extend(data.keys.clone());
                self.after = self.after.max(data.position);
                self.events.retain(|offered| offered.position > data.position);
                Vec::new()
            }
            ScheduleEvent::Triggered(data) => {
                self.passed.clear();
                self.keys.clear();
                self.start(name, data.run, None, is_open)
            }
            ScheduleEvent::Paused(_) => {
                self.paused = true;
                Vec::new()
            }
            ScheduleEvent::Resumed(_) => {
                self.paused = false;
                self.resumed = Some(at);
                Vec::new()
            }
        }
    }

    fn start(
        &mut self,
        name: &str,
        run: RunId,
        due: Option<Timestamp>,
        is_open: impl Fn(RunId) -> bool,
    ) -> Vec<Owed> {
        let before = self.last_run.replace(run);
        self.last_end = None;
        let overlap = self.active.as_ref().map(|active| active.overlap);
        let stopped = before.filter(|before| overlap == Some(Overlap::Cancel) && is_open(*before));
        let stop = stopped.map(|run| Owed::Close { run, kill: false });
        stop.into_iter().chain([Owed::Start { schedule: name.to_owned(), run, due }]).collect()
    }

    /// A run that it started has ended.
    pub(crate) fn ended(&mut self, run: RunId, at: Timestamp) {
        if self.last_run == Some(run) {
            self.last_end = Some(at);
        }
    }

    /// Whether it may want the event at `position`.
    pub(crate) fn wants(&self, position: Position, event: &Value) -> bool {
        let Some(active) = &self.active else { return false };
        let fits = |interest| interest::fits(interest, event);
        active.timetable == Timetable::On
            && position > self.after
            && (active.interests.is_empty() || active.interests.iter().any(fits))
    }
}
