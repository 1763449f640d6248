//! What access control needs of this machine: the key of passwords' hashes, and randomness.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openclaw_gateway::access::{Pepper, PepperSource, Random};
use zeroize::Zeroizing;

use crate::token;

/// Where the key of passwords' hashes lies in a data directory.
pub(crate) const PEPPER: &str = "pepper";

/// Randomness of the operating system.
#[must_use]
pub(crate) fn random() -> Random {
    Arc::new(|| token::random().expect("the operating system gives random bytes"))
}

/// The key of passwords' hashes in the data directory `data`: read anew each time, made when it is first needed. It is
/// not in the log, so that whoever has only the log cannot try passwords.
#[must_use]
pub(crate) fn pepper(data: &Path) -> PepperSource {
    let path = data.join(PEPPER);
    Arc::new(move |make| {
        let text = if make { token::load_or_create(&path).map(|(text, _)| text) } else { token::load(&path) };
        let text = Zeroizing::new(text.map_err(|error| explain(&error))?);
        let bytes =
            Zeroizing::new(URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(|error| error.to_string())?);
        let key: [u8; 32] = bytes[..].try_into().map_err(|_| format!("{} is no key", path.display()))?;
        Ok(Pepper::new(key))
    })
}

fn explain(error: &token::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_only_and_never_in_place_of_a_lost_one() {
        let data = tempfile::tempdir().unwrap();
        let source = pepper(data.path());
        assert!(source(false).unwrap_err().contains("OC-AUTH-002"), "nobody asked to make one");
        let key = source(true).unwrap();
        assert_eq!(source(false).unwrap(), key);
        assert_eq!(source(true).unwrap(), key);
        let path = data.path().join(PEPPER);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(source(true).unwrap_err().contains("OC-AUTH-001"));
    }
}
