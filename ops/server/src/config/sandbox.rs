//! `[sandbox]`: how processes of workflows are confined.

use std::path::PathBuf;

use openclaw_gateway::rpc::Span;
use openclaw_ports::sandbox::{Destination, Level, Limits, Names, Policy};
use openclaw_sandbox::Backend;
use serde::{Deserialize, Serialize};

/// How processes of workflows are confined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    /// The level of processes whose tasks ask for none: `strict`, `relaxed` or `confined`. There is no fallback from one
    /// to the other. Default `strict`.
    pub(crate) level: Usual,
    /// Whether a task may run its process without a sandbox, by asking for `metadata.sandbox.level: none`. Default
    /// false.
    pub(crate) allow_none: bool,
    /// The way to confine: `auto` (bubblewrap where it works, else what works without namespaces), `bubblewrap` or
    /// `confined`. Default `auto`.
    pub(crate) backend: Way,
    /// Whether nothing is run on a kernel without Landlock. Default false: each rule holds without it, too.
    pub(crate) require_landlock: bool,
    /// Whether processes get control groups where the server may make them. Default true.
    pub(crate) control_groups: bool,
    /// Files and directories outside its workspace that a process may read. Absolute paths without links. Default none.
    pub(crate) readable: Vec<PathBuf>,
    /// Directories outside its workspace that a process may write. Default none.
    pub(crate) writable: Vec<PathBuf>,
    /// Names that the environment of a process may have; `*` at the end stands for any rest. The values come from its
    /// task. Default `["*"]`.
    pub(crate) environment: Names,
    /// The bubblewrap to use. Default: looked for in `/usr/bin`, `/usr/local/bin` and `/bin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bubblewrap: Option<PathBuf>,
    /// User and group of the processes when the server is root. Default 65534.
    pub(crate) user_id: u32,
    /// Where processes may connect to at level `relaxed`, if their tasks ask for it in `metadata.sandbox.network`: each
    /// `HOST:PORT`, see `[egress]`. Default none.
    pub(crate) network: Vec<Destination>,
    /// Time on the wall for one process. Default 5m.
    pub(crate) wall: Span,
    /// CPU seconds of one process. Default 120.
    pub(crate) cpu_seconds: u64,
    /// Data memory of one process, in bytes. Default 512 MiB.
    pub(crate) memory_bytes: u64,
    /// Processes and threads of one tree. Default 128.
    pub(crate) processes: u64,
    /// Size of any file it writes, in bytes. Default 64 MiB.
    pub(crate) file_bytes: u64,
    /// Open files of one process. Default 512.
    pub(crate) open_files: u64,
    /// Whether a task may put the value of a secret into the environment of its process, by naming it in
    /// `metadata.sandbox.secrets`. Default false: a process only ever sees handles.
    pub(crate) secrets_in_environment: bool,
    /// What is kept of each output stream, in bytes. Default 1 MiB.
    pub(crate) output_bytes: usize,
    /// Bytes on disk of a run's workspace. Default 1 GiB.
    pub(crate) workspace_bytes: u64,
    /// Files and directories in a run's workspace. Default 100000.
    pub(crate) workspace_files: u64,
    /// What tasks may ask for beyond what they have anyway.
    pub(crate) most: Most,
}

/// Levels that a server may give without being asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Usual {
    /// What works without namespaces.
    Confined,
    /// With a way to the network.
    Relaxed,
    /// The strictest.
    #[default]
    Strict,
}

/// Ways to confine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// The strictest that works.
    #[default]
    Auto,
    /// Namespaces, through bubblewrap.
    Bubblewrap,
    /// Without namespaces.
    Confined,
}

/// `[sandbox.most]`: what tasks may ask for in `metadata.sandbox`; for what is not given, no more than the server's own
/// value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Most {
    /// As `sandbox.wall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wall: Option<Span>,
    /// As `sandbox.cpu_seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_seconds: Option<u64>,
    /// As `sandbox.memory_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes: Option<u64>,
    /// As `sandbox.processes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) processes: Option<u64>,
    /// As `sandbox.file_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_bytes: Option<u64>,
    /// As `sandbox.open_files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_files: Option<u64>,
    /// As `sandbox.output_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_bytes: Option<usize>,
    /// As `sandbox.workspace_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workspace_bytes: Option<u64>,
    /// As `sandbox.workspace_files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workspace_files: Option<u64>,
    /// Files and directories that a task may ask to read.
    pub(crate) readable: Vec<PathBuf>,
    /// Directories that a task may ask to write.
    pub(crate) writable: Vec<PathBuf>,
}

impl Default for Sandbox {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            level: Usual::default(),
            allow_none: false,
            backend: Way::default(),
            require_landlock: false,
            control_groups: true,
            readable: Vec::new(),
            writable: Vec::new(),
            environment: Names::default(),
            bubblewrap: None,
            user_id: openclaw_sandbox::Config::default().sandbox_id,
            network: Vec::new(),
            wall: Span(limits.wall),
            cpu_seconds: limits.cpu_seconds,
            memory_bytes: limits.memory_bytes,
            processes: limits.processes,
            file_bytes: limits.file_bytes,
            open_files: limits.open_files,
            secrets_in_environment: false,
            output_bytes: limits.output_bytes,
            workspace_bytes: limits.workspace_bytes,
            workspace_files: limits.workspace_files,
            most: Most::default(),
        }
    }
}

impl Sandbox {
    /// The bounds, as the port wants them.
    #[must_use]
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            wall: self.wall.0,
            cpu_seconds: self.cpu_seconds,
            memory_bytes: self.memory_bytes,
            processes: self.processes,
            file_bytes: self.file_bytes,
            open_files: self.open_files,
            output_bytes: self.output_bytes,
            workspace_bytes: self.workspace_bytes,
            workspace_files: self.workspace_files,
        }
    }

    /// What a process may touch and use unless its task asks for less.
    #[must_use]
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            level: self.level(),
            readable: self.readable.clone(),
            writable: self.writable.clone(),
            environment: self.environment.clone(),
            network: self.network.clone(),
            limits: self.limits(),
        }
    }

    /// The level of processes whose tasks ask for none.
    #[must_use]
    pub(crate) const fn level(&self) -> Level {
        match self.level {
            Usual::Confined => Level::Confined,
            Usual::Relaxed => Level::Relaxed,
            Usual::Strict => Level::Strict,
        }
    }

    /// What a task may ask for at most. Level `relaxed` is always within it: what it leads to is what `network` has.
    #[must_use]
    pub(crate) fn most(&self) -> Policy {
        let usual = self.policy();
        let most = &self.most;
        let join = |usual: &[PathBuf], more: &[PathBuf]| [usual, more].concat();
        let at_least = |usual: u64, most: Option<u64>| most.map_or(usual, |most| most.max(usual));
        let limits = usual.limits;
        Policy {
            level: if self.allow_none { Level::None } else { usual.level.min(Level::Relaxed) },
            readable: join(&usual.readable, &most.readable),
            writable: join(&usual.writable, &most.writable),
            limits: Limits {
                wall: most.wall.as_ref().map_or(limits.wall, |most| most.0.max(limits.wall)),
                cpu_seconds: at_least(limits.cpu_seconds, most.cpu_seconds),
                memory_bytes: at_least(limits.memory_bytes, most.memory_bytes),
                processes: at_least(limits.processes, most.processes),
                file_bytes: at_least(limits.file_bytes, most.file_bytes),
                open_files: at_least(limits.open_files, most.open_files),
                output_bytes: most
                    .output_bytes
                    .map_or(limits.output_bytes, |most| most.max(limits.output_bytes)),
                workspace_bytes: at_least(limits.workspace_bytes, most.workspace_bytes),
                workspace_files: at_least(limits.workspace_files, most.workspace_files),
            },
            ..usual
        }
    }

    /// How sandboxes are made, by this very program.
    #[must_use]
    pub(crate) fn config(&self) -> openclaw_sandbox::Config {
        openclaw_sandbox::Config {
            bwrap: self.bubblewrap.clone(),
            sandbox_id: self.user_id,
            backend: match self.backend {
                Way::Auto => Backend::Auto,
                Way::Bubblewrap => Backend::Bubblewrap,
                Way::Confined => Backend::Confined,
            },
            require_landlock: self.require_landlock,
            control_groups: self.control_groups,
            ..openclaw_sandbox::Config::default()
        }
    }
}
