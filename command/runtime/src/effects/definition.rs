//! What a run's definition allows its effects: which secrets, and which texts were recorded with it.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt;
use openclaw_gateway::{Definitions, sequencer::Refused};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, RunId, StreamId, Version,
    event::run::{Resource, RunEvent, RunStarted, WorkflowError},
};
use openclaw_ports::secrets::{Error, Handle, Opened, Secrets, Use};
use openclaw_workflow::{error, stepper::Program};

/// Finds the definitions of runs.
pub(super) struct RunDefinitions<L> {
    pub(super) log: Arc<L>,
    pub(super) definitions: Arc<Definitions<L>>,
}

/// What the effects of a run may use.
#[derive(Default)]
pub(super) struct Allowed {
    started: Option<(Box<RunStarted>, Arc<Program>)>,
}

impl<L: EventLog> RunDefinitions<L> {
    /// Of `run`. Cost: the first events of the run are read; compiling is done once for all runs of a definition.
    pub(super) async fn of(&self, run: RunId) -> Result<Allowed, WorkflowError> {
        let unreadable = |refused: Refused| error::runtime(refused.to_string());
        let mut history = self.log.read_stream(&StreamId::run(run), Version(1));
        let first = match history.next().await {
            Some(batch) => batch.map_err(|problem| unreadable(problem.into()))?.first().cloned(),
            None => None,
        };
        let event = first.map(|recorded| recorded.decode()).transpose();
        let event = event.map_err(|problem| unreadable(Refused::Unreadable(problem.to_string())))?;
        let Some(Event::Run(RunEvent::Started(started))) = event else {
            return Err(error::runtime(format!("run {run} has no start")));
        };
        let program = self
            .definitions
            .of_run(&started.workflow, started.definition.as_ref(), &started.resources)
            .await
            .map_err(|missing| error::runtime(missing.to_string()))?;
        Ok(Allowed { started: Some((Box::new(started), program)) })
    }
}

impl Allowed {
    /// Opens those of `handles` that the definition lists, for `usage`, which is recorded.
    pub(super) async fn open(&self, secrets: &dyn Secrets, handles: BTreeSet<Handle>, usage: Use) -> Opened {
        let definition = self.started.as_ref().map(|(_, program)| program.definition());
        let listed = |handle: &Handle| definition.is_some_and(|known| known.secrets.contains(&handle.name));
        let (listed, others): (BTreeSet<_>, BTreeSet<_>) = handles.into_iter().partition(listed);
        let mut opened = match definition {
            Some(definition) if !listed.is_empty() => {
                secrets.open(&definition.namespace, listed, usage).await
            }
            _ => Opened::new(),
        };
        opened.extend(others.into_iter().map(|handle| {
            let refused = Error::NotListed(handle.name.clone());
            (handle, Err(refused))
        }));
        opened
    }

    /// The namespace that secrets are in, and the names of those that the definition lists.
    pub(super) fn secrets(&self) -> (String, BTreeSet<String>) {
        let definition = self.started.as_ref().map(|(_, program)| program.definition());
        definition.map(|known| (known.namespace.clone(), known.secrets.clone())).unwrap_or_default()
    }

    /// The text of a file, as it was when the definition was registered, or the run was started.
    pub(super) fn recorded(&self, resource: &Resource) -> Option<&str> {
        let (started, program) = self.started.as_ref()?;
        let text = started.resources.get(&resource.uri);
        text.or_else(|| program.definition().resources.get(&resource.uri)).map(String::as_str)
    }
}
