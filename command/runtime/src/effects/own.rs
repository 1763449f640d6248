//! Effects on this server itself: child runs and the session commands. They go through the sequencer like everybody
//! else's, under the effect's key, so doing one twice does it once.

use std::{collections::BTreeSet, sync::Arc};

use openclaw_core::run::{Command, End, State, Status};
use openclaw_gateway::{
    Definitions, Sequencer, Service, Whereabouts,
    definitions::Missing,
    rpc::{
        self, Commands,
        context::{CallContext, Caller, ExpectedVersion, IdempotencyKey},
        methods::{Call, session},
    },
    runs,
    sequencer::{Refused, Submission},
    service::keyed_command,
};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, RunId, StreamId, TaskId, canonical,
    envelope::Causality,
    event::run::{CommandRequest, ParentTask, RunRequest, RunStarted, WorkflowError},
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Starts child runs and calls our own commands.
pub struct OwnEffects<L> {
    /// Where runs are folded from.
    pub log: Arc<L>,
    /// Where commands go.
    pub sequencer: Sequencer,
    /// What children execute.
    pub definitions: Arc<Definitions<L>>,
    /// Carries the session commands out.
    pub service: Arc<Service<L>>,
    /// Namespaces of which the workflows may be started by runs of every other.
    pub shared: BTreeSet<String>,
}

impl<L: EventLog> OwnEffects<L> {
    /// Starts the child run, or finds it started, and gives its outcome if it has ended or is not waited for. None if it
    /// goes on: look again when it ends.
    ///
    /// # Errors
    /// The child's error, or a configuration error when there is no such workflow.
    pub async fn run(
        &self,
        parent: RunId,
        task: TaskId,
        request: &RunRequest,
    ) -> Result<Option<EffectOutcome>, WorkflowError> {
        let known = self.child(request.run).await?;
        if known.status() == Status::Unknown {
            self.start(parent, task, request).await?;
        }
        if !request.wait {
            return Ok(Some(Ok(json!({ "runId": request.run }))));
        }
        // It may have ended between the look and now; its end is told to whoever looks from here on.
        let end = match known.end {
            Some(end) => Some(end),
            None => self.child(request.run).await?.end,
        };
        Ok(end.map(|end| match end {
            End::Completed(output) => Ok((*output).clone()),
            End::Faulted(error) => Err(error),
            End::Cancelled(_) => Err(error::runtime(format!("the child run {} was cancelled", request.run))),
        }))
    }

    async fn child(&self, run: RunId) -> Result<State, WorkflowError> {
        Ok(runs::fold(&*self.log, run).await.map_err(|refused| failed(&refused))?.state)
    }

    /// The namespace of a run that is under way.
    async fn namespace(&self, run: RunId) -> Result<Arc<str>, WorkflowError> {
        match self.service.homes().of(&StreamId::run(run)).await.map_err(|refused| failed(&refused))? {
            Whereabouts::In(namespace) => Ok(namespace),
            Whereabouts::Nowhere | Whereabouts::Missing => {
                Err(error::runtime(format!("the run {run} belongs to no namespace")))
            }
        }
    }

    async fn start(&self, parent: RunId, task: TaskId, request: &RunRequest) -> Result<(), WorkflowError> {
        let (own, other) = (self.namespace(parent).await?, &request.namespace);
        if *other != *own && !self.shared.contains(other) {
            return Err(error::authorization(format!(
                "OC-NSP-002: a run of the namespace {own:?} may not start workflows of {other:?}"
            )));
        }
        let (workflow, _) = self
            .definitions
            .startable(&request.namespace, &request.name, Some(&request.version))
            .await
            .map_err(|missing| match missing {
                Missing::NotFound(_) => error::configuration(format!("OC-CMD-003: {missing}")),
                Missing::Broken(_) | Missing::Unreadable(_) => error::runtime(missing.to_string()),
            })?;
        let started = RunStarted {
            parent: Some(ParentTask { run: parent, task, close: request.close }),
            data_labels: request.data_labels.clone(),
            ..RunStarted::new(workflow, request.input.clone())
        };
        let id = keyed_command(&Actor::RUNTIME, &format!("start/{}", request.run));
        let submission = Submission {
            stream: StreamId::run(request.run),
            command: Command::Start(started).into(),
            // Of the run and not of the effect's key: each attempt of a `try` has a child of its own under the same key.
            id,
            digest: CommandDigest(id.0),
            keyed: true,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality { causation: None, correlation: Some(parent.0) },
        };
        self.sequencer.submit_patiently(submission).await.map_err(|refused| failed(&refused))?;
        Ok(())
    }

    /// Calls one of our own commands for `run`, which may do in its namespace what it likes and nothing elsewhere.
    ///
    /// # Errors
    /// A validation error for wrong parameters, a runtime error for a refusal.
    pub async fn command(&self, run: RunId, request: &CommandRequest, key: &str) -> EffectOutcome {
        let caller = Caller::runtime(&self.namespace(run).await?);
        let service = &*self.service;
        match request.method.as_str() {
            "session.create" => {
                let context = context::<session::Create>(caller, request, key)?;
                answer(service.session_create(context, params::<session::Create>(request)?).await)
            }
            "session.message" => {
                let context = context::<session::Message>(caller, request, key)?;
                answer(service.session_message(context, params::<session::Message>(request)?).await)
            }
            "session.set_state" => {
                let context = context::<session::SetState>(caller, request, key)?;
                answer(service.session_set_state(context, params::<session::SetState>(request)?).await)
            }
            "session.end" => {
                let context = context::<session::End>(caller, request, key)?;
                answer(service.session_end(context, params::<session::End>(request)?).await)
            }
            other => Err(error::configuration(format!("there is no function {other:?}"))),
        }
    }
}

fn context<C: Call>(
    caller: Caller,
    request: &CommandRequest,
    key: &str,
) -> Result<CallContext, WorkflowError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request.method.as_bytes()).update(&[0]).update(&canonical::to_bytes(&request.params));
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    Ok(CallContext {
        caller,
        need: C::NEED,
        idempotency_key: Some(
            IdempotencyKey::new(key).map_err(|invalid| error::runtime(invalid.to_string()))?,
        ),
        expected: ExpectedVersion::Any,
        digest: CommandDigest(digest),
    })
}

fn params<P: DeserializeOwned + rpc::methods::Call>(request: &CommandRequest) -> Result<P, WorkflowError> {
    let params: P = serde_json::from_value(request.params.clone())
        .map_err(|invalid| error::validation(format!("{}: {invalid}", request.method)))?;
    params.check().map_err(|invalid| error::validation(format!("{}: {invalid}", request.method)))?;
    Ok(params)
}

fn answer<A: Serialize>(answer: Result<A, rpc::Error>) -> EffectOutcome {
    match answer {
        Ok(answer) => serde_json::to_value(answer)
            .map_err(|invalid| error::runtime(format!("no JSON answer: {invalid}"))),
        Err(refused) => {
            let code = refused.data().get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
            Err(error::runtime(format!("{code}: {refused}")))
        }
    }
}

fn failed(refused: &Refused) -> WorkflowError {
    error::runtime(refused.to_string())
}
