//! The bearer token: made at the first start, kept in `DIR/token`, compared in constant time. Other secrets of the data
//! directory are kept in files like it.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustix::fs::OFlags;
use subtle::ConstantTimeEq;

/// Longest token file that is read, in bytes.
const MAX_BYTES: u64 = 1_024;
/// Shortest token that is accepted, in characters: 192 bits in base64.
const MIN_CHARS: usize = 32;

/// A bearer token. Whoever has it may do everything.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file can be read or replaced by others, or is none. `OC-AUTH-001`.
    #[error("[OC-AUTH-001] the secret file {path} cannot be trusted: {reason}")]
    Untrusted {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read or written. `OC-AUTH-002`.
    #[error("[OC-AUTH-002] the secret file {path} cannot be used")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Token {
    /// Wraps the text of a token, for example from the environment.
    #[must_use]
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Where the token of a data directory lies.
    #[must_use]
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join("token")
    }

    /// The token of the data directory `data`, and whether it was made just now.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if the file is a link, or others may read it; it is never repaired silently.
    pub(crate) fn load_or_create(data: &Path) -> Result<(Self, bool), Error> {
        load_or_create(&Self::path(data)).map(|(text, created)| (Self::new(&text), created))
    }

    /// The token of the data directory `data`.
    ///
    /// # Errors
    /// See [`Token::load_or_create`]; [`Error::Io`] with `NotFound` if there is none.
    pub(crate) fn load(data: &Path) -> Result<Self, Error> {
        load(&Self::path(data)).map(|text| Self::new(&text))
    }

    /// The text, to be shown once or sent to the server.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token. Takes as long for any guess of the right length.
    #[must_use]
    pub(crate) fn is(&self, given: &str) -> bool {
        bool::from(given.as_bytes().ct_eq(self.0.as_bytes()))
    }

    /// Whether an `Authorization` header is this token.
    #[cfg(test)]
    fn admits(&self, authorization: &str) -> bool {
        bearer(authorization).is_some_and(|given| self.is(given))
    }
}

/// The token in the value of an `Authorization` header.
#[must_use]
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, given) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

/// The secret in the file at `path`, and whether it was made just now.
///
/// # Errors
/// See [`Token::load_or_create`].
pub(crate) fn load_or_create(path: &Path) -> Result<(String, bool), Error> {
    match load(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path).map(|text| (text, true))
        }
        loaded => loaded.map(|text| (text, false)),
    }
}

/// The secret in the file at `path`.
///
/// # Errors
/// See [`Token::load`].
pub(crate) fn load(path: &Path) -> Result<String, Error> {
    let untrusted = |reason: String| Error::Untrusted { path: path.to_owned(), reason };
    // Neither following a link nor waiting for a writer of a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(untrusted("it is a symbolic link".into()));
        }
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    let io = |source| Error::Io { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(io)?;
    let own = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(untrusted("it is not a regular file".into()));
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(untrusted(format!("its mode is {mode:03o}, others may use it; make it 600")));
    }
    if metadata.uid() != own {
        return Err(untrusted(format!("it belongs to user {}, not to {own}", metadata.uid())));
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(io)?;
    let text = text.trim();
    if text.len() < MIN_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(untrusted(format!(
            "it does not hold a secret of at least {MIN_CHARS} visible characters"
        )));
    }
    Ok(text.to_owned())
}

/// Makes a secret of 256 random bits and writes it so that it is whole or not there.
fn create(path: &Path) -> Result<String, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let text = URL_SAFE_NO_PAD.encode(random().map_err(io)?);
    let directory = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension(std::process::id().to_string());
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&fresh, path).map_err(io)?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(text)
}

/// 256 random bits.
///
/// # Errors
/// When the operating system has none.
pub(crate) fn random() -> io::Result<[u8; 32]> {
    let mut bits = [0_u8; 32];
    #[expect(clippy::disallowed_methods, reason = "a secret has to come from the operating system")]
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(bits)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_first_start_makes_a_token_that_only_the_owner_can_read() {
        let data = tempfile::tempdir().unwrap();
        let (made, created) = Token::load_or_create(data.path()).unwrap();
        assert!(created);
        assert_eq!(made.reveal().len(), 43);
        let mode = fs::metadata(Token::path(data.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1, "nothing else is left behind");

        let (again, created) = Token::load_or_create(data.path()).unwrap();
        assert!(!created);
        assert_eq!(again.reveal(), made.reveal());
        assert_eq!(format!("{made:?}"), "Token(..)");
    }

    #[test]
    fn a_token_file_that_others_could_touch_is_refused_and_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let path = Token::path(data.path());
        let secret = "0123456789abcdef0123456789abcdef";
        for mode in [0o640, 0o604, 0o660, 0o777] {
            fs::write(&path, secret).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Token::load_or_create(data.path()).unwrap_err();
            assert!(error.to_string().contains("OC-AUTH-001"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), secret);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Token::load(data.path()).is_ok());

        for short in ["", "short", "with space 0123456789abcdef0123456789"] {
            fs::write(&path, short).unwrap();
            assert!(matches!(Token::load(data.path()), Err(Error::Untrusted { .. })), "{short:?}");
        }

        fs::rename(&path, data.path().join("elsewhere")).unwrap();
        symlink(data.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(Token::load_or_create(data.path()), Err(Error::Untrusted { .. })));
        fs::remove_file(&path).unwrap();
        symlink("/no/such/file", &path).unwrap();
        assert!(matches!(Token::load_or_create(data.path()), Err(Error::Untrusted { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(Token::load_or_create(data.path()).is_err());
    }

    #[test]
    fn only_the_very_token_is_admitted() {
        let token = Token::new("0123456789abcdef0123456789abcdef");
        assert!(token.admits("Bearer 0123456789abcdef0123456789abcdef"));
        assert!(token.admits("bearer 0123456789abcdef0123456789abcdef"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcdef0123456789abcdeF",
            "Bearer 0123456789abcdef0123456789abcde",
            "Bearer 0123456789abcdef0123456789abcdef0",
            "Basic 0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert!(!token.admits(wrong), "{wrong}");
        }
    }
}
