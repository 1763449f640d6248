//! `user.add`, `user.change`, `user.set_password`, `user.remove` and `user.list`.

use openclaw_core::user::{Account, Command};
use openclaw_log::EventLog;
use openclaw_model::StreamKind;
use zeroize::Zeroizing;

use super::{
    Service,
    token::{covered, stream},
};
use crate::{
    access::PasswordError,
    rpc::{
        Error,
        context::CallContext,
        methods::user::{Accepted, Add, Change, Listed, Remove, SetPassword, User},
    },
};

impl<L: EventLog> Service<L> {
    pub(super) async fn add_user(&self, context: CallContext, params: Add) -> Result<Accepted, Error> {
        covered(&context, &params.role.grants(&params.namespaces))?;
        let password = self.hashed(&params.name, params.password.reveal()).await?;
        let Add { name, role, namespaces, groups, .. } = params;
        let command = Command::Add(Account { role, namespaces, groups, password });
        self.command_user(&context, name, command).await
    }

    pub(super) async fn change_user(&self, context: CallContext, params: Change) -> Result<Accepted, Error> {
        self.reached_user(&context, &params.name)?;
        covered(&context, &params.role.grants(&params.namespaces))?;
        let Change { name, role, namespaces, groups, .. } = params;
        self.command_user(&context, name, Command::Change { role, namespaces, groups }).await
    }

    pub(super) async fn set_password(
        &self,
        context: CallContext,
        params: SetPassword,
    ) -> Result<Accepted, Error> {
        self.reached_user(&context, &params.name)?;
        let password = self.hashed(&params.name, params.password.reveal()).await?;
        self.command_user(&context, params.name, Command::ChangePassword { password }).await
    }

    pub(super) async fn remove_user(&self, context: CallContext, params: Remove) -> Result<Accepted, Error> {
        // A repetition finds nobody any more, and is answered as the first time.
        if self.recall(&context).await?.is_none() {
            self.reached_user(&context, &params.name)?;
        }
        self.command_user(&context, params.name, Command::Remove).await
    }

    pub(super) fn list_users(&self, context: &CallContext) -> Result<Listed, Error> {
        let access = self.access()?;
        let now = access.now();
        let users = access.users().into_iter().filter_map(|(name, state)| {
            let sessions = state.sessions.values().filter(|expires| now < **expires).count() as u64;
            let account = state.account?;
            let grants = account.role.grants(&account.namespaces);
            context.caller.grants.cover(&grants).then_some(User {
                name,
                role: account.role,
                namespaces: account.namespaces,
                groups: account.groups,
                sessions,
                last_login_at: state.seen,
            })
        });
        Ok(Listed { users: users.collect() })
    }

    /// Refuses users whom the caller could not have added, as if there were no such user.
    fn reached_user(&self, context: &CallContext, name: &str) -> Result<(), Error> {
        let account = self.access()?.account(name);
        let known =
            account.filter(|account| context.caller.grants.cover(&account.role.grants(&account.namespaces)));
        known.map(|_| ()).ok_or_else(|| Error::NotFound { what: "user", id: name.to_owned() })
    }

    async fn hashed(&self, name: &str, password: Zeroizing<String>) -> Result<String, Error> {
        self.access()?.hash_password(name, password).await.map_err(|error| match error {
            PasswordError::Weak(reason) => {
                Error::Rejected { code: "OC-USR-004".into(), reason: reason.to_owned() }
            }
            PasswordError::Busy { retry_after } => Error::Busy { retry_after },
            PasswordError::Pepper(_) => {
                Error::Rejected { code: "OC-AUTH-003".into(), reason: error.to_string() }
            }
        })
    }

    async fn command_user(
        &self,
        context: &CallContext,
        name: String,
        command: Command,
    ) -> Result<Accepted, Error> {
        let access = self.access()?;
        let accepted = self.submit(context, stream(StreamKind::User, &name)?, command, None).await?;
        access.reached(accepted.position).await;
        Ok(Accepted { name, position: accepted.position, stream_version: accepted.stream_version })
    }
}
