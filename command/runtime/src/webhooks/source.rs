//! From events of the log to CloudEvents.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use futures_util::StreamExt;
use lru::LruCache;
use openclaw_core::webhook::Target;
use openclaw_gateway::sequencer::Refused;
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Recorded, RunId, TaskId, Version,
    event::{
        published::PublishedEvent,
        run::{RunEvent, WorkflowRef},
    },
    namespace::Home,
};
use serde_json::Value;

use crate::lifecycle;

/// Runs of which names are kept.
const RUNS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Makes CloudEvents. What it keeps of runs is a cache over the log.
pub(super) struct Source<L> {
    log: Arc<L>,
    /// Only what happens there is told.
    namespace: String,
    runs: LruCache<RunId, Run>,
}

/// What lifecycle events say of a run beside what is in the log event itself.
#[derive(Default)]
struct Run {
    version: Version,
    workflow: Option<WorkflowRef>,
    /// The end of the history that it has copied from another run, for a fork.
    copied: Option<Version>,
    /// JSON pointers of its tasks that may still be told of.
    references: HashMap<TaskId, String>,
}

impl<L: EventLog> Source<L> {
    /// Reads from `log` what happens in `namespace`.
    pub(super) fn new(log: Arc<L>, namespace: &str) -> Self {
        Self { log, namespace: namespace.to_owned(), runs: LruCache::new(RUNS) }
    }

    /// The CloudEvents that `recorded` means and `target` wants, each with the number that it has among all of them.
    pub(super) async fn events(
        &mut self,
        recorded: &Recorded,
        target: &Target,
    ) -> Result<Vec<(usize, Value)>, Refused> {
        let unreadable = |error: openclaw_model::DecodeError| Refused::Unreadable(error.to_string());
        let event_type = &*recorded.event_type;
        match recorded.stream.home() {
            Home::Namespace(other) if other != self.namespace => return Ok(vec![]),
            Home::First => {
                let Some(run) = recorded.stream.as_run() else { return Ok(vec![]) };
                let workflow = self.known(run, recorded.version).await?.workflow.as_ref();
                let of = workflow.map(|workflow| workflow.namespace.clone());
                if of.is_some_and(|of| of != self.namespace) {
                    return Ok(vec![]);
                }
            }
            _ => {}
        }
        if let Some(run) = recorded.stream.as_run()
            && recorded.version > Version(1)
            && self.known(run, recorded.version).await?.copied.is_some_and(|end| recorded.version <= end)
        {
            // It happened to the run that this one is forked from, and was told then.
            return Ok(vec![]);
        }
        let all = if matches!(event_type, "event.published" | "run.event_emitted") {
            match recorded.decode().map_err(unreadable)? {
                Event::Published(PublishedEvent::Published(published)) => vec![published.event],
                Event::Run(RunEvent::EventEmitted(emitted)) => vec![emitted.event],
                _ => vec![],
            }
        } else if let Some(run) = recorded.stream.as_run()
            && lifecycle::TYPES.iter().any(|name| target.wants(name))
        {
            let Event::Run(event) = recorded.decode().map_err(unreadable)? else { return Ok(vec![]) };
            let known = self.known(run, recorded.version).await?;
            let Some(workflow) = &known.workflow else { return Ok(vec![]) };
            let reference = |task: TaskId| known.references.get(&task).cloned();
            let id = recorded.position.to_string();
            lifecycle::cloud_events(run, workflow, &event, recorded.at, &id, &reference)
        } else {
            vec![]
        };
        let wanted = |event: &Value| event["type"].as_str().is_some_and(|name| target.wants(name));
        Ok(all.into_iter().enumerate().filter(|(_, event)| wanted(event)).collect())
    }

    /// What is known of `run` up to `version`.
    async fn known(&mut self, run: RunId, version: Version) -> Result<&Run, Refused> {
        if !self.runs.contains(&run) {
            self.runs.put(run, Run::default());
        }
        let known = self.runs.get_mut(&run).expect("it was put there just now");
        if known.version < version {
            let stream = openclaw_model::StreamId::run(run);
            let mut history = self.log.read_stream(&stream, known.version.next());
            'events: while let Some(batch) = history.next().await {
                for recorded in batch?.iter() {
                    if recorded.version > version {
                        break 'events;
                    }
                    known.version = recorded.version;
                    if !matches!(
                        &*recorded.event_type,
                        "run.started" | "run.task_started" | "run.task_skipped"
                    ) {
                        continue;
                    }
                    let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                    known.learn(event);
                }
            }
        }
        Ok(known)
    }
}

impl Run {
    fn learn(&mut self, event: Event) {
        match event {
            Event::Run(RunEvent::Started(started)) => {
                self.workflow.get_or_insert(started.workflow);
                self.copied = self.copied.or(started.fork.map(|fork| fork.at));
            }
            Event::Run(RunEvent::TaskStarted(started)) => {
                self.references.insert(started.task, started.reference);
            }
            Event::Run(RunEvent::TaskSkipped(skipped)) => {
                self.references.insert(skipped.task, skipped.reference);
            }
            _ => {}
        }
    }
}
