//! The methods of the transport, each handed to the file of its subject.

use openclaw_log::EventLog;
use openclaw_model::access::Need;

use super::{Service, system};
use crate::rpc::{self, Commands, context::CallContext, methods};

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
