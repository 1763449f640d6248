//! The vault: one file, sealed or unsealed.

mod entries;
mod rekey;
mod transfer;

use std::fmt;

use openclaw_model::Timestamp;
use uuid::Uuid;

pub use self::{
    entries::{Entry, Fingerprint},
    transfer::{Conflict, Import},
};
use crate::{
    crypto::{self, Key},
    error::Error,
    files::{Disk, Files},
    format::{self, Kind, Sealed, Wrapped},
    keys::{Cost, Passphrase, RecoveryKey},
    name::Name,
};

/// The vault's file in its directory.
pub(crate) const FILE: &str = "vault";
/// What will be the vault's file.
pub(crate) const NEXT: &str = "vault.next";

/// Says which file the vault is, so that the log can know it: an older one, or another, is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which vault.
    pub vault: Uuid,
    /// Grows by one with each write.
    pub epoch: u64,
    /// Digest of the file: of its header, and of the names, versions and tags of all that is in it.
    pub manifest: [u8; 32],
}

/// How the file stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The log knows it.
    Recorded,
    /// It is one write ahead: the process ended between writing the file and recording it.
    Ahead,
}

/// What opens the vault.
#[derive(Clone, Copy, Debug)]
pub enum With<'a> {
    /// The passphrase.
    Passphrase(&'a Passphrase),
    /// The recovery key.
    RecoveryKey(&'a RecoveryKey),
}

/// An open file of credentials. One process has it; the key is only in memory between [`Vault::unseal`] and
/// [`Vault::seal`].
pub struct Vault<F: Files = Disk> {
    files: F,
    _lock: F::Lock,
    sealed: Sealed,
    digest: [u8; 32],
    standing: Standing,
    uncertain: bool,
    data: Option<Key>,
}

impl<F: Files> fmt::Debug for Vault<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("epoch", &self.sealed.epoch)
            .field("sealed", &self.data.is_none())
            .finish_non_exhaustive()
    }
}

impl<F: Files> Vault<F> {
    /// Makes a vault, unsealed and empty, and its recovery key, which can be had only now. `vault` is an id that no vault
    /// had before. Costs a key derivation.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialised`], [`Error::InUse`], [`Error::WeakPassphrase`], and those of writing.
    pub fn create(
        files: F,
        passphrase: &Passphrase,
        cost: Cost,
        vault: Uuid,
    ) -> Result<(Self, RecoveryKey), Error> {
        passphrase.strong_enough()?;
        let lock = files.lock()?;
        if files.read(FILE)?.is_some() {
            return Err(Error::AlreadyInitialised);
        }
        let data = Key::random()?;
        let recovery = RecoveryKey::random()?;
        let mut sealed = empty(Kind::Vault, cost, *vault.as_bytes())?;
        rewrap(&mut sealed, &data, passphrase)?;
        sealed.recovery = Some(wrap(&sealed, Slot::Recovery, &recovery.key(&sealed.vault), &data)?);
        let mut new = Self {
            files,
            _lock: lock,
            digest: [0; 32],
            sealed: sealed.clone(),
            standing: Standing::Recorded,
            uncertain: false,
            data: None,
        };
        new.write(sealed, &data, &[])?;
        new.data = Some(data);
        Ok((new, recovery))
    }

    /// Opens the vault, sealed. `expected` is what the log says about it; none if the log knows of no vault.
    ///
    /// # Errors
    /// [`Error::NotInitialised`] if there is none, and none is expected; [`Error::RolledBack`], [`Error::Foreign`],
    /// [`Error::Gone`] if it is not what is expected; [`Error::Damaged`], [`Error::Untrusted`], [`Error::InUse`].
    pub fn open(files: F, expected: Option<&Mark>) -> Result<Self, Error> {
        let lock = files.lock()?;
        // Left by a process that ended while writing; it was never said to be stored.
        files
            .remove(NEXT)
            .map_err(|source| Error::Io { doing: "removing what an interrupted write left", source })?;
        let Some(bytes) = files.read(FILE)? else {
            return Err(expected.map_or(Error::NotInitialised, |mark| Error::Gone { expected: mark.epoch }));
        };
        let sealed = format::decode(&bytes)?;
        if sealed.kind != Kind::Vault {
            return Err(Error::Foreign);
        }
        let digest = format::digest(&bytes);
        let standing = stands(&sealed, digest, expected)?;
        Ok(Self { files, _lock: lock, sealed, digest, standing, uncertain: false, data: None })
    }

    /// Unseals the vault and proves all that is in it genuine. Costs a key derivation for a passphrase.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], [`Error::WrongRecoveryKey`], [`Error::TamperedEntry`], [`Error::TamperedFile`]; it stays
    /// as it was.
    pub fn unseal(&mut self, with: With<'_>) -> Result<(), Error> {
        let data = unwrap(&self.sealed, with)?;
        prove(&self.sealed, &data)?;
        self.data = Some(data);
        Ok(())
    }

    /// Seals the vault: its key is no more in memory.
    pub fn seal(&mut self) {
        self.data = None;
    }

    /// Whether it is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.data.is_none()
    }

    /// Which file this is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { vault: Uuid::from_bytes(self.sealed.vault), epoch: self.sealed.epoch, manifest: self.digest }
    }

    /// How often the file was written.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.sealed.epoch
    }

    /// As in [`Mark::manifest`].
    #[must_use]
    pub fn manifest_digest(&self) -> [u8; 32] {
        self.digest
    }

    /// How many data keys it had, this one included.
    #[must_use]
    pub fn key_generation(&self) -> u64 {
        self.sealed.generation
    }

    /// How many credentials there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sealed.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sealed.records.is_empty()
    }

    /// Names of all credentials. As long as the vault is sealed, nobody has proven them genuine.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.sealed.records.keys()
    }

    /// Whether there is a credential of this name; proven as [`Vault::names`] are.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        self.sealed.records.contains_key(name)
    }

    /// How the file stands to the log.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Says that [`Vault::mark`] is in the log. Until then nothing more can be changed.
    pub fn recorded(&mut self) {
        self.standing = Standing::Recorded;
    }

    /// A digest of `parts` under a key of the vault, that says nothing about them to whoever has not the key.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn keyed_digest(&self, parts: &[&[u8]]) -> Result<[u8; 32], Error> {
        Ok(self.key()?.derive(&self.sealed.vault, &[b"openclaw-vault/1 digest"]).mac(parts))
    }

    /// Where it is kept.
    #[must_use]
    pub fn files(&self) -> &F {
        &self.files
    }

    fn key(&self) -> Result<&Key, Error> {
        self.data.as_ref().ok_or(Error::Sealed)
    }

    /// The file that the next change begins with, and the key, if anything may be changed.
    fn next(&self) -> Result<(Sealed, Key), Error> {
        let key = self.key()?.clone();
        if self.uncertain {
            return Err(Error::Uncertain { source: None });
        }
        if self.standing == Standing::Ahead {
            return Err(Error::Unrecorded);
        }
        let mut next = self.sealed.clone();
        next.epoch += 1;
        next.previous = self.digest;
        Ok((next, key))
    }

    /// Writes `next` in the place of the file and makes it what is in memory. `changed` is decrypted from the disk before.
    fn write(&mut self, mut next: Sealed, key: &Key, changed: &[Name]) -> Result<(), Error> {
        next.mac = entries::manifest(&next, key);
        let bytes = format::encode(&next);
        if bytes.len() > format::MAX_FILE {
            return Err(Error::TooMuch("the vault is full"));
        }
        let io = |doing| move |source| Error::Io { doing, source };
        self.files.remove(NEXT).map_err(io("removing what an interrupted write left"))?;
        let prepared = (|| {
            self.files.create(NEXT, &bytes).map_err(io("writing it"))?;
            self.files.sync(NEXT).map_err(io("bringing it to the disk"))?;
            let read = self.files.read(NEXT)?.ok_or(Error::NotReadBack)?;
            let again = format::decode(&read).map_err(|_| Error::NotReadBack)?;
            let genuine = again == next
                && entries::manifest(&again, key) == again.mac
                && changed.iter().all(|name| {
                    again
                        .records
                        .get(name)
                        .is_none_or(|record| entries::open(&again, key, name, record).is_ok())
                });
            if genuine { Ok(()) } else { Err(Error::NotReadBack) }
        })();
        if let Err(error) = prepared {
            // What is left is removed when the vault is opened, at the latest.
            let _ = self.files.remove(NEXT);
            return Err(error);
        }
        let placed = self
            .files
            .rename(NEXT, FILE)
            .and_then(|()| self.files.sync_directory())
            .map_err(|source| Error::Uncertain { source: Some(source) })
            .and_then(|()| match self.files.read(FILE) {
                Ok(Some(read)) if read == bytes => Ok(()),
                _ => Err(Error::Uncertain { source: None }),
            });
        if let Err(error) = placed {
            self.uncertain = true;
            return Err(error);
        }
        self.digest = format::digest(&bytes);
        self.sealed = next;
        self.standing = Standing::Ahead;
        Ok(())
    }
}

/// How a file stands to what the log says.
fn stands(sealed: &Sealed, digest: [u8; 32], expected: Option<&Mark>) -> Result<Standing, Error> {
    let Some(mark) = expected else {
        // The first write, before the log could know of it; any later one was recorded in some log.
        return if sealed.epoch == 1 { Ok(Standing::Ahead) } else { Err(Error::Foreign) };
    };
    if sealed.vault != *mark.vault.as_bytes() {
        Err(Error::Foreign)
    } else if sealed.epoch < mark.epoch {
        Err(Error::RolledBack { found: sealed.epoch, expected: mark.epoch })
    } else if sealed.epoch == mark.epoch && digest == mark.manifest {
        Ok(Standing::Recorded)
    } else if sealed.epoch == mark.epoch + 1 && sealed.previous == mark.manifest {
        Ok(Standing::Ahead)
    } else {
        Err(Error::Foreign)
    }
}

/// A file with nothing in it; its slots are to be filled.
fn empty(kind: Kind, cost: Cost, vault: [u8; 16]) -> Result<Sealed, Error> {
    Ok(Sealed {
        kind,
        cost,
        salt: crypto::random()?,
        vault,
        epoch: 1,
        generation: 1,
        previous: [0; 32],
        passphrase: Wrapped { nonce: [0; 12], key: [0; 32], tag: [0; 16] },
        recovery: None,
        records: Default::default(),
        mac: [0; 32],
    })
}

/// Which slot a wrapped key is in.
#[derive(Clone, Copy)]
enum Slot {
    Passphrase,
    Recovery,
}

/// What a wrapped key is bound to. The passphrase's slot is bound to how its key is derived, too.
fn bound(sealed: &Sealed, slot: Slot) -> Vec<u8> {
    let generation = sealed.generation.to_le_bytes();
    let (memory, passes, lanes) = sealed.cost.parts();
    let costs: Vec<u8> = [memory, passes, lanes].into_iter().flat_map(u32::to_le_bytes).collect();
    let kind = [sealed.kind_id()];
    match slot {
        Slot::Passphrase => crypto::join(&[
            b"openclaw-vault/1 passphrase",
            &kind,
            &costs,
            &sealed.salt,
            &sealed.vault,
            &generation,
        ]),
        Slot::Recovery => crypto::join(&[b"openclaw-vault/1 recovery", &kind, &sealed.vault, &generation]),
    }
}

/// Encrypts the data key for a slot. What the slot is bound to has to be in `sealed` already.
fn wrap(sealed: &Sealed, slot: Slot, under: &Key, data: &Key) -> Result<Wrapped, Error> {
    let nonce = crypto::random()?;
    let mut key = *data.0;
    let tag = under.encrypt(&nonce, &bound(sealed, slot), &mut key);
    Ok(Wrapped { nonce, key, tag })
}

/// Fills the passphrase's slot, with a fresh salt.
fn rewrap(sealed: &mut Sealed, data: &Key, passphrase: &Passphrase) -> Result<(), Error> {
    sealed.salt = crypto::random()?;
    let under = passphrase.key(sealed.cost, &sealed.salt)?;
    sealed.passphrase = wrap(sealed, Slot::Passphrase, &under, data)?;
    Ok(())
}

/// The data key.
fn unwrap(sealed: &Sealed, with: With<'_>) -> Result<Key, Error> {
    let (under, wrapped, slot, wrong) = match with {
        With::Passphrase(passphrase) => (
            passphrase.key(sealed.cost, &sealed.salt)?,
            &sealed.passphrase,
            Slot::Passphrase,
            Error::WrongPassphrase,
        ),
        With::RecoveryKey(key) => (
            key.key(&sealed.vault),
            sealed.recovery.as_ref().ok_or(Error::WrongRecoveryKey)?,
            Slot::Recovery,
            Error::WrongRecoveryKey,
        ),
    };
    let mut data = Key(zeroize::Zeroizing::new(wrapped.key));
    match under.decrypt(&wrapped.nonce, &bound(sealed, slot), &mut *data.0, &wrapped.tag) {
        Ok(()) => Ok(data),
        Err(_) => Err(wrong),
    }
}

/// Proves every entry and then the whole genuine.
fn prove(sealed: &Sealed, key: &Key) -> Result<(), Error> {
    for (name, record) in &sealed.records {
        entries::open(sealed, key, name, record)?;
    }
    let fits = subtle::ConstantTimeEq::ct_eq(&entries::manifest(sealed, key)[..], &sealed.mac[..]);
    if bool::from(fits) { Ok(()) } else { Err(Error::TamperedFile) }
}

/// Microseconds since 1970, as the file has them.
fn micros(at: Timestamp) -> i64 {
    at.as_micros()
}
