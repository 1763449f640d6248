//! Connections to the outside, as events.

use std::sync::Arc;

use openclaw_core::journal::Command;
use openclaw_egress::{Connection, Ended, Origin, Recorder, Recording, Refused};
use openclaw_gateway::{Sequencer, sequencer::Submission};
use openclaw_model::{
    Actor, CommandDigest, CommandId, StreamId, StreamKind,
    envelope::Causality,
    event::egress::{EgressClosed, EgressDenied, EgressEvent, EgressOpened},
};
use openclaw_ports::Ids;

/// The stream of what belongs to no run.
const SERVER: &str = "server";

/// Records connections in the log: those of a run in `egress/RUN`, the others in `egress/server`. Cost of each: one
/// append, which is on disk when it returns.
pub struct EgressLog {
    sequencer: Sequencer,
    ids: Arc<dyn Ids>,
}

impl EgressLog {
    /// Records through `sequencer`.
    #[must_use]
    pub fn new(sequencer: Sequencer, ids: Arc<dyn Ids>) -> Self {
        Self { sequencer, ids }
    }

    fn record(&self, origin: Origin, event: impl Into<EgressEvent>) -> Recording<'_> {
        let command = Command::Egress(event.into());
        Box::pin(async move {
            let name = origin.run.map_or_else(|| SERVER.to_owned(), |run| run.to_string());
            let stream = StreamId::new(StreamKind::Egress, &name).map_err(|error| error.to_string())?;
            let submission = Submission {
                stream,
                command: command.into(),
                id: CommandId(*self.ids.next().as_bytes()),
                digest: CommandDigest([0; 16]),
                keyed: false,
                expected: Default::default(),
                actor: Actor::RUNTIME,
                causality: Causality::default(),
            };
            let recorded = self.sequencer.submit_patiently(submission).await;
            recorded.map(drop).map_err(|refused| refused.to_string())
        })
    }
}

impl Recorder for EgressLog {
    fn opened<'a>(&'a self, connection: &'a Connection) -> Recording<'a> {
        let Connection { origin, number, target, address, rule, credential } = connection;
        let opened = EgressOpened {
            connection: *number,
            task: origin.task,
            host: target.host().to_string(),
            port: target.port(),
            address: address.ip().to_string(),
            rule: rule.clone(),
            credential: credential.clone(),
        };
        self.record(*origin, EgressEvent::Opened(opened))
    }

    fn denied<'a>(&'a self, origin: Origin, refused: &'a Refused) -> Recording<'a> {
        let denied = EgressDenied {
            task: origin.task,
            host: refused.target.host().to_string(),
            port: refused.target.port(),
            address: refused.address.map(|address| address.to_string()),
            code: refused.code().into(),
            reason: refused.explanation(),
        };
        self.record(origin, EgressEvent::Denied(denied))
    }

    fn closed<'a>(&'a self, ended: &'a Ended) -> Recording<'a> {
        let &Ended { origin, number: connection, sent_bytes, received_bytes } = ended;
        self.record(origin, EgressEvent::Closed(EgressClosed { connection, sent_bytes, received_bytes }))
    }
}
