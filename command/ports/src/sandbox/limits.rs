//! How much a process may use.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Bounds on what one process tree may use. What of it holds for the tree as a whole, and what for each of its
/// processes, depends on the machine: see `ops/docs/sandbox.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time on the wall.
    pub wall: Duration,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Size of any file it writes.
    pub file_bytes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// Bytes kept of each output stream.
    pub output_bytes: usize,
    /// Bytes on disk of everything in the workspace.
    pub workspace_bytes: u64,
    /// Files and directories in the workspace.
    pub workspace_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            cpu_seconds: 120,
            memory_bytes: 512 << 20,
            processes: 128,
            file_bytes: 64 << 20,
            open_files: 512,
            output_bytes: 1 << 20,
            workspace_bytes: 1 << 30,
            workspace_files: 100_000,
        }
    }
}

impl Limits {
    /// Each limit and its value, in milliseconds, seconds, bytes or pieces.
    #[must_use]
    pub fn values(&self) -> [(Limit, u64); 9] {
        [
            (Limit::Wall, u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX)),
            (Limit::Cpu, self.cpu_seconds),
            (Limit::Memory, self.memory_bytes),
            (Limit::Processes, self.processes),
            (Limit::FileSize, self.file_bytes),
            (Limit::OpenFiles, self.open_files),
            (Limit::Output, self.output_bytes as u64),
            (Limit::WorkspaceSize, self.workspace_bytes),
            (Limit::WorkspaceFiles, self.workspace_files),
        ]
    }

    /// What `limit` allows, for people.
    #[must_use]
    pub fn describe(&self, limit: Limit) -> String {
        let value = self.values().into_iter().find(|(each, _)| *each == limit);
        let (_, value) = value.expect("every limit has a value");
        match limit {
            Limit::Wall => format!("{} s", self.wall.as_secs_f64()),
            Limit::Cpu => format!("{value} s"),
            Limit::Memory | Limit::FileSize | Limit::Output | Limit::WorkspaceSize => {
                format!("{value} bytes")
            }
            Limit::Processes | Limit::OpenFiles | Limit::WorkspaceFiles => value.to_string(),
        }
    }
}

/// Which limit a process passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Time on the wall.
    Wall,
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Processes and threads.
    Processes,
    /// Size of a file.
    FileSize,
    /// Open files. The program sees an error and goes on, so that no sandbox reports it as an end today.
    OpenFiles,
    /// Output.
    Output,
    /// Size of the workspace.
    WorkspaceSize,
    /// Files in the workspace.
    WorkspaceFiles,
}

impl Limit {
    /// Its name, as the configuration and the tasks of workflows have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu_seconds",
            Self::Memory => "memory_bytes",
            Self::Processes => "processes",
            Self::FileSize => "file_bytes",
            Self::OpenFiles => "open_files",
            Self::Output => "output_bytes",
            Self::WorkspaceSize => "workspace_bytes",
            Self::WorkspaceFiles => "workspace_files",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wall => "time",
            Self::Cpu => "processor time",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::FileSize => "the size of a file",
            Self::OpenFiles => "open files",
            Self::Output => "output",
            Self::WorkspaceSize => "the size of the workspace",
            Self::WorkspaceFiles => "files in the workspace",
        })
    }
}
