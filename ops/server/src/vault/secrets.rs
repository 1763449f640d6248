//! Secrets of workflows: from the vault, and those that are not there from files and the environment. Every use is recorded
//! before the value is handed out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openclaw_core::credential;
use openclaw_gateway::{Sequencer, sequencer::Submission};
use openclaw_model::{
    Actor, CommandDigest, CommandId, StreamId, StreamKind, envelope::Causality,
    event::credential::CredentialUsed,
};
use openclaw_ports::{
    Ids, Secrets,
    secrets::{Error, Handle, Opened, Opening, Revealed, Use, shape_of, value_at},
};
use openclaw_vault::{Error as VaultError, Name};
use serde_json::Value;

use super::{File, Inner, Keeper};
use crate::secrets::{FileSecrets, read};

/// Secrets of this server.
pub(crate) struct VaultSecrets {
    keeper: Keeper,
    /// Looked at for what is not in the vault.
    files: Arc<FileSecrets>,
    sequencer: Sequencer,
    ids: Arc<dyn Ids>,
}

impl VaultSecrets {
    /// Looks in the vault first and in `files` then.
    pub(crate) fn new(keeper: Keeper, files: FileSecrets, sequencer: Sequencer, ids: Arc<dyn Ids>) -> Self {
        Self { keeper, files: Arc::new(files), sequencer, ids }
    }

    /// Records that `name` is about to be used.
    async fn record(
        &self,
        namespace: &str,
        name: &str,
        version: Option<u64>,
        usage: Use,
    ) -> Result<(), String> {
        let stream = StreamId::new(StreamKind::Credential, &format!("{namespace}/{name}"))
            .map_err(|error| error.to_string())?;
        let Use { purpose, run, task, effect } = usage;
        let used = CredentialUsed { version, purpose, run, task, effect };
        let submission = Submission {
            stream,
            command: credential::Command::Use(used).into(),
            id: CommandId(*self.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality { causation: None, correlation: run.map(|run| run.0) },
        };
        self.sequencer.submit_patiently(submission).await.map(drop).map_err(|error| error.to_string())
    }
}

/// A secret and, if it comes from the vault, its version.
type Found = Result<(Value, Option<u64>), Error>;

/// Looks for a secret. One that the vault has is never taken from elsewhere, sealed or not.
fn find(inner: &Inner, files: &FileSecrets, namespace: &str, name: &str) -> Found {
    let unusable = |error: &VaultError| Error::Unusable { name: name.to_owned(), reason: error.to_string() };
    if let File::Open(vault) = &*inner.file() {
        let Ok(full) = Name::new(namespace, name) else { return Err(Error::Missing(name.to_owned())) };
        match vault.reveal(&full) {
            Ok((value, version)) => return Ok((read(value.expose()), Some(version))),
            Err(VaultError::Sealed) if vault.contains(&full) => return Err(Error::Sealed(name.to_owned())),
            Err(VaultError::Sealed | VaultError::Missing) => {}
            Err(error) => return Err(unusable(&error)),
        }
    }
    files.value(name).map(|value| (value, None))
}

fn at(secret: &Value, handle: &Handle) -> Result<Revealed, Error> {
    value_at(secret, &handle.pointer)
        .ok_or_else(|| Error::Missing(format!("{}{}", handle.name, handle.pointer)))
}

impl Secrets for VaultSecrets {
    fn names(&self, namespace: &str) -> BTreeSet<String> {
        let mut names = self.files.names();
        if let File::Open(vault) = &*self.keeper.0.file() {
            names.extend(
                vault.names().filter(|name| name.namespace() == namespace).map(|name| name.name().to_owned()),
            );
        }
        names
    }

    fn shape(&self, namespace: &str, name: &str) -> Result<Value, Error> {
        find(&self.keeper.0, &self.files, namespace, name).map(|(secret, _)| shape_of(name, &secret))
    }

    fn open<'a>(&'a self, namespace: &'a str, handles: BTreeSet<Handle>, usage: Use) -> Opening<'a> {
        Box::pin(async move {
            let (inner, files, place) = (self.keeper.0.clone(), self.files.clone(), namespace.to_owned());
            let names: BTreeSet<String> = handles.iter().map(|handle| handle.name.clone()).collect();
            let looking = tokio::task::spawn_blocking(move || {
                let found = |name: String| {
                    let secret = find(&inner, &files, &place, &name);
                    (name, secret)
                };
                names.into_iter().map(found).collect::<BTreeMap<_, _>>()
            });
            let mut secrets = looking.await.unwrap_or_default();
            let mut opened = Opened::new();
            let mut recorded = BTreeMap::new();
            for handle in handles {
                let found = secrets
                    .get_mut(&handle.name)
                    .map_or_else(|| Err(Error::Missing(handle.name.clone())), |found| found.clone());
                let value = match found {
                    Err(error) => Err(error),
                    Ok((secret, version)) => match at(&secret, &handle) {
                        Err(error) => Err(error),
                        Ok(value) => {
                            if !recorded.contains_key(&handle.name) {
                                let done = self.record(namespace, &handle.name, version, usage.clone()).await;
                                recorded.insert(handle.name.clone(), done);
                            }
                            match &recorded[&handle.name] {
                                Ok(()) => Ok(value),
                                Err(reason) => Err(Error::Unrecorded {
                                    name: handle.name.clone(),
                                    reason: reason.clone(),
                                }),
                            }
                        }
                    },
                };
                opened.insert(handle, value);
            }
            opened
        })
    }
}
