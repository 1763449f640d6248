//! What a task asks of the sandbox of its process.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

/// What a task declares in `metadata.sandbox`. The server's configuration bounds it when the process is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxRequest {
    /// How much the process is to be kept from; the server's level if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<SandboxLevel>,
    /// Absolute paths outside the workspace that it wants to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
    /// And to write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
    /// Time on the wall, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Seconds of processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Size of any file that it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// Open files of each process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Bytes kept of each output stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Bytes of everything in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_bytes: Option<u64>,
    /// Files and directories in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_files: Option<u64>,
    /// Names of secrets whose handles in the environment become values. Only where the server allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Where the process may connect to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkRequest>,
}

/// How much a process is kept from; `ops/docs/sandbox.md` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// Nothing.
    None,
    /// What can be done without namespaces.
    Confined,
    /// As strict, with a way to the network.
    Relaxed,
    /// The strictest.
    Strict,
}

/// A destination that a process wants to reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkRequest {
    /// `HOST:PORT`; `*` as port is every port, `*.` before a host is what is below it.
    pub destination: String,
    /// Name of the credential that is put into its requests to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}
