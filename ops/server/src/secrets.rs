//! Secrets as files and environment variables: what orchestrators mount. The vault comes before them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use openclaw_ports::secrets::{Error, is_name};
use rustix::fs::OFlags;
use serde_json::Value;

/// Longest secret, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Secrets of a directory, one a file, and of the environment. A file is read each time that it is needed, so that a
/// secret that is changed counts at once.
pub(crate) struct FileSecrets {
    directory: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

impl fmt::Debug for FileSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSecrets").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Why the server does not start with these secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    /// The directory or a file in it can be used by others, or cannot be read. `OC-SEC-004`.
    #[error("[OC-SEC-004] the secrets in {path} cannot be trusted: {reason}")]
    Path {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl FileSecrets {
    /// Takes secrets from `directory` and, those that are not there, from `environment`, by what follows
    /// `OPENCLAW_SECRET_`. All files are looked at once.
    ///
    /// # Errors
    /// [`Untrusted`] if the directory or a file is open to others.
    pub(crate) fn open(
        directory: Option<PathBuf>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, Untrusted> {
        let secrets = Self { directory, environment };
        if let Some(directory) = &secrets.directory {
            let untrusted = |path: &Path, reason: String| Untrusted::Path { path: path.to_owned(), reason };
            let metadata =
                fs::metadata(directory).map_err(|error| untrusted(directory, error.to_string()))?;
            if !metadata.is_dir() || metadata.mode() & 0o022 != 0 {
                let reason = format!(
                    "it has to be a directory that only its owner may write; its mode is {:03o}",
                    metadata.mode() & 0o777
                );
                return Err(untrusted(directory, reason));
            }
            for name in secrets.files() {
                if let Err(reason) = secrets.file(&name) {
                    return Err(untrusted(&directory.join(name), reason));
                }
            }
        }
        Ok(secrets)
    }

    /// Names of the files that can be secrets.
    fn files(&self) -> BTreeSet<String> {
        let entries =
            self.directory.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
        let names = entries.filter_map(|entry| {
            // Directories are none; links to files are.
            let is_file = fs::metadata(entry.path()).is_ok_and(|metadata| !metadata.is_dir());
            entry.file_name().into_string().ok().filter(|name| is_file && is_name(name))
        });
        names.collect()
    }

    /// The text of a file; none if there is none.
    fn file(&self, name: &str) -> Result<Option<String>, String> {
        let Some(directory) = self.directory.as_ref().filter(|_| is_name(name)) else { return Ok(None) };
        // Not waiting for the writer of a pipe. Links are followed: that is how orchestrators mount secrets.
        let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
        let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(directory.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a regular file".into());
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(format!(
                "its mode is {:03o}, others may use it; make it 600",
                metadata.mode() & 0o777
            ));
        }
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        Ok(Some(text))
    }

    fn variable(&self, name: &str) -> Option<String> {
        // Shells only know capitals and underscores well.
        let capitals = name.to_ascii_uppercase().replace(['-', '.'], "_");
        self.environment.get(name).or_else(|| self.environment.get(&capitals)).cloned()
    }

    fn secret(&self, name: &str) -> Result<Value, Error> {
        let unusable = |reason| Error::Unusable { name: name.to_owned(), reason };
        let text = self.file(name).map_err(unusable)?.or_else(|| self.variable(name));
        Ok(read(&text.ok_or_else(|| Error::Missing(name.to_owned()))?))
    }
}

/// A JSON object, or else a text without the line end that editors put behind it.
pub(crate) fn read(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => object,
        _ => text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)).into(),
    }
}

impl FileSecrets {
    /// Names of all secrets.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = self.files();
        for variable in self.environment.keys() {
            // Names that lead to the variable; a check only wants to know whether one is there.
            let small = variable.to_ascii_lowercase();
            names.extend([variable.clone(), small.replace('_', "-"), small.replace('_', "."), small]);
        }
        names
    }

    /// A secret.
    ///
    /// # Errors
    /// If there is none that can be used.
    pub(crate) fn value(&self, name: &str) -> Result<Value, Error> {
        self.secret(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use openclaw_ports::secrets::value_at;

    use super::*;

    fn write(directory: &Path, name: &str, text: &str, mode: u32) {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        directory
    }

    fn value(secrets: &FileSecrets, name: &str, pointer: &str) -> Result<String, Error> {
        let revealed = value_at(&secrets.value(name)?, pointer);
        revealed.map(|value| value.expose().to_owned()).ok_or_else(|| Error::Missing(name.into()))
    }

    #[test]
    fn a_file_is_a_text_or_an_object_and_comes_before_the_environment() {
        let directory = directory();
        write(directory.path(), "text", "s3cret\n", 0o600);
        write(directory.path(), "object", "{ \"user\": \"ada\", \"n\": 7 }\n", 0o400);
        write(directory.path(), "brace", "{not json", 0o600);
        write(directory.path(), ".hidden", "x", 0o644);
        fs::create_dir(directory.path().join("..data-dir")).unwrap();
        let environment = [("TEXT", "other"), ("MY_TOKEN", "t0ken"), ("exact", "1")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let secrets = FileSecrets::open(Some(directory.path().to_owned()), environment).unwrap();
        assert_eq!(value(&secrets, "text", "").unwrap(), "s3cret");
        assert_eq!(value(&secrets, "object", "/n").unwrap(), "7");
        assert_eq!(value(&secrets, "brace", "").unwrap(), "{not json");
        assert_eq!(value(&secrets, "my-token", "").unwrap(), "t0ken");
        assert_eq!(value(&secrets, "exact", "").unwrap(), "1");
        assert!(matches!(value(&secrets, "object", "/other"), Err(Error::Missing(_))));
        assert!(matches!(value(&secrets, "../text", ""), Err(Error::Missing(_))));
        assert_eq!(secrets.value("gone"), Err(Error::Missing("gone".into())));
        for name in ["text", "object", "my-token", "exact"] {
            assert!(secrets.names().contains(name), "{name}");
        }
        assert!(!format!("{secrets:?}").contains("t0ken"));

        write(directory.path(), "text", "changed", 0o600);
        assert_eq!(value(&secrets, "text", "").unwrap(), "changed", "at once");
    }

    #[test]
    fn what_others_can_read_is_refused_at_the_start_and_later() {
        let directory = directory();
        let open = || FileSecrets::open(Some(directory.path().to_owned()), BTreeMap::new());
        let secrets = open().unwrap();
        write(directory.path(), "loose", "s3cret", 0o640);
        assert!(open().unwrap_err().to_string().contains("[OC-SEC-004]"));
        let error = value(&secrets, "loose", "").unwrap_err().to_string();
        assert!(
            error.starts_with("OC-SEC-003") && error.contains("640") && !error.contains("s3cret"),
            "{error}"
        );
        assert!(matches!(secrets.value("loose"), Err(Error::Unusable { .. })));
        write(directory.path(), "loose", "s3cret", 0o600);
        open().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(open().unwrap_err().to_string().contains("777"));
        assert!(FileSecrets::open(Some("/no/such/directory".into()), BTreeMap::new()).is_err());
    }

    #[test]
    fn a_secret_that_is_too_long_is_none() {
        let directory = directory();
        write(directory.path(), "long", &"x".repeat(70_000), 0o600);
        let secrets =
            FileSecrets { directory: Some(directory.path().to_owned()), environment: BTreeMap::new() };
        assert!(matches!(value(&secrets, "long", ""), Err(Error::Unusable { .. })));
    }
}
