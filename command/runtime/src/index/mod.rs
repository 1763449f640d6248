//! What has not ended, and what it waits for: an index over the log, so that a start need not read all of it, and so
//! that events, ends and times find those who wait for them without anybody asking around.
//!
//! The index is derived. Its file is a cache of the fold up to a position: when it is missing, unreadable or ahead of
//! the log, everything is read again.
//!
//! Invariant: following the same events in the same order gives the same index, except for what workers report: that a
//! run is parked, and that an event was of no interest. Both are safe to lose.

mod admission;
mod events;
mod file;
mod follow;
mod listeners;
mod namespaces;
mod owed;
mod relations;
mod run;
mod schedules;
mod small;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::StreamExt;
use openclaw_gateway::sequencer::{Census, Refused};
use openclaw_log::EventLog;
use openclaw_model::{ApprovalId, Position, RunId, TaskId, Timestamp, Version};
use serde::{Deserialize, Serialize};

use self::{
    admission::Admission,
    listeners::{Interests, Listeners},
    namespaces::Namespaces,
    run::Awaited,
};
pub(crate) use self::{
    owed::Owed,
    run::{Delivery, OpenRun, Own, Parked},
    schedules::{Offered, Scheduled},
};

/// Positions after which the file is written again.
const STRIDE: u64 = 8_192;

/// What is kept in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    position: Position,
    namespaces: Namespaces,
    /// How many workflows each namespace has.
    workflows: BTreeMap<String, u64>,
    runs: BTreeMap<RunId, OpenRun>,
    /// Open approvals, with the end of the time to decide.
    approvals: BTreeMap<ApprovalId, Option<Timestamp>>,
    /// By `namespace/name`.
    schedules: BTreeMap<String, Scheduled>,
    owed: BTreeSet<Owed>,
    /// Namespaces that have a policy.
    #[serde(default)]
    policies: BTreeSet<String>,
}

/// What follows from what is known.
#[derive(Debug, Default)]
struct Derived {
    awaited: HashMap<Awaited, BTreeSet<(RunId, TaskId)>>,
    /// Open children by parent.
    children: HashMap<RunId, BTreeSet<RunId>>,
    listeners: Listeners,
    interests: Interests,
    admission: Admission,
    /// References of the tasks of runs, kept while somebody waits for lifecycle events.
    references: HashMap<RunId, Arc<References>>,
}

/// What lifecycle events say of a run.
#[derive(Clone, Debug)]
pub(crate) struct References {
    pub(crate) workflow: openclaw_model::event::run::WorkflowRef,
    pub(crate) tasks: HashMap<TaskId, String>,
}

/// What has to be done because of an event.
#[derive(Clone, Debug)]
pub(crate) enum Wake {
    /// The run may go on, for the first time.
    Begin(RunId),
    /// Its effects may or may not have been performed, as after a restart.
    Recover(RunId),
    /// Somebody else appended to the stream of the run.
    Look(RunId),
    /// What this task waits for has ended.
    Ended(RunId, TaskId),
    /// An event was added to the deliveries of the run.
    Deliver(RunId, Delivery),
    /// The run waits for a time.
    Due(RunId),
    /// There may be room for runs of this key.
    Admit(String),
    /// Something is owed.
    Owe(Owed),
    /// The time to decide ends then.
    Approval(ApprovalId, Timestamp),
    /// The due time of the schedule may have changed.
    Schedule(String),
    /// An event was added to those of the schedule.
    Offer(String),
}

/// Runs, approvals and schedules that are open, as of a position of the log.
#[derive(Debug)]
pub struct OpenRuns {
    path: PathBuf,
    saved: Position,
    known: Known,
    derived: Derived,
    wakes: Vec<Wake>,
}

impl OpenRuns {
    /// Brings the index in the file at `path` up to the head of `log`. Cost: reads what was appended since the file
    /// was written, at most some thousand events unless it is missing.
    ///
    /// # Errors
    /// [`Refused::Unreadable`] when the log or an event cannot be read.
    pub async fn load<L: EventLog>(log: &L, path: &Path) -> Result<Self, Refused> {
        let known = file::read(path, log.head().position).unwrap_or_default();
        let mut open = Self {
            path: path.to_owned(),
            saved: known.position,
            known,
            derived: Derived::default(),
            wakes: Vec::new(),
        };
        open.derive();
        let mut history = log.read(open.known.position.next());
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                open.read(log, recorded).await?;
            }
        }
        // Whoever was woken is not parked any more and is employed at the start.
        open.wakes.clear();
        Ok(open)
    }

    fn derive(&mut self) {
        let mut runs = std::mem::take(&mut self.known.runs);
        for (run, open) in &mut runs {
            if let Some(more) = &mut open.more {
                for listening in more.listening.values_mut() {
                    listening.interests = self.derived.interests.shared(&listening.interests);
                }
            }
            self.derive_run(*run, open);
        }
        self.known.runs = runs;
    }

    fn derive_run(&mut self, run: RunId, open: &OpenRun) {
        self.derived.admission.note(run, open);
        let Some(more) = &open.more else { return };
        if let Some(parent) = more.parent {
            self.derived.children.entry(parent.run).or_default().insert(run);
        }
        for (task, own) in more.own.iter() {
            if let Some(awaited) = own.awaits() {
                self.derived.awaited.entry(awaited).or_default().insert((run, *task));
            }
        }
        for (task, listening) in more.listening.iter() {
            self.derived.listeners.add((run, *task), &listening.interests);
        }
    }

    /// How many runs have not ended.
    pub(crate) fn len(&self) -> usize {
        self.known.runs.len()
    }

    /// An open run.
    pub(crate) fn run(&self, run: RunId) -> Option<&OpenRun> {
        self.known.runs.get(&run)
    }

    /// All open runs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (RunId, &OpenRun)> {
        self.known.runs.iter().map(|(run, open)| (*run, open))
    }

    /// How many runs of each namespace have not ended, and how many workflows it has. Cost: looks at every open run.
    #[must_use]
    pub fn census(&self) -> BTreeMap<String, Census> {
        let mut census: BTreeMap<String, Census> = BTreeMap::new();
        for open in self.known.runs.values() {
            let name = self.known.namespaces.name(open.namespace);
            census.entry(name.to_string()).or_default().open_runs += 1;
        }
        for (name, workflows) in &self.known.workflows {
            census.entry(name.clone()).or_default().workflows += workflows;
        }
        census
    }

    /// Everything owed.
    pub(crate) fn owed(&self) -> &BTreeSet<Owed> {
        &self.known.owed
    }

    /// The end of the time to decide, if the approval is open and has one.
    pub(crate) fn deadline(&self, approval: ApprovalId) -> Option<Timestamp> {
        self.known.approvals.get(&approval).copied().flatten()
    }

    /// Open approvals with an end of the time to decide.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (ApprovalId, Timestamp)> {
        self.known.approvals.iter().filter_map(|(approval, due)| Some((*approval, (*due)?)))
    }

    /// Schedules, by `namespace/name`.
    pub(crate) fn schedules(&self) -> &BTreeMap<String, Scheduled> {
        &self.known.schedules
    }

    /// What has to be done since this was asked last.
    pub(crate) fn wakes(&mut self) -> Vec<Wake> {
        std::mem::take(&mut self.wakes)
    }

    /// Whether the run may have a worker as far as concurrency is concerned.
    pub(crate) fn admits(&self, run: RunId) -> bool {
        self.known.runs.get(&run).is_some_and(|open| {
            let special = open.more.as_deref().is_some_and(|more| more.cancelled || more.copying.is_some());
            special || self.derived.admission.admits(run, open)
        })
    }

    /// Lets runs of `key` in, as many as there is room for.
    pub(crate) fn let_in(&mut self, key: &str, now: Timestamp) -> Vec<RunId> {
        let runs = &self.known.runs;
        self.derived.admission.let_in(key, now, |run| runs.get(&run))
    }

    /// Keys of runs that have not begun.
    pub(crate) fn waiting_keys(&self) -> BTreeSet<String> {
        let key = |open: &OpenRun| Some(open.more.as_ref()?.concurrency.as_ref()?.key.clone());
        self.known.runs.values().filter(|open| !open.begun).filter_map(key).collect()
    }

    /// The effects of `run` that go on elsewhere and have not ended: its worker need not look at them.
    pub(crate) fn elsewhere(&self, run: RunId) -> BTreeSet<TaskId> {
        let Some(more) = self.run(run).and_then(|open| open.more.as_deref()) else { return BTreeSet::new() };
        let goes_on = |own: &Own| match own.awaits() {
            Some(Awaited::Run(child)) => self.known.runs.contains_key(&child),
            Some(Awaited::Approval(approval)) => self.known.approvals.contains_key(&approval),
            None => false,
        };
        more.own.iter().filter(|(_, own)| goes_on(own)).map(|(task, _)| *task).collect()
    }

    /// Namespaces that have a policy.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.known.policies.iter().map(String::as_str)
    }

    /// The events that `run` has not dealt with, in log order.
    pub(crate) fn deliveries(&self, run: RunId) -> Vec<Delivery> {
        let more = self.run(run).and_then(|open| open.more.as_deref());
        more.map_or_else(Vec::new, |more| more.deliveries.iter().cloned().collect())
    }

    /// A worker is at work again, so the run is not parked.
    pub(crate) fn employ(&mut self, run: RunId) {
        if let Some(open) = self.known.runs.get_mut(&run) {
            open.parked = None;
        }
    }

    /// A worker left a run that waits, as of `version`.
    pub(crate) fn park(&mut self, run: RunId, version: Version, due: Option<Timestamp>) {
        if let Some(open) = self.known.runs.get_mut(&run) {
            open.parked = Some(Parked { version, due });
            open.shrink();
        }
    }

    /// A run has dealt with the delivery of `part` of the event at `position`.
    pub(crate) fn delivered(&mut self, run: RunId, position: Position, part: u8) {
        if let Some(more) = self.known.runs.get_mut(&run).and_then(|open| open.more.as_deref_mut()) {
            more.deliveries.retain(|delivery| (delivery.position, delivery.part) != (position, part));
        }
    }

    /// A schedule has looked at the event at `position`.
    pub(crate) fn offered(&mut self, schedule: &str, position: Position) {
        if let Some(scheduled) = self.known.schedules.get_mut(schedule) {
            scheduled.events.retain(|offered| offered.position != position);
        }
    }

    /// What was owed is done, whether or not the log shows it.
    pub(crate) fn paid(&mut self, owed: &Owed) {
        self.known.owed.remove(owed);
    }

    /// Whether the run that a schedule started last has not ended, or is about to be started.
    pub(crate) fn is_under_way(&self, scheduled: &Scheduled) -> bool {
        scheduled.last_run.is_some_and(|last| {
            let starts = |owed: &Owed| matches!(owed, Owed::Start { run, .. } if *run == last);
            self.known.runs.contains_key(&last) || self.known.owed.iter().any(starts)
        })
    }

    /// Whether the file has fallen so far behind that it should be written.
    pub(crate) fn is_stale(&self) -> bool {
        self.known.position.0 - self.saved.0 >= STRIDE
    }

    /// Writes the file as it is now. The work is done by the returned closure, which may block.
    pub(crate) fn save(&mut self) -> impl FnOnce() -> io::Result<()> + Send + 'static {
        self.saved = self.known.position;
        let (path, known) = (self.path.clone(), self.known.clone());
        move || file::write(&path, &known)
    }
}
