//! The vault of this server: the file behind the port, and secrets that come from it.

mod secrets;
mod source;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::StreamExt;
use openclaw_log::{EventLog, ReadError};
use openclaw_model::{
    Digest, Event, StreamId, StreamKind, Version,
    event::vault::{VaultEvent, VaultSaved},
};
use openclaw_ports::{
    Clock, Ids,
    secrets::Revealed,
    signing::NoKey,
    vault::{Asking, Change, Changed, Entry, Refused, State, Status, With},
};
use openclaw_vault::{Conflict, Cost, Disk, Error, Mark, Name, Passphrase, RecoveryKey, Standing, Vault};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) use self::{
    secrets::VaultSecrets,
    source::{Source, passphrase},
};

/// The file of the vault, or why there is none.
enum File {
    Absent,
    Open(Box<Vault>),
    Refused(Refused),
}

struct Inner {
    directory: PathBuf,
    file: Mutex<File>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// Keeps the vault of this server. Calls that derive keys or write run on threads that may block.
#[derive(Clone)]
pub(crate) struct Keeper(Arc<Inner>);

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

/// What the log knows of the vault's file.
///
/// # Errors
/// See [`ReadError`].
pub(crate) async fn expected<L: EventLog>(log: &L) -> Result<Option<Mark>, ReadError> {
    let stream = StreamId::new(StreamKind::Vault, "main").expect("it is a name");
    let mut saved = None;
    let mut history = log.read_stream(&stream, Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            // What cannot be decoded is refused by the projector, with its place.
            if let Ok(Event::Vault(
                VaultEvent::Created(file)
                | VaultEvent::Saved(file)
                | VaultEvent::KeyRotated(file)
                | VaultEvent::PassphraseChanged(file)
                | VaultEvent::RecoveryKeyChanged(file)
                | VaultEvent::Imported(file),
            )) = recorded.decode()
            {
                saved = Some(file);
            }
        }
    }
    Ok(saved.and_then(|VaultSaved { vault, epoch, manifest }| {
        Some(Mark { vault: vault.parse().ok()?, epoch, manifest: manifest.0 })
    }))
}

impl Keeper {
    /// Opens the vault in `directory`, sealed, if it is the one that the log knows. A file that is refused is no reason not
    /// to start: what needs a credential fails, and says why.
    pub(crate) fn open(
        directory: PathBuf,
        expected: Option<&Mark>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        // A server that never had a vault makes no directory for one.
        let file = if expected.is_none() && !directory.exists() {
            File::Absent
        } else {
            match Disk::open(&directory).and_then(|disk| Vault::open(disk, expected)) {
                Ok(vault) => File::Open(Box::new(vault)),
                Err(Error::NotInitialised) => File::Absent,
                Err(error) => File::Refused(refused(&error)),
            }
        };
        Self(Arc::new(Inner { directory, file: Mutex::new(file), clock, ids }))
    }

    /// Why its file is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        match &*self.0.file() {
            File::Refused(refused) => Some(refused.clone()),
            _ => None,
        }
    }

    /// Whether it can be unsealed.
    pub(crate) fn is_sealed(&self) -> bool {
        matches!(&*self.0.file(), File::Open(vault) if vault.is_sealed())
    }

    /// 32 bytes that only whoever has the vault's key can make of `parts`. Waits while the vault is written.
    pub(crate) fn derived(&self, parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, NoKey> {
        match &*self.0.file() {
            File::Absent => Err(NoKey::NotConfigured),
            File::Refused(refused) => Err(NoKey::Unusable(refused.reason.clone())),
            File::Open(vault) => vault.keyed_digest(parts).map(Zeroizing::new).map_err(|_| NoKey::Sealed),
        }
    }

    /// Does `work` where it may block.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Refused> + Send + 'static,
    ) -> Asking<'static, T> {
        let inner = self.0.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&inner)).await.unwrap_or_else(|_| {
                Err(Refused {
                    code: "OC-VLT-024".into(),
                    reason: "the vault was interrupted: a fault of the server".into(),
                    guessed: false,
                })
            })
        })
    }
}

/// An error without its code in the text, because the code has a field of its own.
fn refused(error: &Error) -> Refused {
    let text = error.to_string();
    let (code, reason) = text.split_once(": ").unwrap_or(("OC-VLT-024", &text));
    let mut reason = reason.to_owned();
    if let Some(source) = std::error::Error::source(error) {
        let source = source.to_string();
        if !reason.contains(&source) {
            reason = format!("{reason}: {source}");
        }
    }
    let guessed = matches!(error, Error::WrongPassphrase | Error::WrongRecoveryKey | Error::NoRecoveryKey);
    Refused { code: code.to_owned(), reason, guessed }
}

impl Inner {
    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn init(&self, passphrase: &Passphrase) -> Result<Changed, Refused> {
        let mut file = self.file();
        match &*file {
            File::Open(_) => return Err(refused(&Error::AlreadyInitialised)),
            File::Refused(reason) => return Err(reason.clone()),
            File::Absent => {}
        }
        let made = Disk::open(&self.directory)
            .and_then(|disk| Vault::create(disk, passphrase, Cost::DEFAULT, self.ids.next()));
        let (vault, recovery) = made.map_err(|error| refused(&error))?;
        let saved = Some(saved(&vault.mark()));
        *file = File::Open(Box::new(vault));
        Ok(Changed { saved, ..nothing(Some(recovery)) })
    }

    fn change(&self, change: Change) -> Result<Changed, Refused> {
        if let Change::Init { passphrase } = change {
            return self.init(&words(passphrase));
        }
        let now = self.clock.now();
        let mut file = self.file();
        let vault = file.vault()?;
        let before = vault.mark();
        let changed = (|| {
            Ok(match change {
                Change::Init { .. } => unreachable!("it is made above"),
                Change::Put { namespace, name, value, existing } => {
                    let name = Name::new(&namespace, &name)?;
                    let entry = if existing {
                        vault.rotate(&name, value.expose(), now)
                    } else {
                        vault.put(&name, value.expose(), now)
                    };
                    Changed { entries: vec![described(entry?)], ..nothing(None) }
                }
                Change::Delete { namespace, name } => {
                    vault.delete(&Name::new(&namespace, &name)?)?;
                    nothing(None)
                }
                Change::RotateKey { passphrase } => nothing(Some(vault.rotate_key(&words(passphrase))?)),
                Change::ChangePassphrase { with, new } => {
                    opened(with, |with| vault.change_passphrase(with, &words(new)))?;
                    nothing(None)
                }
                Change::NewRecoveryKey { with } => {
                    nothing(Some(opened(with, |with| vault.new_recovery_key(with))?))
                }
                Change::Import { file, passphrase, replace } => {
                    let conflict = if replace { Conflict::Replace } else { Conflict::Keep };
                    let import = vault.import(&file, &words(passphrase), conflict, now)?;
                    Changed {
                        entries: import.taken.into_iter().map(described).collect(),
                        kept: import.kept.iter().map(ToString::to_string).collect(),
                        ..nothing(None)
                    }
                }
            })
        })();
        let changed = changed.map_err(|error: Error| refused(&error))?;
        let after = vault.mark();
        Ok(Changed { saved: (after != before).then(|| saved(&after)), ..changed })
    }

    fn status(&self) -> Status {
        let file = self.file();
        let (state, vault) = match &*file {
            File::Absent => (State::Absent, None),
            File::Refused(reason) => (State::Refused(reason.clone()), None),
            File::Open(vault) if vault.is_sealed() => (State::Sealed, Some(vault)),
            File::Open(vault) => (State::Unsealed, Some(vault)),
        };
        Status {
            state,
            saved: vault.map(|vault| saved(&vault.mark())),
            ahead: vault.is_some_and(|vault| vault.standing() == Standing::Ahead),
            credentials: vault.map_or(0, |vault| vault.len() as u64),
            key_generation: vault.map_or(0, |vault| vault.key_generation()),
        }
    }
}

impl File {
    fn vault(&mut self) -> Result<&mut Vault, Refused> {
        match self {
            Self::Absent => Err(refused(&Error::NotInitialised)),
            Self::Refused(reason) => Err(reason.clone()),
            Self::Open(vault) => Ok(vault),
        }
    }
}

impl openclaw_ports::Vault for Keeper {
    fn status(&self) -> Asking<'_, Status> {
        self.blocking(|inner| Ok(inner.status()))
    }

    fn unseal(&self, with: With) -> Asking<'_, ()> {
        self.blocking(move |inner| {
            let mut file = inner.file();
            let vault = file.vault()?;
            opened(with, |with| vault.unseal(with)).map_err(|error| refused(&error))
        })
    }

    fn seal(&self) -> Asking<'_, ()> {
        self.blocking(|inner| {
            if let File::Open(vault) = &mut *inner.file() {
                vault.seal();
            }
            Ok(())
        })
    }

    fn change(&self, change: Change) -> Asking<'_, Changed> {
        self.blocking(move |inner| inner.change(change))
    }

    fn recorded(&self) -> Asking<'_, ()> {
        self.blocking(|inner| inner.file().vault().map(Vault::recorded))
    }

    fn list(&self) -> Asking<'_, Vec<Entry>> {
        self.blocking(|inner| {
            let entries = inner.file().vault()?.list().map_err(|error| refused(&error))?;
            Ok(entries.into_iter().map(described).collect())
        })
    }

    fn export(&self, passphrase: Revealed) -> Asking<'_, (Vec<u8>, u64)> {
        self.blocking(move |inner| {
            let mut file = inner.file();
            let vault = file.vault()?;
            let copy = vault.export(&words(passphrase)).map_err(|error| refused(&error))?;
            Ok((copy, vault.len() as u64))
        })
    }
}

fn words(passphrase: Revealed) -> Passphrase {
    Passphrase::new(passphrase.expose().to_owned())
}

/// Calls `act` with what opens the vault.
fn opened<T>(with: With, act: impl FnOnce(openclaw_vault::With<'_>) -> Result<T, Error>) -> Result<T, Error> {
    match with {
        With::Passphrase(passphrase) => act(openclaw_vault::With::Passphrase(&words(passphrase))),
        With::RecoveryKey(key) => {
            act(openclaw_vault::With::RecoveryKey(&RecoveryKey::from_text(key.expose())?))
        }
    }
}

fn nothing(recovery: Option<RecoveryKey>) -> Changed {
    let recovery_key = recovery.map(|key| Revealed::new(key.to_text().as_str().to_owned()));
    Changed { saved: None, entries: Vec::new(), kept: Vec::new(), recovery_key }
}

fn described(entry: openclaw_vault::Entry) -> Entry {
    Entry {
        namespace: entry.name.namespace().to_owned(),
        name: entry.name.name().to_owned(),
        version: entry.version,
        fingerprint: entry.fingerprint.to_string(),
        created: entry.created,
        changed: entry.changed,
    }
}

fn saved(mark: &Mark) -> VaultSaved {
    let Mark { vault, epoch, manifest } = mark;
    VaultSaved { vault: Uuid::to_string(vault), epoch: *epoch, manifest: Digest(*manifest) }
}
