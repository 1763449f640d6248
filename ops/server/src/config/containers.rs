//! `[containers]`: how `run: container` is carried out.

use std::{collections::BTreeMap, path::PathBuf};

use openclaw_gateway::rpc::Span;
use openclaw_runtime::effects::container;
use serde::{Deserialize, Serialize};

/// How containers of workflows are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Containers {
    /// `auto` (Podman if it is there, else Docker), `podman`, `docker` or `none`. Default `auto`.
    pub(crate) engine: Engine,
    /// The engine's program. Default: looked for in `/usr/local/bin`, `/usr/bin` and `/bin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<PathBuf>,
    /// Directories of this machine whose contents containers may be given as volumes. Default none.
    pub(crate) volumes: Vec<PathBuf>,
    /// Time on the wall for one container. Default 1h.
    pub(crate) wall: Span,
    /// Memory of one container, in bytes. Default 512 MiB.
    pub(crate) memory_bytes: u64,
    /// Processes and threads of one container. Default 512.
    pub(crate) processes: u64,
    /// What is kept of each output stream, in bytes. Default 1 MiB.
    pub(crate) output_bytes: usize,
}

/// Which engine runs containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    /// Podman if it is there, else Docker.
    #[default]
    Auto,
    /// Podman.
    Podman,
    /// Docker.
    Docker,
    /// No containers.
    None,
}

impl Default for Containers {
    fn default() -> Self {
        let config = container::Config::default();
        Self {
            engine: Engine::default(),
            program: None,
            volumes: Vec::new(),
            wall: Span(config.wall),
            memory_bytes: config.memory_bytes,
            processes: config.processes,
            output_bytes: config.output_bytes,
        }
    }
}

impl Containers {
    /// As the runtime wants it. `environment` is that of the engine's program, `directory` one of the server's own.
    #[must_use]
    pub(crate) fn config(
        &self,
        environment: BTreeMap<String, String>,
        directory: PathBuf,
    ) -> container::Config {
        container::Config {
            engine: match self.engine {
                Engine::Auto => container::Choice::Auto,
                Engine::Podman => container::Choice::Podman,
                Engine::Docker => container::Choice::Docker,
                Engine::None => container::Choice::None,
            },
            program: self.program.clone(),
            volumes: self.volumes.clone(),
            environment,
            directory,
            wall: self.wall.0,
            memory_bytes: self.memory_bytes,
            processes: self.processes,
            output_bytes: self.output_bytes,
        }
    }
}
