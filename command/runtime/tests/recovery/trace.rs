//! What runs left in the log, in a form that two executions can be compared by.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::{
    Event, Position, TaskId,
    event::run::{RunEvent, Work},
};

/// Everything that happened to runs.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Each task that ended: of which workflow, which task, iteration and attempt, and how. What lost a race is left
    /// out, because how far it came is a matter of time.
    pub(crate) ended: Vec<String>,
    /// How often each effect was intended, by key: once for each attempt of a `try` around it.
    pub(crate) intended: BTreeMap<String, u32>,
    /// How often each effect was dispatched, by key: once for each intent, and once for each repetition of one.
    pub(crate) dispatched: BTreeMap<String, u32>,
    /// Effects of which a success was recorded, by key.
    pub(crate) succeeded: BTreeSet<String>,
    /// Whether somebody has to decide about an effect of a run that has not ended.
    pub(crate) suspended: bool,
    /// Runs that have no end, by workflow.
    pub(crate) open: Vec<String>,
    /// What must never be: a task that ends twice, or without a beginning.
    pub(crate) faults: Vec<String>,
}

#[derive(Default)]
struct Run {
    workflow: String,
    /// Description and key of each open task.
    tasks: BTreeMap<TaskId, (String, Option<String>)>,
    begun: BTreeSet<TaskId>,
    unknown: BTreeSet<TaskId>,
    ended: bool,
}

impl Trace {
    pub(crate) async fn of(log: &MemoryLog) -> Self {
        let mut trace = Self::default();
        let mut runs: BTreeMap<String, Run> = BTreeMap::new();
        let mut history = log.read(Position(1));
        while let Some(batch) = history.next().await {
            for recorded in batch.unwrap().iter() {
                if let Event::Run(event) = recorded.decode().unwrap() {
                    trace.take(runs.entry(recorded.stream.to_string()).or_default(), &event);
                }
            }
        }
        trace.suspended = runs.values().any(|run| !run.ended && !run.unknown.is_empty());
        trace.open = runs.into_values().filter(|run| !run.ended).map(|run| run.workflow).collect();
        trace.ended.sort_unstable();
        trace
    }

    fn take(&mut self, run: &mut Run, event: &RunEvent) {
        if run.ended {
            self.faults.push(format!("{} after its end: {event:?}", run.workflow));
        }
        match event {
            RunEvent::Started(data) => run.workflow = data.workflow.name.clone(),
            RunEvent::TaskStarted(data) => {
                let place = format!(
                    "{} {} {:?} attempt {}",
                    run.workflow, data.reference, data.iteration, data.attempt
                );
                let key = match &data.work {
                    Work::Effect(intent) => Some(intent.key.clone()),
                    _ => None,
                };
                if let Some(key) = &key {
                    *self.intended.entry(key.clone()).or_default() += 1;
                    *self.dispatched.entry(key.clone()).or_default() += 1;
                }
                if !run.begun.insert(data.task) {
                    self.faults.push(format!("begun twice: {place}"));
                }
                run.tasks.insert(data.task, (place, key));
            }
            RunEvent::EffectRedispatched(data) => {
                if let Some((_, Some(key))) = run.tasks.get(&data.task) {
                    *self.dispatched.entry(key.clone()).or_default() += 1;
                }
            }
            RunEvent::EffectUnknown(data) => drop(run.unknown.insert(data.task)),
            RunEvent::TaskCompleted(data) => {
                let key = self.end(run, data.task, &format!("gave {}", data.output));
                self.succeeded.extend(key);
            }
            RunEvent::TaskFaulted(data) => {
                self.end(run, data.task, &format!("failed with {}", data.error.status));
            }
            RunEvent::TaskCancelled(data) => {
                self.end(run, data.task, &format!("cancelled: {:?}", data.reason));
            }
            RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_) => run.ended = true,
            _ => {}
        }
    }

    /// Notes the end of a task; returns the key of its effect.
    fn end(&mut self, run: &mut Run, task: TaskId, how: &str) -> Option<String> {
        run.unknown.remove(&task);
        let Some((place, key)) = run.tasks.remove(&task) else {
            self.faults.push(format!("{} {task} ended without being open: {how}", run.workflow));
            return None;
        };
        if !place.contains("/loser") {
            self.ended.push(format!("{place} {how}"));
        }
        key
    }
}
