//! `run.start`, `run.cancel` and `run.signal`.

use std::sync::Arc;

use openclaw_core::run::{Command, End, State, Status};
use openclaw_log::EventLog;
use openclaw_model::{
    RunId, StreamId,
    event::run::{Concurrency, RunStarted, WorkflowRef},
};
use openclaw_workflow::stepper::Program;
use serde_json::{Map, Value};

use super::{Service, answer, reach};
use crate::{
    definitions::Missing,
    rpc::{
        Error,
        context::CallContext,
        methods::{
            Document,
            run::{
                Accepted, Cancel, Concurrency as Limit, Signal, Start, Started, Status as Shown,
                WorkflowRef as WorkflowName,
            },
        },
        wait::Span,
    },
    runs::{self, Folded},
    sequencer,
};

impl<L: EventLog> Service<L> {
    pub(super) async fn start(&self, context: CallContext, params: Start) -> Result<Started, Error> {
        let run = RunId(self.ids.next());
        if let Some(workflow) = &params.workflow {
            found(&context, workflow)?;
        }
        // Before the definition is looked up: a repetition is answered even if it cannot be started any more.
        let (run, accepted) = match self.recall(&context).await? {
            Some(first) => {
                if !self.reaches(&context, &first.stream).await? {
                    return Err(Error::Forbidden { needs: context.need.to_string() });
                }
                (run_of(&first)?, first)
            }
            None => {
                let started = self.started(&context, &params).await?;
                let stream = StreamId::run(run);
                let command = match params.delay {
                    Some(Span(delay)) => {
                        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                        Command::StartLater { started, delay_ms }
                    }
                    None => Command::Start(started),
                };
                let accepted = self.submit(&context, stream, command, Some(run.0)).await?;
                (run_of(&accepted)?, accepted)
            }
        };
        let Some(Span(wait)) = params.wait else {
            return Ok(Started {
                run_id: run,
                status: Shown::Pending,
                output: None,
                error: None,
                position: accepted.position,
                stream_version: accepted.stream_version,
            });
        };
        let mut ended = self.ends.watch(run);
        let mut folded = self.fold(run).await?;
        if folded.state.end.is_none() {
            tokio::select! {
                _ = ended.wait_for(|ended| *ended) => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stopping.cancelled() => {}
            }
            folded = self.fold(run).await?;
        }
        Ok(shown(run, folded))
    }

    /// The event that `params` ask for, with its definition found or compiled.
    async fn started(&self, context: &CallContext, params: &Start) -> Result<RunStarted, Error> {
        let chosen = self.chosen(context, params.workflow.as_ref(), params.definition.as_ref()).await?;
        let Some((started, _)) = chosen else {
            return Err(Error::invalid("workflow", "is missing, and so is `definition`"));
        };
        let concurrency = params.concurrency.clone();
        Ok(RunStarted {
            input: params.input.clone().unwrap_or_else(|| Value::Object(Map::new())),
            labels: params.labels.clone(),
            priority: params.priority.unwrap_or_default(),
            concurrency: concurrency.map(|Limit { key, limit }| Concurrency { key, limit }),
            not_before: params.start_at,
            ..started
        })
    }

    /// A start without input of the registered workflow or the document, whichever is given, and what it executes.
    pub(super) async fn chosen(
        &self,
        context: &CallContext,
        workflow: Option<&WorkflowName>,
        document: Option<&Document>,
    ) -> Result<Option<(RunStarted, Arc<Program>)>, Error> {
        if let Some(workflow) = workflow {
            found(context, workflow)?;
            let (reference, program) = self
                .definitions
                .startable(&workflow.namespace, &workflow.name, workflow.version.as_deref())
                .await
                .map_err(answer::missing)?;
            return Ok(Some((RunStarted::new(reference, Value::Null), program)));
        }
        let Some(document) = document else { return Ok(None) };
        let program = self.compile(document)?;
        let definition = program.definition();
        reach::admit(context, &definition.namespace)?;
        let reference = WorkflowRef {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
        };
        let inline = Some((*definition.source).clone());
        let resources = definition.resources.clone();
        let started = RunStarted { definition: inline, resources, ..RunStarted::new(reference, Value::Null) };
        Ok(Some((started, program)))
    }

    pub(super) fn compile(&self, document: &Document) -> Result<Arc<Program>, Error> {
        match document {
            Document::Text(text) => self.definitions.compile_text(text),
            Document::Object(object) => self.definitions.compile(Value::Object(object.clone())),
        }
        .map_err(answer::invalid)
    }

    pub(super) async fn cancel(&self, context: CallContext, params: Cancel) -> Result<Accepted, Error> {
        let command = Command::Cancel { reason: params.reason, kill: false };
        self.command_run(&context, params.run_id, command).await
    }

    pub(super) async fn signal(&self, context: CallContext, params: Signal) -> Result<Accepted, Error> {
        let command = Command::Signal { name: params.name, data: params.data.unwrap_or_default() };
        self.command_run(&context, params.run_id, command).await
    }

    pub(super) async fn command_run(
        &self,
        context: &CallContext,
        run: RunId,
        command: Command,
    ) -> Result<Accepted, Error> {
        let accepted = self.submit_to(context, StreamId::run(run), command, Some(run.0)).await?;
        let status = self.fold(run).await?.state.status();
        Ok(Accepted {
            run_id: run,
            status: status_of(status),
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    async fn fold(&self, run: RunId) -> Result<Folded, Error> {
        runs::fold(&*self.log, run).await.map_err(answer::refused)
    }
}

/// Refuses a workflow of a namespace that the caller does not reach as one that is not registered.
fn found(context: &CallContext, workflow: &WorkflowName) -> Result<(), Error> {
    let WorkflowName { namespace, name, version } = workflow;
    if context.reaches(namespace) {
        return Ok(());
    }
    Err(answer::missing(Missing::not_found(namespace, name, version.as_deref())))
}

pub(super) fn run_of(accepted: &sequencer::Accepted) -> Result<RunId, Error> {
    // The id of a keyed command is bound to its content, which names the method: it can only have started a run.
    accepted.stream.as_run().ok_or(Error::Internal)
}

fn shown(run: RunId, folded: Folded) -> Started {
    let Folded { state, position, .. } = folded;
    let status = status_of(state.status());
    let State { end, version, .. } = state;
    let (output, error) = match end {
        Some(End::Completed(output)) => (Some((*output).clone()), None),
        Some(End::Faulted(error)) => (None, Some(error.into())),
        Some(End::Cancelled(_)) | None => (None, None),
    };
    Started { run_id: run, status, output, error, position, stream_version: version }
}

const fn status_of(status: Status) -> Shown {
    match status {
        Status::Unknown | Status::Pending => Shown::Pending,
        Status::Running => Shown::Running,
        Status::Waiting => Shown::Waiting,
        Status::Suspended => Shown::Suspended,
        Status::Cancelled => Shown::Cancelled,
        Status::Faulted => Shown::Faulted,
        Status::Completed => Shown::Completed,
    }
}
