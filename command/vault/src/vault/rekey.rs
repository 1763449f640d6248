//! Other keys and passphrases, while the vault is in use.

use super::{Slot, Vault, With, entries, rewrap, unwrap, wrap};
use crate::{
    crypto::Key,
    error::Error,
    files::Files,
    keys::{Passphrase, RecoveryKey},
};

impl<F: Files> Vault<F> {
    /// Gives the vault another data key: everything is encrypted anew, all fingerprints change, and so does the recovery
    /// key, which is returned. Needed when somebody may have had the key, for example with the old passphrase and a copy of
    /// the file. Costs two key derivations.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::WrongPassphrase`], and those of writing; then the old key is in force.
    pub fn rotate_key(&mut self, passphrase: &Passphrase) -> Result<RecoveryKey, Error> {
        let (mut next, old) = self.next()?;
        unwrap(&self.sealed, With::Passphrase(passphrase))?;
        let new = Key::random()?;
        let recovery = RecoveryKey::random()?;
        next.generation += 1;
        rewrap(&mut next, &new, passphrase)?;
        next.recovery = Some(wrap(&next, Slot::Recovery, &recovery.key(&next.vault), &new)?);
        entries::reencrypt(&mut next, (&self.sealed, &old), &new)?;
        let names: Vec<_> = next.records.keys().cloned().collect();
        self.write(next, &new, &names)?;
        self.data = Some(new);
        Ok(recovery)
    }

    /// Sets another passphrase. Whoever has the old one and a copy of the old file can still open that copy, and the data
    /// key is the same: [`Vault::rotate_key`] ends that. Costs two key derivations.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::WeakPassphrase`], those of `with`, and those of writing; then the old one is in force.
    pub fn change_passphrase(&mut self, with: With<'_>, new: &Passphrase) -> Result<(), Error> {
        new.strong_enough()?;
        let (mut next, key) = self.next()?;
        unwrap(&self.sealed, with)?;
        rewrap(&mut next, &key, new)?;
        self.write(next, &key, &[])
    }

    /// Makes another recovery key; the old one does not open the vault any more. Costs a key derivation.
    ///
    /// # Errors
    /// [`Error::Sealed`], those of `with`, and those of writing; then the old one is in force.
    pub fn new_recovery_key(&mut self, with: With<'_>) -> Result<RecoveryKey, Error> {
        let (mut next, key) = self.next()?;
        unwrap(&self.sealed, with)?;
        let recovery = RecoveryKey::random()?;
        next.recovery = Some(wrap(&next, Slot::Recovery, &recovery.key(&next.vault), &key)?);
        self.write(next, &key, &[])?;
        Ok(recovery)
    }
}
