//! What the tests of the vault have in common: cheap keys, and a disk whose power can be cut.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use openclaw_model::Timestamp;
use openclaw_vault::{Cost, Disk, Error, Files, Mark, Name, Passphrase, RecoveryKey, Vault};
use uuid::Uuid;

pub(crate) const ID: Uuid = Uuid::from_u128(0x0192_f0c1_7000_7000_8000_0000_0000_0001);

pub(crate) fn cost() -> Cost {
    Cost::new(8, 1, 1).unwrap()
}

pub(crate) fn passphrase() -> Passphrase {
    Passphrase::new("correct horse".into())
}

pub(crate) fn name(text: &str) -> Name {
    Name::new("default", text).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

pub(crate) fn disk(directory: &Path) -> Disk {
    Disk::open(&directory.join("vault")).unwrap()
}

/// A new vault, recorded, unsealed.
pub(crate) fn create<F: Files>(files: F) -> (Vault<F>, RecoveryKey) {
    let (mut vault, recovery) = Vault::create(files, &passphrase(), cost(), ID).unwrap();
    vault.recorded();
    (vault, recovery)
}

/// Puts a value in and records it.
pub(crate) fn put<F: Files>(vault: &mut Vault<F>, entry: &str, value: &str) -> Mark {
    vault.put(&name(entry), value, now()).unwrap();
    vault.recorded();
    vault.mark()
}

/// What becomes of what was not brought to the disk when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsynced {
    /// All of it is gone.
    Lost,
    /// All of it is there.
    Kept,
    /// Names are there, half of the bytes are.
    Torn,
    /// Names are there, the bytes are zeros.
    Zeroed,
}

pub(crate) const FATES: [Unsynced; 4] = [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn, Unsynced::Zeroed];

#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Option<Vec<u8>>,
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    contents: Vec<Content>,
    /// Operations until the power is cut.
    left: Option<u32>,
    done: u32,
    locked: bool,
}

/// A disk in memory that keeps what was synced apart from what was not.
#[derive(Clone, Default)]
pub(crate) struct Power(Arc<Mutex<Inner>>);

pub(crate) struct Held(Arc<Mutex<Inner>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().unwrap().locked = false;
    }
}

impl Power {
    /// Cuts the power before the operation after the next `operations`.
    pub(crate) fn cut_after(&self, operations: u32) {
        let mut inner = self.0.lock().unwrap();
        inner.left = Some(operations);
        inner.done = 0;
    }

    /// Operations since then.
    pub(crate) fn done(&self) -> u32 {
        self.0.lock().unwrap().done
    }

    /// The disk as it is after the power is back.
    pub(crate) fn after(&self, fate: Unsynced) -> Self {
        let inner = self.0.lock().unwrap();
        let names = if fate == Unsynced::Lost { &inner.durable } else { &inner.files };
        let mut new = Inner::default();
        for (file, at) in names {
            let content = &inner.contents[*at];
            let seen = match (&content.durable, fate) {
                (Some(durable), Unsynced::Lost | Unsynced::Torn | Unsynced::Zeroed) => durable.clone(),
                (None, Unsynced::Lost) => Vec::new(),
                (_, Unsynced::Kept) => content.seen.clone(),
                (None, Unsynced::Torn) => content.seen[..content.seen.len() / 2].to_vec(),
                (None, Unsynced::Zeroed) => vec![0; content.seen.len()],
            };
            new.contents.push(Content { durable: Some(seen.clone()), seen });
            new.files.insert(file.clone(), new.contents.len() - 1);
        }
        new.durable = new.files.clone();
        Self(Arc::new(Mutex::new(new)))
    }

    fn act<T>(&self, act: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.0.lock().unwrap();
        if let Some(left) = &mut inner.left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the power is cut"))?;
        }
        inner.done += 1;
        act(&mut inner)
    }
}

impl Files for Power {
    type Lock = Held;

    fn lock(&self) -> Result<Held, Error> {
        let mut inner = self.0.lock().unwrap();
        if std::mem::replace(&mut inner.locked, true) { Err(Error::InUse) } else { Ok(Held(self.0.clone())) }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.act(|inner| Ok(inner.files.get(name).map(|at| inner.contents[*at].seen.clone())))
            .map_err(|source| Error::Io { doing: "reading it", source })
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Two operations: a name, and bytes in it.
        self.act(|inner| {
            if inner.files.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            inner.contents.push(Content::default());
            inner.files.insert(name.to_owned(), inner.contents.len() - 1);
            Ok(())
        })?;
        self.act(|inner| {
            let at = inner.files[name];
            inner.contents[at].seen = bytes.to_vec();
            Ok(())
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.act(|inner| {
            let at = inner.files[name];
            inner.contents[at].durable = Some(inner.contents[at].seen.clone());
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.act(|inner| {
            let at = inner.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            inner.files.insert(to.to_owned(), at);
            Ok(())
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.act(|inner| {
            inner.durable = inner.files.clone();
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.act(|inner| {
            inner.files.remove(name);
            Ok(())
        })
    }
}
