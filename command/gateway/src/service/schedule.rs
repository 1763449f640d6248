//! `schedule.pause` and `schedule.resume`.

use openclaw_core::schedule::Command;
use openclaw_log::EventLog;
use openclaw_model::{StreamId, StreamKind};

use super::Service;
use crate::rpc::{
    Error,
    context::CallContext,
    methods::schedule::{Accepted, Pause, Resume},
};

impl<L: EventLog> Service<L> {
    pub(super) async fn pause_schedule(
        &self,
        context: CallContext,
        params: Pause,
    ) -> Result<Accepted, Error> {
        let command = Command::Pause { reason: params.reason };
        self.command_schedule(&context, params.namespace, params.name, command).await
    }

    pub(super) async fn resume_schedule(
        &self,
        context: CallContext,
        params: Resume,
    ) -> Result<Accepted, Error> {
        self.command_schedule(&context, params.namespace, params.name, Command::Resume).await
    }

    async fn command_schedule(
        &self,
        context: &CallContext,
        namespace: String,
        name: String,
        command: Command,
    ) -> Result<Accepted, Error> {
        let stream = StreamId::new(StreamKind::Schedule, &format!("{namespace}/{name}"))
            .map_err(|error| Error::invalid("name", error.to_string()))?;
        let accepted = self.submit_to(context, stream, command, None).await?;
        Ok(Accepted { namespace, name, position: accepted.position, stream_version: accepted.stream_version })
    }
}
