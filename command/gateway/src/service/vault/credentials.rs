//! `credential.*`: values go into the vault, and what is known of them into the log.

use openclaw_core::credential::Command as CredentialCommand;
use openclaw_log::EventLog;
use openclaw_model::{
    Event, StreamId, StreamKind,
    event::{
        credential::{CredentialEvent, CredentialRotated, CredentialSet},
        vault::VaultEvent,
    },
};
use openclaw_ports::{
    secrets::Revealed,
    vault::{Change, Entry},
};

use super::refused;
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::credential::{Credential, Delete, Deleted, List, Listed, Rotate, Set, Stored},
    },
    sequencer::{Accepted, Command},
    service::{Service, reach},
};

impl From<Entry> for Credential {
    fn from(entry: Entry) -> Self {
        let Entry { namespace, name, version, fingerprint, created, changed } = entry;
        Self { namespace, name, version, fingerprint, created, changed }
    }
}

/// The stream of a credential.
pub(super) fn stream(namespace: &str, name: &str) -> Result<StreamId, Error> {
    StreamId::new(StreamKind::Credential, &format!("{namespace}/{name}"))
        .map_err(|error| Error::invalid("name", error.to_string()))
}

/// What records the value of a credential.
pub(super) fn store(entry: &Entry) -> Result<(StreamId, Command), Error> {
    let (version, fingerprint) = (entry.version, entry.fingerprint.clone());
    let command = CredentialCommand::Store { version, fingerprint };
    Ok((stream(&entry.namespace, &entry.name)?, command.into()))
}

impl<L: EventLog> Service<L> {
    pub(in crate::service) async fn set_credential(
        &self,
        context: CallContext,
        params: Set,
    ) -> Result<Stored, Error> {
        let value = params.value.into_revealed();
        self.put_credential(&context, params.namespace, params.name, value, false).await
    }

    pub(in crate::service) async fn rotate_credential(
        &self,
        context: CallContext,
        params: Rotate,
    ) -> Result<Stored, Error> {
        let value = params.value.into_revealed();
        self.put_credential(&context, params.namespace, params.name, value, true).await
    }

    async fn put_credential(
        &self,
        context: &CallContext,
        namespace: Option<String>,
        name: String,
        value: Revealed,
        existing: bool,
    ) -> Result<Stored, Error> {
        let namespace = self.admitted(context, namespace)?;
        if let Some(first) = self.recall(context).await? {
            return stored(&namespace, &name, &first);
        }
        let (into, called) = (namespace.clone(), name.clone());
        let change = Change::Put { namespace: into, name: called, value, existing };
        let (changed, position) = self.change_vault(context, change, VaultEvent::Saved, Vec::new()).await?;
        let entry = changed.entries.into_iter().next().ok_or(Error::Internal)?;
        let Entry { version, fingerprint, .. } = entry;
        Ok(Stored { namespace, name, version, fingerprint, position })
    }

    pub(in crate::service) async fn delete_credential(
        &self,
        context: CallContext,
        params: Delete,
    ) -> Result<Deleted, Error> {
        let namespace = self.admitted(&context, params.namespace)?;
        let name = params.name;
        if let Some(first) = self.recall(&context).await? {
            return Ok(Deleted { namespace, name, position: first.position });
        }
        let delete = (stream(&namespace, &name)?, CredentialCommand::Delete.into());
        let change = Change::Delete { namespace: namespace.clone(), name: name.clone() };
        let (_, position) = self.change_vault(&context, change, VaultEvent::Saved, vec![delete]).await?;
        Ok(Deleted { namespace, name, position })
    }

    pub(in crate::service) async fn list_credentials(
        &self,
        context: CallContext,
        params: List,
    ) -> Result<Listed, Error> {
        let entries = self.keeper()?.vault.list().await.map_err(refused)?;
        let wanted = |entry: &Entry| {
            context.reaches(&entry.namespace)
                && params.namespace.as_ref().is_none_or(|only| *only == entry.namespace)
        };
        let credentials = entries.into_iter().filter(wanted).map(Credential::from).collect();
        Ok(Listed { credentials })
    }

    /// The namespace that is meant, if the caller may look after it.
    fn admitted(&self, context: &CallContext, given: Option<String>) -> Result<String, Error> {
        let namespace = given.unwrap_or_else(|| reach::usual(context));
        reach::admit(context, &namespace)?;
        Ok(namespace)
    }
}

/// The first answer to a command that came again.
fn stored(namespace: &str, name: &str, first: &Accepted) -> Result<Stored, Error> {
    let known = first.events.iter().find_map(|event| match event {
        Event::Credential(
            CredentialEvent::Set(CredentialSet { version, fingerprint })
            | CredentialEvent::Rotated(CredentialRotated { version, fingerprint }),
        ) => Some((*version, fingerprint.clone())),
        _ => None,
    });
    let (version, fingerprint) = known.ok_or(Error::Internal)?;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Ok(Stored { namespace, name, version, fingerprint, position: first.position })
}
