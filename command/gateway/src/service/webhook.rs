//! `webhook.register`, `webhook.remove`, `webhook.redrive` and `webhook.drop`.

use openclaw_core::webhook::{Command, Target};
use openclaw_log::EventLog;

use super::Service;
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::webhook::{Accepted, Drop, Redrive, Register, Remove},
    },
    webhooks,
};

impl<L: EventLog> Service<L> {
    pub(super) async fn register_webhook(
        &self,
        context: CallContext,
        params: Register,
    ) -> Result<Accepted, Error> {
        let Register { name, url, types, secret, headers, .. } = params;
        let target = Target { url, types, secret, headers };
        let command = Command::Register { target, after: self.log.head().position };
        self.command_webhook(&context, name, command).await
    }

    pub(super) async fn remove_webhook(
        &self,
        context: CallContext,
        params: Remove,
    ) -> Result<Accepted, Error> {
        self.command_webhook(&context, params.name, Command::Remove).await
    }

    pub(super) async fn redrive_webhook(
        &self,
        context: CallContext,
        params: Redrive,
    ) -> Result<Accepted, Error> {
        let command = Command::Redrive { positions: params.positions };
        self.command_webhook(&context, params.name, command).await
    }

    pub(super) async fn drop_letters(&self, context: CallContext, params: Drop) -> Result<Accepted, Error> {
        let command = Command::Drop { positions: params.positions };
        self.command_webhook(&context, params.name, command).await
    }

    async fn command_webhook(
        &self,
        context: &CallContext,
        name: String,
        command: Command,
    ) -> Result<Accepted, Error> {
        let stream = webhooks::stream(&name).map_err(|error| Error::invalid("name", error.to_string()))?;
        let accepted = self.submit(context, stream, command, None).await?;
        Ok(Accepted { name, position: accepted.position, stream_version: accepted.stream_version })
    }
}
