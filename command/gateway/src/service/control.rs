//! `run.kill`, `run.pause`, `run.resume`, `run.retry` and `effect.reconcile`.

use openclaw_core::run::Command;
use openclaw_log::EventLog;
use openclaw_model::event::run::{Resolution, WorkflowError};

use super::Service;
use crate::rpc::{
    Error,
    context::CallContext,
    methods::{
        control::{Kill, Outcome, Pause, Reconcile, Resume, Retry},
        run::{Accepted, Problem},
    },
};

impl<L: EventLog> Service<L> {
    pub(super) async fn kill(&self, context: CallContext, params: Kill) -> Result<Accepted, Error> {
        let command = Command::Cancel { reason: params.reason, kill: true };
        self.command_run(&context, params.run_id, command).await
    }

    pub(super) async fn pause(&self, context: CallContext, params: Pause) -> Result<Accepted, Error> {
        self.command_run(&context, params.run_id, Command::Pause { reason: params.reason }).await
    }

    pub(super) async fn resume(&self, context: CallContext, params: Resume) -> Result<Accepted, Error> {
        self.command_run(&context, params.run_id, Command::Resume).await
    }

    pub(super) async fn retry(&self, context: CallContext, params: Retry) -> Result<Accepted, Error> {
        self.command_run(&context, params.run_id, Command::Retry { task: params.task }).await
    }

    pub(super) async fn reconcile(&self, context: CallContext, params: Reconcile) -> Result<Accepted, Error> {
        let resolution = match params.outcome {
            Outcome::Succeeded(output) => Resolution::Succeeded { output },
            Outcome::Failed(Problem { r#type, status, title, detail, instance }) => {
                Resolution::Failed { error: WorkflowError { r#type, status, title, detail, instance } }
            }
            Outcome::NotDone(_) => Resolution::NotDone,
        };
        let command = Command::Reconcile { task: params.task, resolution, note: params.note };
        self.command_run(&context, params.run_id, command).await
    }
}
