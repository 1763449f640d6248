//! What an operator can set: defaults, then the file, then the environment, then the flags.
//!
//! The environment names a field by its path: `OPENCLAW_SERVER__MAX_CONNECTIONS=200`. Unknown keys are refused with
//! their path, so that a typing error is not a setting that silently does nothing.

mod audit;
mod containers;
mod egress;
mod environment;
mod limits;
mod log;
mod namespaces;
mod projection;
mod runtime;
mod sandbox;
mod secrets;
mod server;
mod telemetry;
mod tls;
mod vault;
mod webhooks;
mod workflows;

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use serde::{Deserialize, Serialize};

pub(crate) use audit::Audit;
pub(crate) use containers::Containers;
pub(crate) use egress::Egress;
pub(crate) use environment::{Environment, Given};
pub(crate) use limits::Limits;
pub(crate) use log::Log;
pub(crate) use namespaces::Namespaces;
pub(crate) use projection::Projection;
pub(crate) use runtime::Runtime;
pub(crate) use sandbox::Sandbox;
pub(crate) use secrets::Secrets;
pub(crate) use server::Server;
pub(crate) use telemetry::{LogFormat, Telemetry};
pub(crate) use tls::Tls;
pub(crate) use vault::Vault;
pub(crate) use webhooks::Webhooks;
pub(crate) use workflows::Workflows;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The data directory. Everything the server keeps is below it. Default: `openclaw` in `$XDG_DATA_HOME`, or in
    /// `~/.local/share`.
    pub(crate) data: PathBuf,
    /// See [`Server`].
    pub(crate) server: Server,
    /// See [`Log`].
    pub(crate) log: Log,
    /// See [`Projection`].
    pub(crate) projection: Projection,
    /// See [`Runtime`].
    pub(crate) runtime: Runtime,
    /// See [`Sandbox`].
    pub(crate) sandbox: Sandbox,
    /// See [`Containers`].
    pub(crate) containers: Containers,
    /// See [`Egress`].
    pub(crate) egress: Egress,
    /// See [`Secrets`].
    pub(crate) secrets: Secrets,
    /// See [`Vault`].
    pub(crate) vault: Vault,
    /// See [`Audit`].
    pub(crate) audit: Audit,
    /// See [`Webhooks`].
    pub(crate) webhooks: Webhooks,
    /// See [`Workflows`].
    pub(crate) workflows: Workflows,
    /// See [`Namespaces`].
    pub(crate) namespaces: Namespaces,
    /// See [`Limits`].
    pub(crate) limits: Limits,
    /// See [`Telemetry`].
    pub(crate) telemetry: Telemetry,
    /// What the environment has that is no setting, and is printed nowhere.
    #[serde(skip)]
    pub(crate) given: Given,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read. `OC-CFG-001`.
    #[error("[OC-CFG-001] the configuration file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key is unknown or a value does not fit. `OC-CFG-002`.
    #[error("[OC-CFG-002] {0}")]
    Invalid(String),
}

/// A setting from outside the file: its path, its text, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    path: String,
    value: Value,
    source: String,
}

impl Override {
    /// A setting given by a flag. The value is text, whatever it looks like.
    pub(crate) fn flag(flag: &str, path: &str, text: impl Into<String>) -> Self {
        Self { path: path.into(), value: Value::from(text.into()), source: format!("the flag {flag}") }
    }

    /// A setting given by a flag as a list of texts.
    pub(crate) fn list(flag: &str, path: &str, texts: &[String]) -> Self {
        Self { path: path.into(), value: Value::from(texts.to_vec()), source: format!("the flag {flag}") }
    }

    /// A setting that a flag without value switches on.
    pub(crate) fn switch(flag: &str, path: &str) -> Self {
        Self { path: path.into(), value: Value::from(true), source: format!("the flag {flag}") }
    }
}

impl Provider for Override {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.path, self.value.clone());
        let dict = nested.into_dict().expect("nesting under a path makes a dictionary");
        Ok(Profile::Default.collect(dict))
    }
}

impl Config {
    /// Reads everything once.
    ///
    /// # Errors
    /// [`Error`] names the file, the key and where the value came from.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: &Environment,
        flags: &[Override],
    ) -> Result<Self, Error> {
        let mut figment = Figment::from(Serialized::defaults(Self::defaults(environment)));
        if let Some(path) = file {
            // Opened here, because a file that is named and missing is an error.
            std::fs::File::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
            figment = figment.merge(Toml::file_exact(path));
        }
        for variable in environment.overrides().iter().chain(flags) {
            figment = figment.merge(variable);
        }
        let mut config: Self = figment.extract().map_err(|error| Error::Invalid(explain(&error)))?;
        config.given = environment.given();
        config.check()?;
        Ok(config)
    }

    fn defaults(environment: &Environment) -> Self {
        Self {
            data: environment.default_data(),
            server: Server::default(),
            log: Log::default(),
            projection: Projection::default(),
            runtime: Runtime::default(),
            sandbox: Sandbox::default(),
            containers: Containers::default(),
            egress: Egress::default(),
            secrets: Secrets::default(),
            vault: Vault::default(),
            audit: Audit::default(),
            webhooks: Webhooks::default(),
            workflows: Workflows::default(),
            namespaces: Namespaces::default(),
            limits: Limits::default(),
            telemetry: Telemetry::default(),
            given: Given::default(),
        }
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), Error> {
        if let Some(name) = self.namespaces.misnamed() {
            return Err(Error::Invalid(format!("`namespaces.{name}`: that is no name of a namespace")));
        }
        let zero = [
            ("server.max_connections", self.server.max_connections as u64),
            ("server.max_connections_per_address", self.server.max_connections_per_address as u64),
            ("server.header_time", self.server.header_time.0.as_millis() as u64),
            ("server.body_time", self.server.body_time.0.as_millis() as u64),
            ("log.segment_bytes", self.log.segment_bytes),
            ("log.segment_events", u64::from(self.log.segment_events)),
            ("log.open_segments", self.log.open_segments as u64),
            ("runtime.expression_workers", self.runtime.expression_workers as u64),
            ("runtime.tasks_per_run", u64::from(self.runtime.tasks_per_run)),
            ("runtime.events_per_step", self.runtime.events_per_step as u64),
            ("audit.interval", self.audit.interval.0.as_millis() as u64),
            ("audit.positions", self.audit.positions),
            ("webhooks.attempts", u64::from(self.webhooks.attempts)),
            ("webhooks.timeout", self.webhooks.timeout.0.as_millis() as u64),
            ("egress.tool_connections", self.egress.tool_connections as u64),
            ("egress.tool_bytes", self.egress.tool_bytes),
            ("egress.tool_idle", self.egress.tool_idle.0.as_millis() as u64),
            ("containers.memory_bytes", self.containers.memory_bytes),
            ("containers.processes", self.containers.processes),
            ("limits.body_bytes", self.limits.body_bytes as u64),
            ("limits.batch", self.limits.batch as u64),
            ("limits.in_flight", self.limits.in_flight as u64),
            ("limits.response_bytes", self.limits.response_bytes as u64),
            ("limits.caller_in_flight", self.limits.caller_in_flight as u64),
            ("limits.caller_sockets", self.limits.caller_sockets as u64),
            ("limits.caller_operations", self.limits.caller_operations as u64),
            ("limits.bodies_bytes", self.limits.bodies_bytes as u64),
            ("limits.socket_in_flight", self.limits.socket_in_flight as u64),
            ("limits.socket_refusals", self.limits.socket_refusals as u64),
        ]
        .into_iter()
        .find(|(_, value)| *value == 0);
        match zero {
            Some((key, _)) => Err(Error::Invalid(format!("`{key}` must not be zero"))),
            None if self.data.as_os_str().is_empty() => {
                Err(Error::Invalid("`data` must not be empty".into()))
            }
            None => self.check_egress().map_err(Error::Invalid),
        }
    }

    fn check_egress(&self) -> Result<(), String> {
        self.egress.policy().map_err(|problem| format!("`egress.allow_private`: {problem}"))?;
        self.egress.injections().map_err(|problem| format!("`egress.credentials`: {problem}"))?;
        Ok(())
    }

    /// The effective configuration as a file that would give it again.
    #[must_use]
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration was read from text and can be written")
    }
}

/// figment's errors with the key's whole path and without its profile.
fn explain(error: &figment::Error) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in error.clone() {
        let mut path = one.path.clone();
        if let figment::error::Kind::UnknownField(field, _) = &one.kind
            && path.last() != Some(field)
        {
            path.push(field.clone());
        }
        let place = if path.is_empty() { String::new() } else { format!("`{}`: ", path.join(".")) };
        let source = one.metadata.as_ref().map_or(String::new(), |metadata| match &metadata.source {
            Some(source) => format!(" (in {source})"),
            None => format!(" (from {})", metadata.name),
        });
        lines.push(format!("{place}{}{source}", brief(&one.kind.to_string())));
    }
    lines.join("; ")
}

/// What a library says about a value, without the lines of the file that it shows: they may be long, and they may hold
/// what nobody else is to read.
fn brief(said: &str) -> String {
    const LONGEST: usize = 400;
    let shows = |line: &str| {
        line.split_once('|').is_some_and(|(before, _)| before.trim().bytes().all(|b| b.is_ascii_digit()))
    };
    let kept: Vec<&str> =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !shows(line)).collect();
    let kept = kept.join(": ");
    if kept.chars().count() <= LONGEST {
        return kept;
    }
    kept.chars().take(LONGEST).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
