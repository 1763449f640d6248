//! Forks: taking over the history of another run, and what became of its effects since.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use openclaw_core::{
    Decider,
    run::{self, Phase, Run, State},
};
use openclaw_gateway::{
    runs,
    sequencer::{Refused, Rejection},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, StreamId, TaskId, Timestamp, Version,
    event::run::{ForkOrigin, RunEvent},
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;
use uuid::Uuid;

use super::Worker;
use crate::supervisor::Stage;

/// The most events that are copied with one command; like those of a step they fit into a frame.
const CHUNK: usize = 64;

impl<L: EventLog> Worker<L> {
    /// Copies what is missing of the history and ends the copy. Where an earlier process stopped, this one goes on.
    /// False if the server stops before it is through.
    pub(super) async fn copy(
        &self,
        state: &mut State,
        fork: &ForkOrigin,
        correlation: Option<Uuid>,
    ) -> Result<bool, Refused> {
        while state.version < fork.at {
            if *self.stage.borrow() != Stage::Running {
                return Ok(false);
            }
            let from = state.version;
            let (events, _) = self.history(fork, from.next(), CHUNK).await?;
            if events.is_empty() {
                return Err(Refused::Unreadable(format!("run {} has no version {}", fork.run, from.next())));
            }
            self.append(state, run::Command::Copy { from, events }, correlation).await?;
        }
        let (_, then) = self.history(fork, fork.at, 1).await?;
        self.append(state, run::Command::CompleteFork { then }, correlation).await?;
        Ok(true)
    }

    /// Submits a command of the copy and folds again. What somebody else appended meanwhile is no obstacle.
    async fn append(
        &self,
        state: &mut State,
        command: run::Command,
        correlation: Option<Uuid>,
    ) -> Result<(), Refused> {
        match self.submit(command, correlation).await {
            Ok(()) | Err(Refused::Rejected(Rejection::Run(run::Rejection::Stale { .. }))) => {}
            Err(refused) => return Err(refused),
        }
        *state = runs::fold(&*self.parts.log, self.run).await?.state;
        Ok(())
    }

    /// At most `count` events of the other run from `from` on, none after the fork, and when the last was.
    async fn history(
        &self,
        fork: &ForkOrigin,
        from: Version,
        count: usize,
    ) -> Result<(Vec<RunEvent>, Timestamp), Refused> {
        let mut events = Vec::new();
        let mut then = Timestamp::default();
        let mut history = self.parts.log.read_stream(&StreamId::run(fork.run), from);
        'read: while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                if events.len() == count || recorded.version > fork.at {
                    break 'read;
                }
                let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                if let Event::Run(event) = event {
                    events.push(event);
                    then = recorded.at;
                }
            }
        }
        Ok((events, then))
    }

    /// What became of effects that were under way at the fork, as far as the other run has recorded it since: they are
    /// the same effects, and are not performed again.
    pub(super) async fn adopted(
        &self,
        state: &State,
        fork: &ForkOrigin,
    ) -> Result<Vec<(TaskId, EffectOutcome)>, Refused> {
        let open = |task: &TaskId| {
            matches!(state.tasks.get(task).map(|open| &open.phase), Some(Phase::Effect { .. }))
        };
        if !state.tasks.keys().any(open) {
            return Ok(Vec::new());
        }
        let mut other = State::default();
        let mut later = BTreeSet::new();
        let mut found = BTreeMap::new();
        let mut history = self.parts.log.read_stream(&StreamId::run(fork.run), Version(1));
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                let Event::Run(event) = event else { continue };
                if recorded.version > fork.at {
                    let outcome = match &event {
                        RunEvent::TaskStarted(data) => {
                            later.insert(data.task);
                            None
                        }
                        RunEvent::TaskCompleted(data) => {
                            let output = data.raw_output.as_ref().unwrap_or(&data.output);
                            Some((data.task, Ok(output.clone())))
                        }
                        RunEvent::TaskFaulted(data) => match &data.raw_output {
                            Some(output) => Some((data.task, Ok(output.clone()))),
                            // A time limit says nothing about the effect.
                            None if data.error.r#type == error::timeout(String::new()).r#type => None,
                            None => Some((data.task, Err(data.error.clone()))),
                        },
                        _ => None,
                    };
                    if let Some((task, outcome)) = outcome
                        && open(&task)
                        && !later.contains(&task)
                        && awaited(&other, task)
                    {
                        found.insert(task, outcome);
                    }
                }
                Run::evolve(&mut other, &event, recorded.version, recorded.at);
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Whether `task` of the other run has an effect whose outcome it takes for its own.
fn awaited(other: &State, task: TaskId) -> bool {
    use openclaw_model::event::run::Request;

    match other.tasks.get(&task).map(|open| &open.phase) {
        Some(Phase::Effect { intent, .. }) => match &intent.request {
            // What is not awaited has the input of its task for an output.
            Request::Process(request) => request.wait,
            Request::Run(request) => request.wait,
            Request::Container(request) => request.wait,
            _ => true,
        },
        Some(Phase::Answered { .. }) => true,
        _ => false,
    }
}
