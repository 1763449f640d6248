//! Acting on the world: each kind of effect in a module of its own, and the one that chooses between them.

pub mod approval;
mod auth;
pub mod container;
mod definition;
mod exposed;
mod exposure;
#[cfg(test)]
mod gated;
pub mod grpc;
pub mod http;
pub mod openapi;
pub mod own;
pub mod process;
mod purpose;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use openclaw_egress::Origin;
use openclaw_log::EventLog;
use openclaw_model::{
    RunId, TaskId,
    event::run::{GrpcRequest, HttpRequest, Intent, OpenApiRequest, ProcessRequest, Request, WorkflowError},
};
use openclaw_ports::{
    Beginning, EffectOutcome, Effects, Inquiring, Performing, Permitting, Secrets,
    secrets::{Opened, Use, handles_in},
};
use openclaw_workflow::error;
use serde::Serialize;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    definition::{Allowed, RunDefinitions},
    exposed::Exposed,
    process::Caller,
};

pub use container::ContainerEffects;
pub use exposure::Exposure;
pub use grpc::GrpcEffects;
pub use http::HttpEffects;
pub use openapi::OpenApiEffects;
pub use own::OwnEffects;
pub use process::ProcessEffects;

/// Performs every kind of effect.
pub struct RuntimeEffects<L> {
    http: Arc<HttpEffects>,
    openapi: OpenApiEffects,
    grpc: GrpcEffects,
    process: Arc<ProcessEffects>,
    container: ContainerEffects,
    own: OwnEffects<L>,
    definitions: RunDefinitions<L>,
    secrets: Arc<dyn Secrets>,
    /// Whether tasks may put values of secrets into the environment of their processes.
    secrets_in_environment: bool,
    /// Processes that no task waits for.
    detached: TaskTracker,
    stopping: CancellationToken,
}

impl<L> RuntimeEffects<L> {
    /// Puts the kinds together: calls over HTTP; `run: shell` and `run: script`; `run: container`; `run: workflow` and
    /// our own commands. What calls may reveal comes from `secrets`.
    pub fn new(
        http: HttpEffects,
        process: ProcessEffects,
        container: ContainerEffects,
        own: OwnEffects<L>,
        secrets: Arc<dyn Secrets>,
    ) -> Self {
        let http = Arc::new(http);
        Self {
            openapi: OpenApiEffects::new(http.clone()),
            grpc: GrpcEffects::new(http.clone()),
            http,
            process: Arc::new(process),
            container,
            definitions: RunDefinitions { log: own.log.clone(), definitions: own.definitions.clone() },
            own,
            secrets,
            secrets_in_environment: false,
            detached: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Whether tasks may put values of secrets into the environment of their processes. They may not by default.
    #[must_use]
    pub fn with_secrets_in_environment(mut self, allowed: bool) -> Self {
        self.secrets_in_environment = allowed;
        self
    }

    /// Kills the processes that no task waits for, and returns when they are gone. Containers go on.
    pub async fn stop(&self) {
        self.container.stop().await;
        self.stopping.cancel();
        self.detached.close();
        self.detached.wait().await;
    }

    fn detach(&self, run: RunId, exposed: Exposed, caller: Caller) {
        let (process, stopping) = (self.process.clone(), self.stopping.clone());
        self.detached.spawn(async move {
            let outcome = process.perform(run, &exposed.request, &caller, stopping).await;
            if let Err(error) = exposed.outcome(outcome) {
                tracing::warn!(%run, detail = error.detail, "a process that no task waits for failed");
            }
        });
    }
}

impl<L: EventLog> RuntimeEffects<L> {
    /// Opens the secrets whose handles are in `request`, which has to be recorded before any value is at hand. The
    /// definition of the run is only looked for when there is something to open.
    async fn open(
        &self,
        allowed: Option<&Allowed>,
        request: &impl Serialize,
        usage: Use,
    ) -> Result<Opened, WorkflowError> {
        let request = serde_json::to_value(request).map_err(|problem| error::runtime(problem.to_string()))?;
        let handles = handles_in(&request);
        match (allowed, usage.run) {
            _ if handles.is_empty() => Ok(Opened::new()),
            (None, Some(run)) => {
                Ok(self.definitions.of(run).await?.open(&*self.secrets, handles, usage).await)
            }
            (Some(allowed), _) => Ok(allowed.open(&*self.secrets, handles, usage).await),
            (None, None) => Ok(Opened::new()),
        }
    }

    async fn http(
        &self,
        (run, task): (RunId, TaskId),
        request: &HttpRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let usage = used(run, task, key, purpose::http(request));
        let opened = self.open(None, request, usage).await?;
        let mut exposure = Exposure::of(&opened);
        let outcome = self.http.perform(request, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }

    async fn openapi(
        &self,
        (run, task): (RunId, TaskId),
        request: &OpenApiRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let allowed = self.definitions.of(run).await?;
        let usage = used(run, task, key, purpose::openapi(request));
        let opened = self.open(Some(&allowed), request, usage).await?;
        let mut exposure = Exposure::of(&opened);
        let recorded = allowed.recorded(&request.document);
        let outcome = self.openapi.perform(request, recorded, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }

    async fn grpc(
        &self,
        (run, task): (RunId, TaskId),
        request: &GrpcRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let allowed = self.definitions.of(run).await?;
        let usage = used(run, task, key, purpose::grpc(request));
        let opened = self.open(Some(&allowed), request, usage).await?;
        let mut exposure = Exposure::of(&opened);
        let recorded = allowed.recorded(&request.proto);
        let outcome = self.grpc.perform(request, recorded, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }
}

impl<L: EventLog> RuntimeEffects<L> {
    /// For whom a process runs. The definition is only looked for when the process may use credentials.
    async fn caller(
        &self,
        (run, task): (RunId, TaskId),
        request: &ProcessRequest,
        key: &str,
    ) -> Result<Caller, WorkflowError> {
        let caller = Caller { origin: Origin::task(run, task), effect: key.to_owned(), ..Caller::default() };
        let asked = request.sandbox.as_deref().map_or(&[][..], |asked| &asked.network);
        if asked.iter().all(|destination| destination.credential.is_none()) {
            return Ok(caller);
        }
        let (namespace, listed) = self.definitions.of(run).await?.secrets();
        Ok(Caller { namespace, listed, ..caller })
    }
}

impl<L: EventLog> RuntimeEffects<L> {
    /// `request` with values in its environment, of those secrets that its task names in `metadata.sandbox.secrets`. All
    /// other handles stay handles.
    async fn exposed(
        &self,
        (run, task): (RunId, TaskId),
        request: &ProcessRequest,
        key: &str,
    ) -> Result<Exposed, WorkflowError> {
        let named = request.sandbox.as_deref().map_or(&[][..], |asked| &asked.secrets);
        if named.is_empty() {
            return Ok(Exposed::nothing(request));
        }
        if !self.secrets_in_environment {
            return Err(error::authorization(
                "OC-SEC-007: the task puts secrets into the environment of its process, which \
                 `sandbox.secrets_in_environment` of this server does not allow"
                    .into(),
            ));
        }
        let usage = used(run, task, key, format!("environment of {}", purpose::process(request)));
        let allowed = self.definitions.of(run).await?;
        let handles = exposed::handles(request, named);
        let opened = allowed.open(&*self.secrets, handles, usage).await;
        Exposed::new(request, opened)
    }
}

/// A use of secrets by an effect.
fn used(run: RunId, task: TaskId, key: &str, purpose: String) -> Use {
    Use { purpose, run: Some(run), task: Some(task), effect: Some(key.to_owned()) }
}

/// What a process or a container gave, in which nothing is a handle: neither can see a secret.
fn harmless(outcome: EffectOutcome) -> EffectOutcome {
    Exposure::nothing().outcome(outcome)
}

impl<L: EventLog> Effects for RuntimeEffects<L> {
    fn perform<'a>(
        &'a self,
        run: RunId,
        task: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a> {
        let origin = Origin::task(run, task);
        Box::pin(origin.of(async move {
            match &intent.request {
                Request::Http(request) => self.http((run, task), request, &intent.key, cancel).await,
                Request::OpenApi(request) => self.openapi((run, task), request, &intent.key, cancel).await,
                Request::Grpc(request) => self.grpc((run, task), request, &intent.key, cancel).await,
                Request::Container(request) => {
                    harmless(self.container.perform(request, &intent.key, cancel).await)
                }
                Request::Process(request) => {
                    let caller = self.caller((run, task), request, &intent.key).await?;
                    let exposed = self.exposed((run, task), request, &intent.key).await?;
                    if request.wait {
                        exposed.outcome(self.process.perform(run, &exposed.request, &caller, cancel).await)
                    } else {
                        self.detach(run, exposed, caller);
                        Ok(Value::Null)
                    }
                }
                Request::Command(request) => self.own.command(run, request, &intent.key).await,
                Request::Run(_) | Request::Approval(_) => {
                    Err(error::runtime(format!("task {task} goes on by itself: it is begun, not performed")))
                }
            }
        }))
    }

    fn begin<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Beginning<'a> {
        Box::pin(async move {
            let begun = match &intent.request {
                Request::Run(request) => self.own.run(run, task, request).await,
                Request::Approval(request) => {
                    approval::ask(&*self.own.log, &self.own.sequencer, run, task, request).await
                }
                _ => return Some(self.perform(run, task, intent, CancellationToken::new()).await),
            };
            begun.unwrap_or_else(|error| Some(Err(error)))
        })
    }

    fn permit<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Permitting<'a> {
        Box::pin(async move {
            approval::permit(&*self.own.log, &self.own.sequencer, run, task, intent).await.transpose()
        })
    }

    fn inquire<'a>(
        &'a self,
        run: RunId,
        task: TaskId,
        request: &'a HttpRequest,
        key: &'a str,
    ) -> Inquiring<'a> {
        let origin = Origin::task(run, task);
        Box::pin(origin.of(async move {
            let usage = used(run, task, key, format!("inquiry: {}", purpose::http(request)));
            let opened = self.open(None, request, usage).await?;
            let mut exposure = Exposure::of(&opened);
            let answer = self.http.inquire(request, key, &mut exposure).await;
            // Concealed as an outcome is; null stands for none on the way.
            let happened = matches!(answer, Ok(Some(_)));
            let outcome = exposure.outcome(answer.map(Option::unwrap_or_default))?;
            Ok(happened.then_some(outcome))
        }))
    }
}
