//! Credentials: putting in, giving out, listing.

use std::{collections::btree_map, fmt};

use openclaw_model::Timestamp;
use openclaw_ports::secrets::Revealed;
use zeroize::Zeroizing;

use super::{Vault, micros};
use crate::{
    crypto::{self, Key},
    error::Error,
    files::Files,
    format::{MAX_ENTRIES, MAX_VALUE, Record, Sealed},
    name::Name,
};

/// Values are padded to a multiple of this, so that their exact length is not seen from outside.
const PAD: usize = 64;

/// Tells values of one credential apart and says nothing about them: keyed, and different for each name. It changes when
/// the vault's key is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// All of a credential but its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called.
    pub name: Name,
    /// Version of its value: 1, and one more with each value. Begins anew after a deletion.
    pub version: u64,
    /// Of its value.
    pub fingerprint: Fingerprint,
    /// When it was put in first.
    pub created: Timestamp,
    /// When it got this value.
    pub changed: Timestamp,
}

impl<F: Files> Vault<F> {
    /// Stores a value under a name, in place of the one that is there. When it returns, the value is on the disk and was
    /// read back and decrypted.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::TooMuch`], and those of writing; then nothing was stored.
    pub fn put(&mut self, name: &Name, value: &str, now: Timestamp) -> Result<Entry, Error> {
        let (mut next, key) = self.next()?;
        if next.records.len() >= MAX_ENTRIES && !next.records.contains_key(name) {
            return Err(Error::TooMuch("the vault has as many credentials as it can"));
        }
        let entry = insert(&mut next, &key, name, value, now)?;
        self.write(next, &key, std::slice::from_ref(name))?;
        Ok(entry)
    }

    /// As [`Vault::put`], for a credential that is there.
    ///
    /// # Errors
    /// [`Error::Missing`], and those of [`Vault::put`].
    pub fn rotate(&mut self, name: &Name, value: &str, now: Timestamp) -> Result<Entry, Error> {
        self.key()?;
        if self.sealed.records.contains_key(name) { self.put(name, value, now) } else { Err(Error::Missing) }
    }

    /// Takes a credential away.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::Missing`], and those of writing; then it is still there.
    pub fn delete(&mut self, name: &Name) -> Result<(), Error> {
        let (mut next, key) = self.next()?;
        next.records.remove(name).ok_or(Error::Missing)?;
        self.write(next, &key, &[])
    }

    /// All credentials, by name. Costs a decryption each.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let key = self.key()?;
        self.sealed.records.iter().map(|(name, record)| describe(&self.sealed, key, name, record)).collect()
    }

    /// One credential.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::Missing`].
    pub fn entry(&self, name: &Name) -> Result<Entry, Error> {
        let key = self.key()?;
        let record = self.sealed.records.get(name).ok_or(Error::Missing)?;
        describe(&self.sealed, key, name, record)
    }

    /// The value of a credential, and its version.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::Missing`].
    pub fn reveal(&self, name: &Name) -> Result<(Revealed, u64), Error> {
        let key = self.key()?;
        let record = self.sealed.records.get(name).ok_or(Error::Missing)?;
        Ok((open(&self.sealed, key, name, record)?, record.version))
    }
}

/// Puts a value into a file that is to be written.
pub(super) fn insert(
    next: &mut Sealed,
    key: &Key,
    name: &Name,
    value: &str,
    now: Timestamp,
) -> Result<Entry, Error> {
    if value.len() > MAX_VALUE {
        return Err(Error::TooMuch("a value has at most 65536 bytes"));
    }
    let now = micros(now);
    let (version, created) =
        next.records.get(name).map_or((1, now), |record| (record.version + 1, record.created));
    let record = close(next, key, name, value, Around { version, created, changed: now })?;
    let entry = described(next, key, name, &record, value);
    next.records.insert(name.clone(), record);
    Ok(entry)
}

/// What is known of a value besides itself.
pub(super) struct Around {
    pub(super) version: u64,
    pub(super) created: i64,
    pub(super) changed: i64,
}

/// Encrypts a value as an entry of the file that `next` will be.
pub(super) fn close(
    next: &Sealed,
    key: &Key,
    name: &Name,
    value: &str,
    around: Around,
) -> Result<Record, Error> {
    let Around { version, created, changed } = around;
    let padded = (4 + value.len()).div_ceil(PAD) * PAD;
    let mut text = Zeroizing::new(Vec::with_capacity(padded));
    text.extend_from_slice(&u32::try_from(value.len()).expect("values are short").to_le_bytes());
    text.extend_from_slice(value.as_bytes());
    text.resize(padded, 0);
    let mut record = Record {
        version,
        epoch: next.epoch,
        created,
        changed,
        nonce: crypto::random()?,
        ciphertext: Vec::new(),
        tag: [0; 16],
    };
    let name = name.to_string();
    record.tag = own_key(next, key, &name, &record).encrypt(
        &record.nonce,
        &associated(next, &name, &record),
        &mut text,
    );
    record.ciphertext = std::mem::take(&mut *text);
    Ok(record)
}

/// Decrypts an entry.
pub(super) fn open(sealed: &Sealed, key: &Key, name: &Name, record: &Record) -> Result<Revealed, Error> {
    let name = name.to_string();
    let mut text = Zeroizing::new(record.ciphertext.clone());
    own_key(sealed, key, &name, record)
        .decrypt(&record.nonce, &associated(sealed, &name, record), &mut text, &record.tag)
        .map_err(|_| Error::TamperedEntry)?;
    let value = text
        .split_first_chunk()
        .and_then(|(bytes, rest)| rest.get(..u32::from_le_bytes(*bytes) as usize))
        .and_then(|value| std::str::from_utf8(value).ok());
    // What decrypts was written by this program; it is not trusted to be so all the same.
    value.map(|value| Revealed::new(value.to_owned())).ok_or(Error::TamperedEntry)
}

/// MAC over all that was saved together.
pub(super) fn manifest(sealed: &Sealed, key: &Key) -> [u8; 32] {
    let header = sealed.header();
    let names: Vec<String> = sealed.records.keys().map(ToString::to_string).collect();
    let around: Vec<[u8; 60]> = sealed
        .records
        .values()
        .map(|record| {
            let mut out = [0; 60];
            out[..32].copy_from_slice(&numbers(record));
            out[32..44].copy_from_slice(&record.nonce);
            out[44..].copy_from_slice(&record.tag);
            out
        })
        .collect();
    let mut parts: Vec<&[u8]> = vec![&header];
    for (name, around) in names.iter().zip(&around) {
        parts.extend([name.as_bytes(), &around[..]]);
    }
    key.derive(&sealed.vault, &[b"openclaw-vault/1 manifest"]).mac(&parts)
}

/// Version, epoch and times.
fn numbers(record: &Record) -> [u8; 32] {
    let mut out = [0; 32];
    out[..8].copy_from_slice(&record.version.to_le_bytes());
    out[8..16].copy_from_slice(&record.epoch.to_le_bytes());
    out[16..24].copy_from_slice(&record.created.to_le_bytes());
    out[24..].copy_from_slice(&record.changed.to_le_bytes());
    out
}

/// The key of one value. Version and epoch are in it, so that no key ever encrypts two values.
fn own_key(sealed: &Sealed, key: &Key, name: &str, record: &Record) -> Key {
    let (version, epoch) = (record.version.to_le_bytes(), record.epoch.to_le_bytes());
    key.derive(&sealed.vault, &[b"openclaw-vault/1 entry", name.as_bytes(), &version, &epoch])
}

/// What an entry is bound to.
fn associated(sealed: &Sealed, name: &str, record: &Record) -> Vec<u8> {
    crypto::join(&[b"openclaw-vault/1 entry", &sealed.vault, name.as_bytes(), &numbers(record)])
}

fn describe(sealed: &Sealed, key: &Key, name: &Name, record: &Record) -> Result<Entry, Error> {
    let value = open(sealed, key, name, record)?;
    Ok(described(sealed, key, name, record, value.expose()))
}

fn described(sealed: &Sealed, key: &Key, name: &Name, record: &Record, value: &str) -> Entry {
    let mac = key
        .derive(&sealed.vault, &[b"openclaw-vault/1 fingerprint"])
        .mac(&[name.to_string().as_bytes(), value.as_bytes()]);
    Entry {
        name: name.clone(),
        version: record.version,
        fingerprint: Fingerprint(*mac.first_chunk().expect("a MAC has 32 bytes")),
        created: Timestamp::from_micros(record.created),
        changed: Timestamp::from_micros(record.changed),
    }
}

/// Encrypts every entry of `next` anew under `to`.
pub(super) fn reencrypt(next: &mut Sealed, from: (&Sealed, &Key), to: &Key) -> Result<(), Error> {
    for (name, record) in &from.0.records {
        let value = open(from.0, from.1, name, record)?;
        let around = Around { version: record.version, created: record.created, changed: record.changed };
        let record = close(next, to, name, value.expose(), around)?;
        match next.records.entry(name.clone()) {
            btree_map::Entry::Occupied(mut slot) => drop(slot.insert(record)),
            btree_map::Entry::Vacant(slot) => drop(slot.insert(record)),
        }
    }
    Ok(())
}
