//! Copies of the vault that are given out and taken in.

use openclaw_model::Timestamp;

use super::{Entry, Vault, With, empty, entries, prove, rewrap, unwrap};
use crate::{
    crypto::{self, Key},
    error::Error,
    files::Files,
    format::{self, Kind, MAX_ENTRIES},
    keys::Passphrase,
    name::Name,
};

/// What to do with a name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The vault's own value stays.
    Keep,
    /// The value that comes takes its place, as a new version.
    Replace,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What was taken in. Version 1 is new, a higher one took the place of another value.
    pub taken: Vec<Entry>,
    /// What stayed as it was: the name was taken, or the value is the same.
    pub kept: Vec<Name>,
}

impl<F: Files> Vault<F> {
    /// A copy of all credentials, encrypted with a key and a passphrase of its own. It opens nothing of this vault, and no
    /// recovery key opens it. Costs a key derivation.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::WeakPassphrase`].
    pub fn export(&self, passphrase: &Passphrase) -> Result<Vec<u8>, Error> {
        passphrase.strong_enough()?;
        let key = self.key()?;
        let own = Key::random()?;
        let mut copy = empty(Kind::Export, self.sealed.cost, crypto::random()?)?;
        rewrap(&mut copy, &own, passphrase)?;
        entries::reencrypt(&mut copy, (&self.sealed, key), &own)?;
        copy.mac = entries::manifest(&copy, &own);
        Ok(format::encode(&copy))
    }

    /// Takes in what [`Vault::export`] gave out, all or nothing. Costs a key derivation as expensive as the file asks for,
    /// within the limits of [`crate::Cost`].
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Foreign`] for a file that is no export, [`Error::WrongPassphrase`],
    /// [`Error::TamperedEntry`], [`Error::TamperedFile`], [`Error::Sealed`], and those of writing; then nothing was taken.
    pub fn import(
        &mut self,
        bytes: &[u8],
        passphrase: &Passphrase,
        conflict: Conflict,
        now: Timestamp,
    ) -> Result<Import, Error> {
        let (mut next, key) = self.next()?;
        let copy = format::decode(bytes)?;
        if copy.kind != Kind::Export {
            return Err(Error::Foreign);
        }
        let own = unwrap(&copy, With::Passphrase(passphrase))?;
        prove(&copy, &own)?;
        let mut import = Import { taken: Vec::new(), kept: Vec::new() };
        for (name, record) in &copy.records {
            let value = entries::open(&copy, &own, name, record)?;
            let stays = match next.records.get(name) {
                None => false,
                Some(_) if conflict == Conflict::Keep => true,
                Some(there) => entries::open(&next, &key, name, there)? == value,
            };
            if stays {
                import.kept.push(name.clone());
            } else {
                import.taken.push(entries::insert(&mut next, &key, name, value.expose(), now)?);
            }
        }
        if next.records.len() > MAX_ENTRIES {
            return Err(Error::TooMuch("the vault has as many credentials as it can"));
        }
        if !import.taken.is_empty() {
            let names: Vec<_> = import.taken.iter().map(|entry| entry.name.clone()).collect();
            self.write(next, &key, &names)?;
        }
        Ok(import)
    }
}
