//! `run.fork`: finds the point in the other run's history, and starts a run whose history begins with it. The runtime
//! copies the events.

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    run::{Command, Run, State},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, RunId, StreamId, Version,
    event::run::{ForkOrigin, RunEvent, RunStarted, TaskStarted},
};

use super::{Service, answer, run::run_of};
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::fork::{Fork, Forked, Point, TaskName},
    },
    sequencer::Refused,
};

/// The other run at the point.
struct Origin {
    started: RunStarted,
    state: State,
}

impl<L: EventLog> Service<L> {
    pub(super) async fn fork(&self, context: CallContext, params: Fork) -> Result<Forked, Error> {
        let accepted = match self.recall(&context).await? {
            Some(first) if self.reaches(&context, &first.stream).await? => first,
            Some(_) => return Err(missing()),
            None => {
                let origin = self.origin(&context, params.run_id, &params.at).await?;
                let started = self.forked(&context, &params, origin).await?;
                let run = RunId(self.ids.next());
                self.submit(&context, StreamId::run(run), Command::Start(started), Some(run.0)).await?
            }
        };
        let at = match accepted.events.first() {
            Some(Event::Run(RunEvent::Started(RunStarted { fork: Some(fork), .. }))) => fork.at,
            _ => return Err(Error::Internal),
        };
        Ok(Forked {
            run_id: run_of(&accepted)?,
            origin: params.run_id,
            at,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    /// The start of the new run.
    async fn forked(
        &self,
        context: &CallContext,
        params: &Fork,
        origin: Origin,
    ) -> Result<RunStarted, Error> {
        let Origin { started, state } = origin;
        let changed = self.chosen(context, params.workflow.as_ref(), params.definition.as_ref()).await?;
        let (workflow, definition, resources) = match changed {
            Some((started, program)) => {
                // Where the run stands has to be somewhere in the other document as well.
                let open = state.tasks.values().map(|task| &task.reference);
                let scopes = state.tasks.values().map(|task| &task.scope).chain([&state.root]);
                let last = scopes.filter_map(|scope| scope.last.as_ref().map(|ended| &ended.reference));
                if let Some(missing) = open.chain(last).find(|reference| !program.has_task(reference)) {
                    return Err(refused(
                        "OC-RUN-012",
                        format!("the other definition has no task at {missing}, where the run stands"),
                    ));
                }
                (started.workflow, started.definition, started.resources)
            }
            None => (started.workflow, started.definition, started.resources),
        };
        let fork = ForkOrigin { run: params.run_id, at: state.version, context: params.context.clone() };
        Ok(RunStarted {
            workflow,
            definition,
            resources,
            input: params.input.clone().unwrap_or(started.input),
            labels: started.labels,
            // What has reached the other run has reached this one.
            data_labels: started.data_labels,
            priority: started.priority,
            concurrency: started.concurrency,
            fork: Some(fork),
            // The new run is nobody's child and no schedule's, and its start is not put off.
            parent: None,
            trigger: None,
            not_before: None,
        })
    }

    /// The other run as it was at `point`.
    async fn origin(&self, context: &CallContext, run: RunId, point: &Point) -> Result<Origin, Error> {
        let beyond = || refused("OC-RUN-011", "the run has not come to this point".into());
        if let Point::Position(position) = point
            && *position > self.log.head().position
        {
            return Err(beyond());
        }
        let (mut started, mut state, mut found) = (None, State::default(), false);
        let stream = StreamId::run(run);
        let reached = self.reaches(context, &stream).await?;
        let mut history = self.log.read_stream(&stream, Version(1));
        'events: while reached && let Some(batch) = history.next().await {
            for recorded in batch.map_err(|error| answer::refused(Refused::from(error)))?.iter() {
                let unreadable = |error: openclaw_model::DecodeError| Refused::Unreadable(error.to_string());
                let event = recorded.decode().map_err(|error| answer::refused(unreadable(error)))?;
                let Event::Run(event) = event else { continue };
                if is_past(point, recorded.position, &event) {
                    found = true;
                    break 'events;
                }
                Run::evolve(&mut state, &event, recorded.version, recorded.at);
                if let RunEvent::Started(data) = event {
                    started.get_or_insert(data);
                }
                if matches!(point, Point::Version(version) if *version == recorded.version) {
                    found = true;
                    break 'events;
                }
            }
        }
        // A position between the newest event of the run and the end of the log is a point of it.
        found |= matches!(point, Point::Position(_));
        let Some(started) = started else {
            return Err(match point {
                // It exists, but not yet at this point.
                _ if found => beyond(),
                _ => missing(),
            });
        };
        if !found {
            return Err(beyond());
        }
        if state.end.is_some() {
            return Err(refused(
                "OC-RUN-013",
                "the run has ended at this point, so that nothing is left to do".into(),
            ));
        }
        Ok(Origin { started, state })
    }
}

/// Whether `event`, which stands at `position`, comes after the point.
fn is_past(point: &Point, position: Position, event: &RunEvent) -> bool {
    match (point, event) {
        (Point::Version(version), _) => version.0 == 0,
        (Point::Position(at), _) => position > *at,
        (Point::BeforeTask(name), RunEvent::TaskStarted(started)) => is_called(name, started),
        (Point::BeforeTask(_), _) => false,
    }
}

fn is_called(name: &TaskName, started: &TaskStarted) -> bool {
    match name {
        TaskName::Ordinal(task) => started.task == *task,
        TaskName::Text(pointer) if pointer.starts_with('/') => started.reference == *pointer,
        TaskName::Text(name) => started.name == *name,
    }
}

fn missing() -> Error {
    refused("OC-RUN-001", "the run does not exist".into())
}

fn refused(code: &'static str, reason: String) -> Error {
    Error::Rejected { code: code.into(), reason }
}
