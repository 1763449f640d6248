//! Acting on the world: each kind of effect in a module of its own, and the one that chooses between them.

pub mod approval;
pub mod http;
pub mod own;
pub mod process;

use std::sync::Arc;

use openclaw_log::EventLog;
use openclaw_model::{
    RunId, TaskId,
    event::run::{Intent, ProcessRequest, Request},
};
use openclaw_ports::{Effects, Performing};
use openclaw_workflow::error;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use http::HttpEffects;
pub use own::OwnEffects;
pub use process::ProcessEffects;

/// Performs every kind of effect.
pub struct RuntimeEffects<L> {
    http: HttpEffects,
    process: Arc<ProcessEffects>,
    own: OwnEffects<L>,
    /// Processes that no task waits for.
    detached: TaskTracker,
    stopping: CancellationToken,
}

impl<L> RuntimeEffects<L> {
    /// Puts the kinds together: `call: http`; `run: shell` and `run: script`; `run: workflow` and our own commands.
    pub fn new(http: HttpEffects, process: ProcessEffects, own: OwnEffects<L>) -> Self {
        let (detached, stopping) = (TaskTracker::new(), CancellationToken::new());
        Self { http, process: Arc::new(process), own, detached, stopping }
    }

    /// Kills the processes that no task waits for, and returns when they are gone.
    pub async fn stop(&self) {
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

impl<L: EventLog> Effects for RuntimeEffects<L> {
    fn perform<'a>(
        &'a self,
        run: RunId,
        task: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a> {
        Box::pin(async move {
            match &intent.request {
                Request::Http(request) => self.http.perform(request, &intent.key, cancel).await,
                Request::Process(request) if !request.wait => {
                    self.detach(run, request.clone());
                    Ok(Value::Null)
                }
                Request::Process(request) => self.process.perform(run, request, cancel).await,
                Request::Run(request) => self.own.run(run, task, request, cancel).await,
                Request::Command(request) => self.own.command(request, &intent.key).await,
                Request::OpenApi(_) | Request::Grpc(_) | Request::Container(_) | Request::Approval(_) => {
                    Err(error::configuration("this kind of call is not carried out".into()))
                }
            }
        })
    }
}
