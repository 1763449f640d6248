//! Acting on the world: each kind of effect in a module of its own, and the one that chooses between them.

pub mod approval;
mod auth;
pub mod container;
mod definition;
mod exposure;
pub mod grpc;
pub mod http;
pub mod openapi;
pub mod own;
pub mod process;
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
    Beginning, EffectOutcome, Effects, Inquiring, Performing, Permitting, Secrets, secrets::has_handle,
};
use openclaw_workflow::error;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::definition::{Allowed, RunDefinitions};

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
            detached: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Kills the processes that no task waits for, and returns when they are gone. Containers go on.
    pub async fn stop(&self) {
        self.container.stop().await;
        self.stopping.cancel();
        self.detached.close();
        self.detached.wait().await;
    }

    fn detach(&self, run: RunId, request: ProcessRequest) {
        let (process, stopping) = (self.process.clone(), self.stopping.clone());
        self.detached.spawn(async move {
            if let Err(error) = process.perform(run, &request, stopping).await {
                tracing::warn!(%run, detail = error.detail, "a process that no task waits for failed");
            }
        });
    }
}

impl<L: EventLog> RuntimeEffects<L> {
    /// What an HTTP call may reveal. The definition is only looked for when there is something to reveal.
    async fn allowed(&self, run: RunId, request: &HttpRequest) -> Result<Allowed, WorkflowError> {
        let text = serde_json::to_string(request).map_err(|problem| error::runtime(problem.to_string()))?;
        if has_handle(&text) { self.definitions.of(run).await } else { Ok(Allowed::default()) }
    }

    async fn http(
        &self,
        run: RunId,
        request: &HttpRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let allowed = self.allowed(run, request).await?;
        let mut exposure = allowed.exposure(&*self.secrets);
        let outcome = self.http.perform(request, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }

    async fn openapi(
        &self,
        run: RunId,
        request: &OpenApiRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let allowed = self.definitions.of(run).await?;
        let mut exposure = allowed.exposure(&*self.secrets);
        let recorded = allowed.recorded(&request.document);
        let outcome = self.openapi.perform(request, recorded, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }

    async fn grpc(
        &self,
        run: RunId,
        request: &GrpcRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let allowed = self.definitions.of(run).await?;
        let mut exposure = allowed.exposure(&*self.secrets);
        let recorded = allowed.recorded(&request.proto);
        let outcome = self.grpc.perform(request, recorded, key, &mut exposure, cancel).await;
        exposure.outcome(outcome)
    }
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
                Request::Http(request) => self.http(run, request, &intent.key, cancel).await,
                Request::OpenApi(request) => self.openapi(run, request, &intent.key, cancel).await,
                Request::Grpc(request) => self.grpc(run, request, &intent.key, cancel).await,
                Request::Container(request) => {
                    harmless(self.container.perform(request, &intent.key, cancel).await)
                }
                Request::Process(request) if !request.wait => {
                    self.detach(run, request.clone());
                    Ok(Value::Null)
                }
                Request::Process(request) => harmless(self.process.perform(run, request, cancel).await),
                Request::Command(request) => self.own.command(request, &intent.key).await,
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
            let allowed = self.allowed(run, request).await?;
            let mut exposure = allowed.exposure(&*self.secrets);
            let answer = self.http.inquire(request, key, &mut exposure).await;
            // Concealed as an outcome is; null stands for none on the way.
            let happened = matches!(answer, Ok(Some(_)));
            let outcome = exposure.outcome(answer.map(Option::unwrap_or_default))?;
            Ok(happened.then_some(outcome))
        }))
    }
}
