//! Where the passphrase comes from when nobody is there to type it.

use std::{
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use openclaw_ports::secrets::Revealed;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Name of the systemd credential: `LoadCredential=openclaw-vault:...` or `LoadCredentialEncrypted=`.
const CREDENTIAL: &str = "openclaw-vault";
/// Longest passphrase, in bytes.
const MAX_BYTES: u64 = 4_096;

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file that only its owner may use.
    File(PathBuf),
    /// A credential of systemd, in a directory that only this service sees.
    Systemd(PathBuf),
    /// The variable `OPENCLAW_VAULT_PASSPHRASE`.
    Environment(Revealed),
}

impl Source {
    /// The first of: the configured file, the systemd credential, the environment.
    pub(crate) fn choose(
        file: Option<&Path>,
        credentials: Option<&Path>,
        environment: Option<Revealed>,
    ) -> Option<Self> {
        let systemd = || {
            let path = credentials?.join(CREDENTIAL);
            path.exists().then_some(Self::Systemd(path))
        };
        file.map(|path| Self::File(path.to_owned()))
            .or_else(systemd)
            .or_else(|| environment.map(Self::Environment))
    }

    /// As the log has it.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Systemd(_) => "systemd",
            Self::Environment(_) => "environment",
        }
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[error("[OC-VLT-025] the passphrase in {path} cannot be used: {reason}")]
pub(crate) struct Unusable {
    path: PathBuf,
    reason: String,
}

/// The passphrase of a source: its first line.
///
/// # Errors
/// If its file cannot be read or others may.
pub(crate) fn passphrase(source: &Source) -> Result<Revealed, Unusable> {
    let (path, private) = match source {
        Source::Environment(passphrase) => return Ok(passphrase.clone()),
        Source::File(path) => (path, true),
        // systemd makes it for the service alone, with modes and owners of its own.
        Source::Systemd(path) => (path, false),
    };
    let unusable = |reason: String| Unusable { path: path.clone(), reason };
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| unusable(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| unusable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unusable("it is not a regular file".into()));
    }
    if private && metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(unusable(format!("its mode is {mode:03o}, others may use it; make it 600")));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(unusable("its first line is empty".into()));
    }
    Ok(Revealed::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_file_comes_before_systemd_and_systemd_before_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let given = || Some(Revealed::new("from the environment".into()));
        let choose = |file: Option<&Path>| Source::choose(file, Some(directory.path()), given());
        assert_eq!(choose(None).unwrap().label(), "environment");
        fs::write(directory.path().join(CREDENTIAL), "from systemd\n").unwrap();
        let systemd = choose(None).unwrap();
        assert_eq!((systemd.label(), passphrase(&systemd).unwrap().expose()), ("systemd", "from systemd"));
        assert_eq!(choose(Some(Path::new("/x"))), Some(Source::File("/x".into())));
        assert_eq!(Source::choose(None, None, None), None);
        assert!(!format!("{:?}", Source::choose(None, None, given())).contains("environment\""));
    }

    #[test]
    fn a_passphrase_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        fs::write(&path, "correct horse\r\nsecond line\n").unwrap();
        let read = |path: &Path| passphrase(&Source::File(path.to_owned()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("[OC-VLT-025]"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap().expose(), "correct horse");
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(read(&link).is_err());
        fs::write(&path, "\n").unwrap();
        assert!(read(&path).is_err());
    }
}
