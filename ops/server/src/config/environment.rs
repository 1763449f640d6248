//! The environment, read once.

use std::{collections::BTreeMap, path::PathBuf};

use figment::value::Value;

use super::Override;

/// The variables that mean something to us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment. Variables that are not Unicode are left out.
    #[must_use]
    pub(crate) fn of_the_process() -> Self {
        // This is the one place where the environment is read.
        let variables = std::env::vars_os();
        Self(
            variables
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// These variables and no others.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
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
