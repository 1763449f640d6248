//! `workflow.register` and `workflow.retire`.

use openclaw_core::workflow::Command;
use openclaw_log::EventLog;

use super::Service;
use crate::{
    definitions,
    rpc::{
        Error,
        context::CallContext,
        methods::workflow::{Register, Registered, Retire, Retired},
    },
};

impl<L: EventLog> Service<L> {
    pub(super) async fn register(&self, context: CallContext, params: Register) -> Result<Registered, Error> {
        let program = self.compile(&params.definition)?;
        let definition = program.definition();
        let stream = definitions::stream(&definition.namespace, &definition.name)
            .map_err(|error| Error::invalid("definition.document.name", error.to_string()))?;
        let command = Command::Register {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
            definition: (*definition.source).clone(),
        };
        let accepted = self.submit(&context, stream, command, None).await?;
        Ok(Registered {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) async fn retire(&self, context: CallContext, params: Retire) -> Result<Retired, Error> {
        let stream = definitions::stream(&params.namespace, &params.name)
            .map_err(|error| Error::invalid("name", error.to_string()))?;
        let command = Command::Retire { version: params.version.clone() };
        let accepted = self.submit(&context, stream, command, None).await?;
        Ok(Retired {
            namespace: params.namespace,
            name: params.name,
            version: params.version,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }
}
