//! The methods over the sequencer: parameters become commands, what they led to becomes answers.

mod answer;
mod approval;
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
use openclaw_model::{CommandId, Position, StreamId, access::Need, envelope::Causality};
use openclaw_ports::{Ids, Vault, secrets::Secrets};
use openclaw_workflow::expression::Evaluator;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use identity::expected;
pub use identity::keyed_command;

use crate::{
    Access, Definitions, Ends, Homes, Policies, Sequencer,
    rpc::{self, Commands, context::CallContext, methods},
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

impl<L: EventLog> Commands for Service<L> {
    async fn workflow_register(
        &self,
        context: CallContext,
        params: methods::workflow::Register,
    ) -> Result<methods::workflow::Registered, rpc::Error> {
        self.register(context, params).await
    }

    async fn workflow_validate(
        &self,
        context: CallContext,
        params: methods::workflow::Validate,
    ) -> Result<methods::workflow::Validated, rpc::Error> {
        self.validate(context, params).await
    }

    async fn workflow_retire(
        &self,
        context: CallContext,
        params: methods::workflow::Retire,
    ) -> Result<methods::workflow::Retired, rpc::Error> {
        self.retire(context, params).await
    }

    async fn run_start(
        &self,
        context: CallContext,
        params: methods::run::Start,
    ) -> Result<methods::run::Started, rpc::Error> {
        self.start(context, params).await
    }

    async fn run_cancel(
        &self,
        context: CallContext,
        params: methods::run::Cancel,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.cancel(context, params).await
    }

    async fn run_signal(
        &self,
        context: CallContext,
        params: methods::run::Signal,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.signal(context, params).await
    }

    async fn run_kill(
        &self,
        context: CallContext,
        params: methods::control::Kill,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.kill(context, params).await
    }

    async fn run_pause(
        &self,
        context: CallContext,
        params: methods::control::Pause,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.pause(context, params).await
    }

    async fn run_resume(
        &self,
        context: CallContext,
        params: methods::control::Resume,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.resume(context, params).await
    }

    async fn run_retry(
        &self,
        context: CallContext,
        params: methods::control::Retry,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.retry(context, params).await
    }

    async fn run_fork(
        &self,
        context: CallContext,
        params: methods::fork::Fork,
    ) -> Result<methods::fork::Forked, rpc::Error> {
        self.fork(context, params).await
    }

    async fn effect_reconcile(
        &self,
        context: CallContext,
        params: methods::control::Reconcile,
    ) -> Result<methods::run::Accepted, rpc::Error> {
        self.reconcile(context, params).await
    }

    async fn approval_decide(
        &self,
        context: CallContext,
        params: methods::approval::Decide,
    ) -> Result<methods::approval::Decided, rpc::Error> {
        self.decide(context, params).await
    }

    async fn policy_set(
        &self,
        context: CallContext,
        params: methods::policy::Set,
    ) -> Result<methods::policy::Accepted, rpc::Error> {
        self.set_policy(context, params).await
    }

    async fn policy_remove(
        &self,
        context: CallContext,
        params: methods::policy::Remove,
    ) -> Result<methods::policy::Accepted, rpc::Error> {
        self.remove_policy(context, params).await
    }

    async fn policy_get(
        &self,
        context: CallContext,
        params: methods::policy::Get,
    ) -> Result<methods::policy::InForce, rpc::Error> {
        self.get_policy(context, params).await
    }

    async fn policy_test(
        &self,
        context: CallContext,
        params: methods::policy::Test,
    ) -> Result<methods::policy::Tested, rpc::Error> {
        self.test_policy(&context, params)
    }

    async fn policy_replay(
        &self,
        context: CallContext,
        params: methods::policy::Replay,
    ) -> Result<methods::policy::Replayed, rpc::Error> {
        self.replay_policy(context, params).await
    }

    async fn event_publish(
        &self,
        context: CallContext,
        params: methods::event::Publish,
    ) -> Result<methods::event::Published, rpc::Error> {
        self.publish(context, params).await
    }

    async fn schedule_pause(
        &self,
        context: CallContext,
        params: methods::schedule::Pause,
    ) -> Result<methods::schedule::Accepted, rpc::Error> {
        self.pause_schedule(context, params).await
    }

    async fn schedule_resume(
        &self,
        context: CallContext,
        params: methods::schedule::Resume,
    ) -> Result<methods::schedule::Accepted, rpc::Error> {
        self.resume_schedule(context, params).await
    }

    async fn webhook_register(
        &self,
        context: CallContext,
        params: methods::webhook::Register,
    ) -> Result<methods::webhook::Accepted, rpc::Error> {
        self.register_webhook(context, params).await
    }

    async fn webhook_remove(
        &self,
        context: CallContext,
        params: methods::webhook::Remove,
    ) -> Result<methods::webhook::Accepted, rpc::Error> {
        self.remove_webhook(context, params).await
    }

    async fn webhook_redrive(
        &self,
        context: CallContext,
        params: methods::webhook::Redrive,
    ) -> Result<methods::webhook::Accepted, rpc::Error> {
        self.redrive_webhook(context, params).await
    }

    async fn webhook_drop(
        &self,
        context: CallContext,
        params: methods::webhook::Drop,
    ) -> Result<methods::webhook::Accepted, rpc::Error> {
        self.drop_letters(context, params).await
    }

    async fn session_create(
        &self,
        context: CallContext,
        params: methods::session::Create,
    ) -> Result<methods::session::Accepted, rpc::Error> {
        self.create(context, params).await
    }

    async fn session_message(
        &self,
        context: CallContext,
        params: methods::session::Message,
    ) -> Result<methods::session::MessageAdded, rpc::Error> {
        self.message(context, params).await
    }

    async fn session_set_state(
        &self,
        context: CallContext,
        params: methods::session::SetState,
    ) -> Result<methods::session::Accepted, rpc::Error> {
        self.set_state(context, params).await
    }

    async fn session_end(
        &self,
        context: CallContext,
        params: methods::session::End,
    ) -> Result<methods::session::Accepted, rpc::Error> {
        self.end(context, params).await
    }

    async fn token_issue(
        &self,
        context: CallContext,
        params: methods::token::Issue,
    ) -> Result<methods::token::Issued, rpc::Error> {
        self.issue_token(context, params).await
    }

    async fn token_revoke(
        &self,
        context: CallContext,
        params: methods::token::Revoke,
    ) -> Result<methods::token::Accepted, rpc::Error> {
        self.revoke_token(context, params).await
    }

    async fn token_list(
        &self,
        context: CallContext,
        _: methods::token::List,
    ) -> Result<methods::token::Listed, rpc::Error> {
        self.list_tokens(&context)
    }

    async fn user_add(
        &self,
        context: CallContext,
        params: methods::user::Add,
    ) -> Result<methods::user::Accepted, rpc::Error> {
        self.add_user(context, params).await
    }

    async fn user_change(
        &self,
        context: CallContext,
        params: methods::user::Change,
    ) -> Result<methods::user::Accepted, rpc::Error> {
        self.change_user(context, params).await
    }

    async fn user_set_password(
        &self,
        context: CallContext,
        params: methods::user::SetPassword,
    ) -> Result<methods::user::Accepted, rpc::Error> {
        self.set_password(context, params).await
    }

    async fn user_remove(
        &self,
        context: CallContext,
        params: methods::user::Remove,
    ) -> Result<methods::user::Accepted, rpc::Error> {
        self.remove_user(context, params).await
    }

    async fn user_list(
        &self,
        context: CallContext,
        _: methods::user::List,
    ) -> Result<methods::user::Listed, rpc::Error> {
        self.list_users(&context)
    }

    fn denied(&self, caller: &rpc::Caller, method: &'static str, needs: Need) {
        if let Some(access) = &self.access {
            access.denied(&caller.actor, method, needs);
        }
    }

    async fn credential_set(
        &self,
        context: CallContext,
        params: methods::credential::Set,
    ) -> Result<methods::credential::Stored, rpc::Error> {
        self.set_credential(context, params).await
    }

    async fn credential_rotate(
        &self,
        context: CallContext,
        params: methods::credential::Rotate,
    ) -> Result<methods::credential::Stored, rpc::Error> {
        self.rotate_credential(context, params).await
    }

    async fn credential_delete(
        &self,
        context: CallContext,
        params: methods::credential::Delete,
    ) -> Result<methods::credential::Deleted, rpc::Error> {
        self.delete_credential(context, params).await
    }

    async fn credential_list(
        &self,
        context: CallContext,
        params: methods::credential::List,
    ) -> Result<methods::credential::Listed, rpc::Error> {
        self.list_credentials(context, params).await
    }

    async fn vault_status(
        &self,
        context: CallContext,
        _: methods::vault::Status,
    ) -> Result<methods::vault::Standing, rpc::Error> {
        self.vault_status(&context).await
    }

    async fn vault_init(
        &self,
        context: CallContext,
        params: methods::vault::Init,
    ) -> Result<methods::vault::Made, rpc::Error> {
        self.init_vault(context, params).await
    }

    async fn vault_unseal(
        &self,
        context: CallContext,
        params: methods::vault::Unseal,
    ) -> Result<methods::vault::Standing, rpc::Error> {
        self.unseal_vault(context, params).await
    }

    async fn vault_seal(
        &self,
        context: CallContext,
        _: methods::vault::Seal,
    ) -> Result<methods::vault::Standing, rpc::Error> {
        self.seal_vault(context).await
    }

    async fn vault_rotate_key(
        &self,
        context: CallContext,
        params: methods::vault::RotateKey,
    ) -> Result<methods::vault::Made, rpc::Error> {
        self.rotate_vault_key(context, params).await
    }

    async fn vault_change_passphrase(
        &self,
        context: CallContext,
        params: methods::vault::ChangePassphrase,
    ) -> Result<methods::vault::Recorded, rpc::Error> {
        self.change_passphrase(context, params).await
    }

    async fn vault_new_recovery_key(
        &self,
        context: CallContext,
        params: methods::vault::NewRecoveryKey,
    ) -> Result<methods::vault::Made, rpc::Error> {
        self.new_recovery_key(context, params).await
    }

    async fn vault_export(
        &self,
        context: CallContext,
        params: methods::vault::Export,
    ) -> Result<methods::vault::Copy, rpc::Error> {
        self.export_vault(context, params).await
    }

    async fn vault_import(
        &self,
        context: CallContext,
        params: methods::vault::Import,
    ) -> Result<methods::vault::Imported, rpc::Error> {
        self.import_vault(context, params).await
    }

    async fn system_health(
        &self,
        _: CallContext,
        _: methods::system::Health,
    ) -> Result<methods::system::HealthReport, rpc::Error> {
        Ok(self.health())
    }

    async fn system_version(
        &self,
        _: CallContext,
        _: methods::system::Version,
    ) -> Result<methods::system::VersionReport, rpc::Error> {
        Ok(system::version())
    }
}
