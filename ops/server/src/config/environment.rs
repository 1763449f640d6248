//! The environment, read once.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use figment::value::Value;
use openclaw_ports::secrets::Revealed;

use super::Override;

/// Begins the names of variables that are secrets of workflows.
const SECRET: &str = "OPENCLAW_SECRET_";
/// The variable that the vault is unsealed with.
const PASSPHRASE: &str = "OPENCLAW_VAULT_PASSPHRASE";
/// Variables that the program of a container engine needs.
const ENGINE: [&str; 9] = [
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "XDG_RUNTIME_DIR",
];

/// The variables that mean something to us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>, Given);

/// What the environment has that is no setting.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Given {
    /// Secrets by what follows `OPENCLAW_SECRET_`.
    pub(crate) secrets: BTreeMap<String, String>,
    /// `OPENCLAW_VAULT_PASSPHRASE`.
    pub(crate) passphrase: Option<Revealed>,
    /// Where systemd puts credentials for this service: `CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<PathBuf>,
    /// The environment of a container engine's program.
    pub(crate) engine: BTreeMap<String, String>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values would be in every log line that shows the configuration.
        f.debug_struct("Given").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

impl Environment {
    /// The process's environment. Variables that are not Unicode are left out.
    #[must_use]
    pub(crate) fn of_the_process() -> Self {
        // This is the one place where the environment is read.
        let variables = std::env::vars_os();
        Self::from_variables(
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    fn from_variables(variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut given = Given::default();
        let mut rest = BTreeMap::new();
        for (name, value) in variables {
            if let Some(secret) = name.strip_prefix(SECRET) {
                given.secrets.insert(secret.to_owned(), value);
                continue;
            }
            if name == PASSPHRASE {
                given.passphrase = Some(Revealed::new(value)).filter(|text| !text.expose().is_empty());
                continue;
            }
            if name == "CREDENTIALS_DIRECTORY" {
                given.credentials = Some(PathBuf::from(&value));
            }
            if ENGINE.contains(&name.as_str()) {
                given.engine.insert(name.clone(), value.clone());
            }
            rest.insert(name, value);
        }
        given
            .engine
            .insert("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        Self(rest, given)
    }

    /// What is no setting.
    #[must_use]
    pub(crate) fn given(&self) -> Given {
        self.1.clone()
    }

    /// These variables and no others.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::from_variables(owned)
    }

    /// The value of a variable, if it is set and not empty.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where data goes if nobody says: <https://specifications.freedesktop.org/basedir-spec/latest/>.
    #[must_use]
    pub(crate) fn default_data(&self) -> PathBuf {
        let absolute = |name| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        match absolute("XDG_DATA_HOME") {
            Some(data) => data.join("openclaw"),
            None => match absolute("HOME") {
                Some(home) => home.join(".local/share/openclaw"),
                None => PathBuf::from("openclaw-data"),
            },
        }
    }

    /// The variables that set a field, `OPENCLAW_SECTION__FIELD`. A value is read as TOML where it is TOML, so that
    /// lists and numbers can be written, and as text otherwise.
    pub(super) fn overrides(&self) -> Vec<Override> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let path = name.strip_prefix("OPENCLAW_")?;
                let path = path.contains("__").then(|| path.to_ascii_lowercase().replace("__", "."))?;
                let value: Value = value.parse().unwrap_or_else(|never| match never {});
                Some(Override { path, value, source: format!("the environment variable {name}") })
            })
            .collect()
    }
}
