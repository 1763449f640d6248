//! Where the key comes from: the vault, or a file that the configuration names.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_ports::signing::{NoKey, Seed, SigningKeys};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::vault::Keeper;

/// What the seed is derived for, so that the vault's key gives no other use the same bytes.
const PURPOSE: &[u8] = b"openclaw audit: key of checkpoints, v1";
/// Longest key file that is read, in bytes.
const MAX_BYTES: u64 = 1_024;

/// The keys that the configuration asks for: those of the file, if it names one, else those of the vault.
pub(crate) fn choose(key_file: Option<&Path>, vault: Keeper) -> Arc<dyn SigningKeys> {
    match key_file {
        Some(path) => Arc::new(KeyFile::new(path)),
        None => Arc::new(InVault(vault)),
    }
}

/// The key is derived from the vault's own: it is in no list of credentials, cannot be handed out, and changes when the key
/// of the vault is rotated.
struct InVault(Keeper);

impl SigningKeys for InVault {
    fn audit_seed(&self) -> Result<Seed, NoKey> {
        self.0.derived(&[PURPOSE]).map(Seed)
    }
}

/// A file with the seed of a key, in base 64.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    /// The key in the file at `path`, which need not exist.
    #[must_use]
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn create(&self) -> io::Result<Seed> {
        let mut seed = Zeroizing::new([0; 32]);
        #[expect(clippy::disallowed_methods, reason = "a secret has to come from the operating system")]
        getrandom::fill(&mut seed[..]).map_err(io::Error::other)?;
        let text = Zeroizing::new(STANDARD.encode(&seed[..]));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?;
        writeln!(file, "{}", text.as_str())?;
        file.sync_all()?;
        let directory = self.0.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Seed(seed))
    }

    fn read(&self) -> io::Result<Seed> {
        // Neither following a link nor waiting for a writer of a pipe.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(&self.0)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "it is not a regular file that only its owner may use; make it 600",
            ));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
        let seed = bytes.ok().and_then(|bytes| Some(Zeroizing::new(<[u8; 32]>::try_from(&bytes[..]).ok()?)));
        seed.map(Seed).ok_or_else(|| io::Error::other("it does not hold 32 bytes in base 64"))
    }
}

impl SigningKeys for KeyFile {
    fn audit_seed(&self) -> Result<Seed, NoKey> {
        let read = match self.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(),
            read => read,
        };
        read.map_err(|error| NoKey::Unusable(format!("{}: {error}", self.0.display())))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_refused_when_others_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let file = KeyFile::new(&path);
        let first = file.audit_seed().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.audit_seed().unwrap().0, first.0);
        assert_eq!(format!("{first:?}"), "Seed(..)");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.audit_seed(), Err(NoKey::Unusable(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(file.audit_seed(), Err(NoKey::Unusable(_))));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(KeyFile::new(&link).audit_seed(), Err(NoKey::Unusable(_))));
    }
}
