//! After a process ended between writing the vault's file and recording it: what the file holds and the log does not know
//! is recorded.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use openclaw_core::{Decider, credential};
use openclaw_log::EventLog;
use openclaw_model::{Actor, Event, Position, StreamId, StreamKind, event::vault::VaultEvent};
use openclaw_ports::vault::Status;

use super::{Keeper, credentials, refused};
use crate::{
    rpc::Error,
    sequencer::Refused,
    service::{Service, answer},
};

impl<L: EventLog> Service<L> {
    /// Records the file if the log does not know it, and what became of credentials by it. Cost, in that case alone: the
    /// whole log is read.
    pub(super) async fn settle(&self, keeper: &Keeper, status: &Status) -> Result<(), Error> {
        let Some(saved) = status.saved.clone().filter(|_| status.ahead) else { return Ok(()) };
        tracing::info!(epoch = saved.epoch, "the last change of the vault is recorded now");
        let mut known = self.credentials().await?;
        for entry in keeper.vault.list().await.map_err(refused)? {
            let (stream, command) = credentials::store(&entry)?;
            let there = known.remove(&stream).and_then(|state| state.value);
            // The fingerprint of a version changes with the key alone.
            if there.is_none_or(|(version, _)| version != entry.version) {
                self.record(&Actor::RUNTIME, stream, command).await?;
            }
        }
        for (stream, _) in known.into_iter().filter(|(_, state)| state.value.is_some()) {
            self.record(&Actor::RUNTIME, stream, credential::Command::Delete.into()).await?;
        }
        let event = if saved.epoch == 1 { VaultEvent::Created(saved) } else { VaultEvent::Saved(saved) };
        self.journal(&Actor::RUNTIME, event).await?;
        keeper.vault.recorded().await.map_err(refused)
    }

    /// Every credential that the log knows.
    async fn credentials(&self) -> Result<BTreeMap<StreamId, credential::State>, Error> {
        let mut known: BTreeMap<StreamId, credential::State> = BTreeMap::new();
        let mut history = self.log.read(Position(1));
        while let Some(batch) = history.next().await {
            for recorded in batch.map_err(|problem| answer::refused(problem.into()))?.iter() {
                if recorded.stream.kind() != StreamKind::Credential {
                    continue;
                }
                let event = recorded
                    .decode()
                    .map_err(|problem| answer::refused(Refused::Unreadable(problem.to_string())))?;
                if let Event::Credential(event) = event {
                    let state = known.entry(recorded.stream.clone()).or_default();
                    credential::Credential::evolve(state, &event, recorded.version, recorded.at);
                }
            }
        }
        Ok(known)
    }
}
