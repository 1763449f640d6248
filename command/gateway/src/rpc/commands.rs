//! What the transport hands its calls to.

use std::future::Future;

use openclaw_model::access::Need;

use super::{
    context::{CallContext, Caller},
    error::Error,
    methods::{
        approval, control, credential, event, fork, policy, run, schedule, session, system, token, user,
        vault, webhook, workflow,
    },
};

/// Carries the methods out. The transport has checked the parameters against their types and [`Call::check`], found
/// the key and counted the call; everything about state is left to the implementation.
///
/// Invariant: the future of a call is never dropped half-way. A caller that goes away changes nothing.
///
/// [`Call::check`]: super::methods::Call::check
pub trait Commands: Send + Sync + 'static {
    /// `workflow.register`
    fn workflow_register(
        &self,
        context: CallContext,
        params: workflow::Register,
    ) -> impl Future<Output = Result<workflow::Registered, Error>> + Send;

    /// `workflow.validate`
    fn workflow_validate(
        &self,
        context: CallContext,
        params: workflow::Validate,
    ) -> impl Future<Output = Result<workflow::Validated, Error>> + Send;

    /// `workflow.retire`
    fn workflow_retire(
        &self,
        context: CallContext,
        params: workflow::Retire,
    ) -> impl Future<Output = Result<workflow::Retired, Error>> + Send;

    /// `run.start`
    fn run_start(
        &self,
        context: CallContext,
        params: run::Start,
    ) -> impl Future<Output = Result<run::Started, Error>> + Send;

    /// `run.cancel`
    fn run_cancel(
        &self,
        context: CallContext,
        params: run::Cancel,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.signal`
    fn run_signal(
        &self,
        context: CallContext,
        params: run::Signal,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.kill`
    fn run_kill(
        &self,
        context: CallContext,
        params: control::Kill,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.pause`
    fn run_pause(
        &self,
        context: CallContext,
        params: control::Pause,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.resume`
    fn run_resume(
        &self,
        context: CallContext,
        params: control::Resume,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.retry`
    fn run_retry(
        &self,
        context: CallContext,
        params: control::Retry,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.fork`
    fn run_fork(
        &self,
        context: CallContext,
        params: fork::Fork,
    ) -> impl Future<Output = Result<fork::Forked, Error>> + Send;

    /// `effect.reconcile`
    fn effect_reconcile(
        &self,
        context: CallContext,
        params: control::Reconcile,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `approval.decide`
    fn approval_decide(
        &self,
        context: CallContext,
        params: approval::Decide,
    ) -> impl Future<Output = Result<approval::Decided, Error>> + Send;

    /// `policy.set`
    fn policy_set(
        &self,
        context: CallContext,
        params: policy::Set,
    ) -> impl Future<Output = Result<policy::Accepted, Error>> + Send;

    /// `policy.remove`
    fn policy_remove(
        &self,
        context: CallContext,
        params: policy::Remove,
    ) -> impl Future<Output = Result<policy::Accepted, Error>> + Send;

    /// `policy.get`
    fn policy_get(
        &self,
        context: CallContext,
        params: policy::Get,
    ) -> impl Future<Output = Result<policy::InForce, Error>> + Send;

    /// `policy.test`
    fn policy_test(
        &self,
        context: CallContext,
        params: policy::Test,
    ) -> impl Future<Output = Result<policy::Tested, Error>> + Send;

    /// `policy.replay`
    fn policy_replay(
        &self,
        context: CallContext,
        params: policy::Replay,
    ) -> impl Future<Output = Result<policy::Replayed, Error>> + Send;

    /// `event.publish`
    fn event_publish(
        &self,
        context: CallContext,
        params: event::Publish,
    ) -> impl Future<Output = Result<event::Published, Error>> + Send;

    /// `schedule.pause`
    fn schedule_pause(
        &self,
        context: CallContext,
        params: schedule::Pause,
    ) -> impl Future<Output = Result<schedule::Accepted, Error>> + Send;

    /// `schedule.resume`
    fn schedule_resume(
        &self,
        context: CallContext,
        params: schedule::Resume,
    ) -> impl Future<Output = Result<schedule::Accepted, Error>> + Send;

    /// `webhook.register`
    fn webhook_register(
        &self,
        context: CallContext,
        params: webhook::Register,
    ) -> impl Future<Output = Result<webhook::Accepted, Error>> + Send;

    /// `webhook.remove`
    fn webhook_remove(
        &self,
        context: CallContext,
        params: webhook::Remove,
    ) -> impl Future<Output = Result<webhook::Accepted, Error>> + Send;

    /// `webhook.redrive`
    fn webhook_redrive(
        &self,
        context: CallContext,
        params: webhook::Redrive,
    ) -> impl Future<Output = Result<webhook::Accepted, Error>> + Send;

    /// `webhook.drop`
    fn webhook_drop(
        &self,
        context: CallContext,
        params: webhook::Drop,
    ) -> impl Future<Output = Result<webhook::Accepted, Error>> + Send;

    /// `session.create`
    fn session_create(
        &self,
        context: CallContext,
        params: session::Create,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `session.message`
    fn session_message(
        &self,
        context: CallContext,
        params: session::Message,
    ) -> impl Future<Output = Result<session::MessageAdded, Error>> + Send;

    /// `session.set_state`
    fn session_set_state(
        &self,
        context: CallContext,
        params: session::SetState,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `session.end`
    fn session_end(
        &self,
        context: CallContext,
        params: session::End,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `token.issue`
    fn token_issue(
        &self,
        context: CallContext,
        params: token::Issue,
    ) -> impl Future<Output = Result<token::Issued, Error>> + Send;

    /// `token.revoke`
    fn token_revoke(
        &self,
        context: CallContext,
        params: token::Revoke,
    ) -> impl Future<Output = Result<token::Accepted, Error>> + Send;

    /// `token.list`
    fn token_list(
        &self,
        context: CallContext,
        params: token::List,
    ) -> impl Future<Output = Result<token::Listed, Error>> + Send;

    /// `user.add`
    fn user_add(
        &self,
        context: CallContext,
        params: user::Add,
    ) -> impl Future<Output = Result<user::Accepted, Error>> + Send;

    /// `user.change`
    fn user_change(
        &self,
        context: CallContext,
        params: user::Change,
    ) -> impl Future<Output = Result<user::Accepted, Error>> + Send;

    /// `user.set_password`
    fn user_set_password(
        &self,
        context: CallContext,
        params: user::SetPassword,
    ) -> impl Future<Output = Result<user::Accepted, Error>> + Send;

    /// `user.remove`
    fn user_remove(
        &self,
        context: CallContext,
        params: user::Remove,
    ) -> impl Future<Output = Result<user::Accepted, Error>> + Send;

    /// `user.list`
    fn user_list(
        &self,
        context: CallContext,
        params: user::List,
    ) -> impl Future<Output = Result<user::Listed, Error>> + Send;

    /// Told of every call that is refused because its caller may do it in no namespace.
    fn denied(&self, _caller: &Caller, _method: &'static str, _needs: Need) {}

    /// `credential.set`
    fn credential_set(
        &self,
        context: CallContext,
        params: credential::Set,
    ) -> impl Future<Output = Result<credential::Stored, Error>> + Send;

    /// `credential.rotate`
    fn credential_rotate(
        &self,
        context: CallContext,
        params: credential::Rotate,
    ) -> impl Future<Output = Result<credential::Stored, Error>> + Send;

    /// `credential.delete`
    fn credential_delete(
        &self,
        context: CallContext,
        params: credential::Delete,
    ) -> impl Future<Output = Result<credential::Deleted, Error>> + Send;

    /// `credential.list`
    fn credential_list(
        &self,
        context: CallContext,
        params: credential::List,
    ) -> impl Future<Output = Result<credential::Listed, Error>> + Send;

    /// `vault.status`
    fn vault_status(
        &self,
        context: CallContext,
        params: vault::Status,
    ) -> impl Future<Output = Result<vault::Standing, Error>> + Send;

    /// `vault.init`
    fn vault_init(
        &self,
        context: CallContext,
        params: vault::Init,
    ) -> impl Future<Output = Result<vault::Made, Error>> + Send;

    /// `vault.unseal`
    fn vault_unseal(
        &self,
        context: CallContext,
        params: vault::Unseal,
    ) -> impl Future<Output = Result<vault::Standing, Error>> + Send;

    /// `vault.seal`
    fn vault_seal(
        &self,
        context: CallContext,
        params: vault::Seal,
    ) -> impl Future<Output = Result<vault::Standing, Error>> + Send;

    /// `vault.rotate_key`
    fn vault_rotate_key(
        &self,
        context: CallContext,
        params: vault::RotateKey,
    ) -> impl Future<Output = Result<vault::Made, Error>> + Send;

    /// `vault.change_passphrase`
    fn vault_change_passphrase(
        &self,
        context: CallContext,
        params: vault::ChangePassphrase,
    ) -> impl Future<Output = Result<vault::Recorded, Error>> + Send;

    /// `vault.new_recovery_key`
    fn vault_new_recovery_key(
        &self,
        context: CallContext,
        params: vault::NewRecoveryKey,
    ) -> impl Future<Output = Result<vault::Made, Error>> + Send;

    /// `vault.export`
    fn vault_export(
        &self,
        context: CallContext,
        params: vault::Export,
    ) -> impl Future<Output = Result<vault::Copy, Error>> + Send;

    /// `vault.import`
    fn vault_import(
        &self,
        context: CallContext,
        params: vault::Import,
    ) -> impl Future<Output = Result<vault::Imported, Error>> + Send;

    /// `system.health`
    fn system_health(
        &self,
        context: CallContext,
        params: system::Health,
    ) -> impl Future<Output = Result<system::HealthReport, Error>> + Send;

    /// `system.version`
    fn system_version(
        &self,
        context: CallContext,
        params: system::Version,
    ) -> impl Future<Output = Result<system::VersionReport, Error>> + Send;
}
