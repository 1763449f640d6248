//! Events on their way to those who wait for them.

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt;
use openclaw_gateway::sequencer::Refused;
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, Recorded, RunId, StreamId, TaskId, Version,
    event::{PublishedEvent, RunEvent},
};
use openclaw_workflow::interest;
use serde_json::Value;

use super::{OpenRuns, References, Wake, follow::Place, run::Delivery, schedules::Offered};
use crate::lifecycle;

/// The CloudEvent that `event` publishes, if it does.
pub(super) fn published(event: &Event) -> Option<&Value> {
    match event {
        Event::Published(PublishedEvent::Published(published)) => Some(&published.event),
        Event::Run(RunEvent::EventEmitted(emitted)) => Some(&emitted.event),
        _ => None,
    }
}

impl OpenRuns {
    /// A `listen` task took an event in, and with it decided about all before it.
    pub(super) fn consumed(&mut self, run: RunId, task: TaskId, position: Position) {
        let Some(more) = self.known.runs.get_mut(&run).and_then(|open| open.more.as_deref_mut()) else {
            return;
        };
        if let Some(listening) = more.listening.get_mut(&task) {
            listening.newest = listening.newest.max(position);
        }
        for delivery in &mut more.deliveries {
            if delivery.position <= position {
                delivery.tasks.retain(|other| *other != task);
            }
        }
        more.deliveries.retain(|delivery| !delivery.tasks.is_empty());
    }

    /// Hands a CloudEvent to the tasks and schedules of `namespace` that may be interested; not to `except`.
    pub(super) fn publish(
        &mut self,
        position: Position,
        part: u8,
        event: &Arc<Value>,
        namespace: &str,
        except: Option<RunId>,
    ) {
        let number = self.known.namespaces.known(namespace);
        let mut receivers: HashMap<RunId, Vec<TaskId>> = HashMap::new();
        for (run, task) in self.derived.listeners.candidates(event, except.is_some()) {
            let open = self.run(run).filter(|open| Some(open.namespace) == number);
            let listening = open.and_then(|open| open.more.as_ref()?.listening.get(&task));
            let Some(listening) = listening else { continue };
            let fits = listening.interests.is_empty()
                || listening.interests.iter().any(|interest| interest::fits(interest, event));
            if fits && listening.since < position && except != Some(run) {
                receivers.entry(run).or_default().push(task);
            }
        }
        for (run, tasks) in receivers {
            let delivery = Delivery { position, part, tasks, event: Some(event.clone()) };
            if let Some(open) = self.known.runs.get_mut(&run) {
                open.more_mut().deliveries.push_back(delivery.clone());
            }
            self.wake(run, Wake::Deliver(run, delivery));
        }
        if except.is_none() {
            for (name, scheduled) in &mut self.known.schedules {
                if is_in(name, namespace) && scheduled.wants(position, event) {
                    scheduled.events.push_back(Offered { position, event: Some(event.clone()) });
                    self.wakes.push(Wake::Offer(name.clone()));
                }
            }
        }
    }

    /// Hands the lifecycle events that `event` means to those who wait for them.
    pub(super) async fn lifecycle<L: EventLog>(
        &mut self,
        log: &L,
        run: RunId,
        event: &RunEvent,
        place: Place,
    ) -> Result<(), Refused> {
        if !self.derived.listeners.want_lifecycle() {
            self.derived.references.clear();
            return Ok(());
        }
        let known = match self.derived.references.get_mut(&run) {
            Some(known) => known,
            None => {
                let Some(known) = references(log, run).await? else { return Ok(()) };
                self.derived.references.entry(run).or_insert(Arc::new(known))
            }
        };
        if let RunEvent::TaskStarted(data) = event {
            Arc::make_mut(known).tasks.insert(data.task, data.reference.clone());
        }
        let known = known.clone();
        let reference = |task: TaskId| known.tasks.get(&task).cloned();
        let id = place.position.to_string();
        let events = lifecycle::cloud_events(run, &known.workflow, event, place.at, &id, &reference);
        for (event, part) in events.into_iter().zip(0..) {
            self.publish(place.position, part, &Arc::new(event), &known.workflow.namespace, Some(run));
        }
        Ok(())
    }
}

/// Whether the schedule `namespace/name` is in this namespace.
fn is_in(schedule: &str, namespace: &str) -> bool {
    schedule.split_once('/').is_some_and(|(own, _)| own == namespace)
}

/// What lifecycle events say of a run, read from its stream; none if it has no start.
async fn references<L: EventLog>(log: &L, run: RunId) -> Result<Option<References>, Refused> {
    let mut found: Option<References> = None;
    let mut history = log.read_stream(&StreamId::run(run), Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            if !matches!(&*recorded.event_type, "run.started" | "run.task_started") {
                continue;
            }
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            match (event, &mut found) {
                (Event::Run(RunEvent::Started(data)), None) => {
                    found = Some(References { workflow: data.workflow, tasks: HashMap::new() });
                }
                (Event::Run(RunEvent::TaskStarted(data)), Some(found)) => {
                    found.tasks.insert(data.task, data.reference);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

impl OpenRuns {
    /// The CloudEvent with this number that was made of the log event at `position`; none if there is none.
    pub(crate) async fn event_at<L: EventLog>(
        log: &L,
        position: Position,
        part: u8,
    ) -> Result<Option<Arc<Value>>, Refused> {
        let Some(batch) = log.read(position).next().await else { return Ok(None) };
        let batch = batch?;
        let Some(recorded) = batch.first() else { return Ok(None) };
        let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
        if let Some(event) = published(&event) {
            return Ok(Some(Arc::new(event.clone())));
        }
        let (Some(run), Event::Run(event)) = (recorded.stream.as_run(), &event) else { return Ok(None) };
        let Some(known) = references(log, run).await? else { return Ok(None) };
        let made = lifecycle_of(&known, run, event, recorded);
        Ok(made.into_iter().nth(part.into()).map(Arc::new))
    }
}

fn lifecycle_of(known: &References, run: RunId, event: &RunEvent, recorded: &Recorded) -> Vec<Value> {
    let reference = |task: TaskId| known.tasks.get(&task).cloned();
    let id = recorded.position.to_string();
    lifecycle::cloud_events(run, &known.workflow, event, recorded.at, &id, &reference)
}
