//! The methods over the sequencer: parameters become commands, what they led to becomes answers.

mod answer;
mod approval;
mod commands;
mod control;
mod decider;
mod event;
mod fork;
mod identity;
mod policy;
mod reach;
mod run;
mod schedule;
mod session;
mod system;
mod token;
mod user;
mod vault;
mod webhook;
mod workflow;

use std::sync::Arc;

use openclaw_log::EventLog;
use openclaw_model::{CommandId, Position, StreamId, envelope::Causality};
use openclaw_ports::{Ids, Vault, secrets::Secrets};
use openclaw_workflow::expression::Evaluator;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use identity::expected;
pub use identity::keyed_command;

use crate::{
    Access, Definitions, Ends, Homes, Policies, Sequencer,
    rpc::{self, context::CallContext},
    sequencer::{Accepted, Command, Submission},
};

/// How the read model is, for `system.health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// It shows every event up to here.
    pub position: Position,
    /// Why it stopped, with a code, if it did.
    pub failure: Option<String>,
}

/// Carries the methods out.
pub struct Service<L> {
    log: Arc<L>,
    homes: Homes<L>,
    sequencer: Sequencer,
    definitions: Arc<Definitions<L>>,
    ends: Arc<Ends>,
    ids: Arc<dyn Ids>,
    shown: Arc<dyn Fn() -> Shown + Send + Sync>,
    secrets: Option<Arc<dyn Secrets>>,
    keeper: Option<vault::Keeper>,
    access: Option<Access>,
    guard: Option<policy::Guard>,
    stopping: CancellationToken,
}

impl<L> std::fmt::Debug for Service<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl<L: EventLog> Service<L> {
    /// Puts the parts together. `shown` says how the read model is.
    pub fn new(
        log: Arc<L>,
        sequencer: Sequencer,
        definitions: Arc<Definitions<L>>,
        ends: Arc<Ends>,
        ids: Arc<dyn Ids>,
        shown: Arc<dyn Fn() -> Shown + Send + Sync>,
    ) -> Self {
        let stopping = CancellationToken::new();
        let homes = Homes::new(log.clone());
        Self {
            log,
            homes,
            sequencer,
            definitions,
            ends,
            ids,
            shown,
            secrets: None,
            keeper: None,
            access: None,
            guard: None,
            stopping,
        }
    }

    /// Lets `workflow.validate` say which secrets do not exist. Only their names are asked for.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Lets `token.*` and `user.*` be answered, and refusals be recorded.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// Lets `policy.*` be answered, from the register that the runtime decides by.
    #[must_use]
    pub fn with_policies(mut self, policies: Arc<Policies>, evaluator: Arc<dyn Evaluator>) -> Self {
        self.guard = Some(policy::Guard::new(policies, evaluator));
        self
    }

    /// Lets `credential.*` and `vault.*` be answered.
    #[must_use]
    pub fn with_vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.keeper = Some(vault::Keeper::new(vault));
        self
    }

    /// Answers callers that wait for the end of a run with where it stands now.
    pub fn release(&self) {
        self.stopping.cancel();
    }

    /// Submits `command` for the caller in `context`.
    async fn submit(
        &self,
        context: &CallContext,
        stream: StreamId,
        command: impl Into<Command>,
        correlation: Option<Uuid>,
    ) -> Result<Accepted, rpc::Error> {
        let submission = Submission {
            stream,
            command: command.into(),
            id: self.command_id(context),
            digest: context.digest,
            keyed: context.idempotency_key.is_some(),
            expected: expected(context),
            actor: context.actor().clone(),
            causality: Causality { causation: None, correlation },
        };
        self.sequencer.submit(submission).await.map_err(answer::refused)
    }

    /// The first answer to the command in `context`, if it has a key that was used before.
    async fn recall(&self, context: &CallContext) -> Result<Option<Accepted>, rpc::Error> {
        if context.idempotency_key.is_none() {
            return Ok(None);
        }
        let id = self.command_id(context);
        self.sequencer.recall(id, context.digest).await.map_err(answer::refused)
    }

    fn command_id(&self, context: &CallContext) -> CommandId {
        match &context.idempotency_key {
            Some(key) => keyed_command(context.actor(), key.as_str()),
            None => CommandId(*self.ids.next().as_bytes()),
        }
    }
}
