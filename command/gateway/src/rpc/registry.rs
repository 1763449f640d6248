//! The methods, in jsonrpsee's registry, with the description that `rpc.discover` answers.

use std::{future::Future, sync::Arc};

use jsonrpsee::{Extensions, Methods, RpcModule, types::ErrorObjectOwned};
use serde_json::value::RawValue;

use super::{
    commands::Commands,
    context::{CallContext, Caller, IdempotencyKey},
    error::Error,
    methods::{
        Call, approval, control, credential, event, fork, policy, run, schedule, session, system, token,
        user, vault, webhook, workflow,
    },
    openrpc::Document,
    params,
};

/// The method that describes the others: <https://spec.open-rpc.org/#service-discovery-method>.
pub(super) const DISCOVER: &str = "rpc.discover";

/// What the transport knows of a call before its params are read.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) caller: Caller,
    /// From the header `Idempotency-Key`.
    pub(super) key: Option<IdempotencyKey>,
}

/// Registers every method of `commands`. Answers the registry and the OpenRPC document.
pub(super) fn build<C: Commands>(commands: Arc<C>, response_bytes: usize) -> (Methods, Arc<RawValue>) {
    let mut registry =
        Registry { module: RpcModule::from_arc(commands), document: Document::new(), response_bytes };
    registry.add::<workflow::Register, _, _>(|c, x, p| async move { c.workflow_register(x, p).await });
    registry.add::<workflow::Validate, _, _>(|c, x, p| async move { c.workflow_validate(x, p).await });
    registry.add::<workflow::Retire, _, _>(|c, x, p| async move { c.workflow_retire(x, p).await });
    registry.add::<run::Start, _, _>(|c, x, p| async move { c.run_start(x, p).await });
    registry.add::<run::Cancel, _, _>(|c, x, p| async move { c.run_cancel(x, p).await });
    registry.add::<run::Signal, _, _>(|c, x, p| async move { c.run_signal(x, p).await });
    registry.add::<control::Kill, _, _>(|c, x, p| async move { c.run_kill(x, p).await });
    registry.add::<control::Pause, _, _>(|c, x, p| async move { c.run_pause(x, p).await });
    registry.add::<control::Resume, _, _>(|c, x, p| async move { c.run_resume(x, p).await });
    registry.add::<control::Retry, _, _>(|c, x, p| async move { c.run_retry(x, p).await });
    registry.add::<fork::Fork, _, _>(|c, x, p| async move { c.run_fork(x, p).await });
    registry.add::<control::Reconcile, _, _>(|c, x, p| async move { c.effect_reconcile(x, p).await });
    registry.add::<approval::Decide, _, _>(|c, x, p| async move { c.approval_decide(x, p).await });
    registry.add::<policy::Set, _, _>(|c, x, p| async move { c.policy_set(x, p).await });
    registry.add::<policy::Remove, _, _>(|c, x, p| async move { c.policy_remove(x, p).await });
    registry.add::<policy::Get, _, _>(|c, x, p| async move { c.policy_get(x, p).await });
    registry.add::<policy::Test, _, _>(|c, x, p| async move { c.policy_test(x, p).await });
    registry.add::<policy::Replay, _, _>(|c, x, p| async move { c.policy_replay(x, p).await });
    registry.add::<event::Publish, _, _>(|c, x, p| async move { c.event_publish(x, p).await });
    registry.add::<schedule::Pause, _, _>(|c, x, p| async move { c.schedule_pause(x, p).await });
    registry.add::<schedule::Resume, _, _>(|c, x, p| async move { c.schedule_resume(x, p).await });
    registry.add::<webhook::Register, _, _>(|c, x, p| async move { c.webhook_register(x, p).await });
    registry.add::<webhook::Remove, _, _>(|c, x, p| async move { c.webhook_remove(x, p).await });
    registry.add::<webhook::Redrive, _, _>(|c, x, p| async move { c.webhook_redrive(x, p).await });
    registry.add::<webhook::Drop, _, _>(|c, x, p| async move { c.webhook_drop(x, p).await });
    registry.add::<session::Create, _, _>(|c, x, p| async move { c.session_create(x, p).await });
    registry.add::<session::Message, _, _>(|c, x, p| async move { c.session_message(x, p).await });
    registry.add::<session::SetState, _, _>(|c, x, p| async move { c.session_set_state(x, p).await });
    registry.add::<session::End, _, _>(|c, x, p| async move { c.session_end(x, p).await });
    registry.add::<token::Issue, _, _>(|c, x, p| async move { c.token_issue(x, p).await });
    registry.add::<token::Revoke, _, _>(|c, x, p| async move { c.token_revoke(x, p).await });
    registry.add::<token::List, _, _>(|c, x, p| async move { c.token_list(x, p).await });
    registry.add::<user::Add, _, _>(|c, x, p| async move { c.user_add(x, p).await });
    registry.add::<user::Change, _, _>(|c, x, p| async move { c.user_change(x, p).await });
    registry.add::<user::SetPassword, _, _>(|c, x, p| async move { c.user_set_password(x, p).await });
    registry.add::<user::Remove, _, _>(|c, x, p| async move { c.user_remove(x, p).await });
    registry.add::<user::List, _, _>(|c, x, p| async move { c.user_list(x, p).await });
    registry.add::<credential::Set, _, _>(|c, x, p| async move { c.credential_set(x, p).await });
    registry.add::<credential::Rotate, _, _>(|c, x, p| async move { c.credential_rotate(x, p).await });
    registry.add::<credential::Delete, _, _>(|c, x, p| async move { c.credential_delete(x, p).await });
    registry.add::<credential::List, _, _>(|c, x, p| async move { c.credential_list(x, p).await });
    registry.add::<vault::Status, _, _>(|c, x, p| async move { c.vault_status(x, p).await });
    registry.add::<vault::Init, _, _>(|c, x, p| async move { c.vault_init(x, p).await });
    registry.add::<vault::Unseal, _, _>(|c, x, p| async move { c.vault_unseal(x, p).await });
    registry.add::<vault::Seal, _, _>(|c, x, p| async move { c.vault_seal(x, p).await });
    registry.add::<vault::RotateKey, _, _>(|c, x, p| async move { c.vault_rotate_key(x, p).await });
    registry
        .add::<vault::ChangePassphrase, _, _>(|c, x, p| async move { c.vault_change_passphrase(x, p).await });
    registry
        .add::<vault::NewRecoveryKey, _, _>(|c, x, p| async move { c.vault_new_recovery_key(x, p).await });
    registry.add::<vault::Export, _, _>(|c, x, p| async move { c.vault_export(x, p).await });
    registry.add::<vault::Import, _, _>(|c, x, p| async move { c.vault_import(x, p).await });
    registry.add::<system::Health, _, _>(|c, x, p| async move { c.system_health(x, p).await });
    registry.add::<system::Version, _, _>(|c, x, p| async move { c.system_version(x, p).await });
    registry.finish()
}

struct Registry<C> {
    module: RpcModule<C>,
    document: Document,
    response_bytes: usize,
}

impl<C: Commands> Registry<C> {
    /// Adds the method of `P`.
    fn add<P, F, Fut>(&mut self, carry_out: F)
    where
        P: Call,
        F: Fn(Arc<C>, CallContext, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<P::Answer, Error>> + Send,
    {
        self.document.describe::<P>();
        let limit = self.response_bytes;
        self.module
            .register_async_method(P::NAME, move |params, commands, extensions| {
                let carry_out = carry_out.clone();
                async move {
                    let (context, params) = open::<P, C>(&commands, params.as_str(), &extensions)?;
                    let answer = carry_out(commands, context, params).await?;
                    bounded(&answer, limit).map_err(ErrorObjectOwned::from)
                }
            })
            .expect("every method has its own name");
    }

    fn finish(mut self) -> (Methods, Arc<RawValue>) {
        let document: Arc<RawValue> = Arc::from(
            serde_json::value::to_raw_value(&self.document.finish()).expect("a JSON value serialises"),
        );
        let answer = Arc::clone(&document);
        self.module
            .register_async_method(DISCOVER, move |params, _, _| {
                let answer = Arc::clone(&answer);
                async move {
                    params::read::<system::Health>(params.as_str())?;
                    Ok::<_, ErrorObjectOwned>((*answer).to_owned())
                }
            })
            .expect("every method has its own name");
        (self.module.into(), document)
    }
}

/// Reads the params and puts together what surrounds the command.
fn open<P: Call, C: Commands>(
    commands: &C,
    text: Option<&str>,
    extensions: &Extensions,
) -> Result<(CallContext, P), Error> {
    let scope = extensions.get::<Scope>().expect("the transport gives every call its scope");
    if !scope.caller.grants.allow_somewhere(P::NEED) {
        commands.denied(&scope.caller, P::NAME, P::NEED);
        return Err(Error::Forbidden { needs: P::NEED.to_string() });
    }
    let params = params::read::<P>(text)?;
    let (key, expected) = match params.guard() {
        // A query has no use for a key; a client that sends one with everything is welcome.
        None => (None, Default::default()),
        Some(guard) => (one_key(guard.key, scope.key.as_ref())?, guard.expected),
    };
    let digest = params::digest(&params);
    let caller = scope.caller.clone();
    Ok((CallContext { caller, need: P::NEED, idempotency_key: key, expected, digest }, params))
}

fn one_key(
    param: Option<&IdempotencyKey>,
    header: Option<&IdempotencyKey>,
) -> Result<Option<IdempotencyKey>, Error> {
    match (param, header) {
        (Some(param), Some(header)) if param != header => {
            Err(Error::invalid("idempotencyKey", "differs from the header Idempotency-Key"))
        }
        (param, header) => Ok(param.or(header).cloned()),
    }
}

/// Serialises an answer, unless it is larger than `limit` bytes.
fn bounded<A: serde::Serialize>(answer: &A, limit: usize) -> Result<Box<RawValue>, Error> {
    let text = serde_json::value::to_raw_value(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be serialised");
        Error::Internal
    })?;
    if text.get().len() > limit { Err(Error::ResponseTooLarge { limit }) } else { Ok(text) }
}
