//! `[sandbox]`: how processes of workflows are confined.

use std::path::PathBuf;

use openclaw_gateway::rpc::Span;
use openclaw_ports::sandbox::{Level, Limits, Policy};
use serde::{Deserialize, Serialize};

/// How processes of workflows are confined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    /// `strict`, `relaxed` or `none`. There is no fallback from one to the other. Default `strict`.
    pub(crate) level: Level,
    /// The bubblewrap to use. Default: looked for in `/usr/bin`, `/usr/local/bin` and `/bin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bubblewrap: Option<PathBuf>,
    /// User and group of the processes when the server is root. Default 65534.
    pub(crate) user_id: u32,
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
    /// What is kept of each output stream, in bytes. Default 1 MiB.
    pub(crate) output_bytes: usize,
}

impl Default for Sandbox {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            level: Level::default(),
            bubblewrap: None,
            user_id: openclaw_sandbox::Config::default().sandbox_id,
            wall: Span(limits.wall),
            cpu_seconds: limits.cpu_seconds,
            memory_bytes: limits.memory_bytes,
            processes: limits.processes,
            file_bytes: limits.file_bytes,
            open_files: limits.open_files,
            output_bytes: limits.output_bytes,
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
            ..Limits::default()
        }
    }

    /// What a process may touch and use unless its task asks for less.
    #[must_use]
    pub(crate) fn policy(&self) -> Policy {
        Policy { level: self.level, limits: self.limits(), ..Policy::default() }
    }

    /// How sandboxes are made, by this very program.
    #[must_use]
    pub(crate) fn config(&self) -> openclaw_sandbox::Config {
        openclaw_sandbox::Config {
            bwrap: self.bubblewrap.clone(),
            sandbox_id: self.user_id,
            ..openclaw_sandbox::Config::default()
        }
    }
}
