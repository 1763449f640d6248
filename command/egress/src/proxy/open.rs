//! Making a connection: judged, recorded, then connected.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use tokio::{net::TcpStream, time::timeout};

use super::{
    session::{Problem, Session},
    wire::{Counted, Counts},
};
use crate::{Connection, Ended, Error, Reason, Refused, Target, metrics};

/// Addresses of one name that are tried.
const TRIED: usize = 3;

/// A connection that is on record. Whoever has it sees to [`Open::close`].
pub(super) struct Open {
    pub(super) stream: Counted<TcpStream>,
    pub(super) record: Record,
}

/// What is to be recorded when it ends.
pub(super) struct Record {
    session: Arc<Session>,
    number: u64,
    pub(super) counts: Arc<Counts>,
}

impl Session {
    /// Connects to `target`, which the permit `rule` allows, if the gate does too.
    pub(super) async fn open(
        self: &Arc<Self>,
        target: &Target,
        rule: &str,
        credential: Option<&str>,
    ) -> Result<Open, Problem> {
        let admitted = match timeout(self.limits.connect, self.gate.admit(target)).await {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(Error::Refused(refused))) => return Err(self.refuse(refused).await),
            Ok(Err(error @ Error::NoHost(_))) => return Err(Problem::Bad(error.to_string())),
            Ok(Err(Error::Unresolved { name, source })) => {
                return Err(Problem::Gateway(format!("the name {name} cannot be resolved: {source}")));
            }
            Err(_) => return Err(Problem::Gateway(format!("the lookup of {target} takes too long"))),
        };
        let mut problem = io::Error::other("there is no address");
        for admitted in admitted.into_iter().take(TRIED) {
            let rule = match admitted.rule.as_str() {
                "public" => rule.to_owned(),
                more => format!("{rule}, {more}"),
            };
            let connection = Connection {
                origin: self.grant.origin,
                number: self.connections.fetch_add(1, Ordering::Relaxed),
                target: target.clone(),
                address: admitted.address,
                rule,
                credential: credential.map(str::to_owned),
            };
            if let Err(problem) = self.gate.recorder().opened(&connection).await {
                let (target, address) = (target.clone(), Some(admitted.address.ip()));
                return Err(self
                    .refuse(Refused { target, address, reason: Reason::Unrecorded(problem) })
                    .await);
            }
            metrics::opened();
            let counts = Arc::new(Counts::default());
            let record = Record { session: self.clone(), number: connection.number, counts: counts.clone() };
            match timeout(self.limits.connect, TcpStream::connect(admitted.address)).await {
                Ok(Ok(stream)) => {
                    let stream = Counted::new(stream, counts, Some(self.budget.clone()), ());
                    return Ok(Open { stream, record });
                }
                Ok(Err(error)) => problem = error,
                Err(_) => problem = io::ErrorKind::TimedOut.into(),
            }
            record.close().await;
        }
        Err(Problem::Gateway(format!("{target} cannot be connected to: {problem}")))
    }

    /// Records a refusal.
    pub(super) async fn refuse(&self, refused: Refused) -> Problem {
        self.gate.denied("tool", self.grant.origin, &refused).await;
        Problem::Refused(refused)
    }
}

impl Record {
    /// Records the end. An end that cannot be recorded is logged and counted.
    pub(super) async fn close(self) {
        let (sent_bytes, received_bytes) = self.counts.read();
        metrics::closed(sent_bytes, received_bytes);
        let ended =
            Ended { origin: self.session.grant.origin, number: self.number, sent_bytes, received_bytes };
        if let Err(problem) = self.session.gate.recorder().closed(&ended).await {
            metrics::unrecorded();
            tracing::warn!(
                connection = self.number,
                problem,
                "the end of a connection could not be recorded"
            );
        }
    }
}
