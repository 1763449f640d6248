//! `webhook.register`, `webhook.remove`, `webhook.redrive` and `webhook.drop`.

use openclaw_core::webhook::{Command, Target};
use openclaw_log::EventLog;
use openclaw_model::StreamId;

use super::{Service, reach};
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
        let Register { name, namespace, url, types, secret, headers, .. } = params;
        let (namespace, name) = reach::whole(&context, namespace, &name)?;
        reach::admit(&context, &namespace)?;
        let target = Target { url, types, secret, headers };
        let command = Command::Register { target, after: self.log.head().position };
        let stream = stream(&name)?;
        let accepted = self.submit(&context, stream, command, None).await?;
        Ok(Accepted { name, position: accepted.position, stream_version: accepted.stream_version })
    }

    pub(super) async fn remove_webhook(
        &self,
        context: CallContext,
        params: Remove,
    ) -> Result<Accepted, Error> {
        self.command_webhook(&context, params.namespace, &params.name, Command::Remove).await
    }

    pub(super) async fn redrive_webhook(
        &self,
        context: CallContext,
        params: Redrive,
    ) -> Result<Accepted, Error> {
        let command = Command::Redrive { positions: params.positions };
        self.command_webhook(&context, params.namespace, &params.name, command).await
    }

    pub(super) async fn drop_letters(&self, context: CallContext, params: Drop) -> Result<Accepted, Error> {
        let command = Command::Drop { positions: params.positions };
        self.command_webhook(&context, params.namespace, &params.name, command).await
    }

    async fn command_webhook(
        &self,
        context: &CallContext,
        namespace: Option<String>,
        name: &str,
        command: Command,
    ) -> Result<Accepted, Error> {
        let (_, name) = reach::whole(context, namespace, name)?;
        let stream = stream(&name)?;
        let accepted = self.submit_to(context, stream, command, None).await?;
        Ok(Accepted { name, position: accepted.position, stream_version: accepted.stream_version })
    }
}

fn stream(name: &str) -> Result<StreamId, Error> {
    webhooks::stream(name).map_err(|error| Error::invalid("name", error.to_string()))
}
