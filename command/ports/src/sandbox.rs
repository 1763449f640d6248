//! Running a child process that is not trusted.

use std::{collections::BTreeMap, future::Future, path::PathBuf, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How much a process may touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is isolated; limits, the clean environment and the kill at the end still apply.
    None,
    /// As strict, with sockets of the internet families inside a network of its own that leads nowhere.
    Relaxed,
    /// No network, read-only system, private /tmp, own process ids; only the workspace is writable.
    #[default]
    Strict,
}

/// Bounds on what one process tree may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time on the wall.
    pub wall: Duration,
    /// CPU seconds of each process.
    pub cpu_seconds: u64,
    /// Bytes of data memory of each process.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Size of any file it writes.
    pub file_bytes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// Bytes kept of each output stream; what comes after is read and dropped.
    pub output_bytes: usize,
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
        }
    }
}

/// A process to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// How much it may touch.
    pub level: Level,
    /// Program and arguments; the program is looked up on the sandbox's PATH.
    pub command: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Its standard input; empty if none.
    pub stdin: Option<Vec<u8>>,
    /// The only place it may write, and its working directory.
    pub workspace: PathBuf,
    /// Its bounds.
    pub limits: Limits,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(i32),
    /// By a signal, for example from a resource limit.
    Signalled(i32),
    /// Its wall time ran out.
    WallTime,
    /// It was cancelled.
    Cancelled,
}

/// What came of a process. Nothing of its tree is alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Standard output, at most the limit.
    pub stdout: Vec<u8>,
    /// Standard error, at most the limit.
    pub stderr: Vec<u8>,
    /// Whether either was cut.
    pub truncated: bool,
}

/// Why a process was not run. Nothing was started, or nothing of it is alive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The level cannot be reached on this machine. `OC-SBX-001`.
    #[error("the sandbox cannot be set up: {0}")]
    Unavailable(String),
    /// The program does not exist in the sandbox. `OC-SBX-002`.
    #[error("no program {0:?} in the sandbox")]
    NoProgram(String),
    /// The job itself is wrong, for example a workspace that does not exist. `OC-SBX-003`.
    #[error("the sandbox refuses the job: {0}")]
    Refused(String),
}

/// A process under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;

/// Runs processes that are not trusted.
pub trait Sandbox: Send + Sync + 'static {
    /// Runs `job` to its end. When `cancel` fires, the whole tree is killed and [`End::Cancelled`] is returned.
    fn run(&self, job: Job, cancel: CancellationToken) -> Running<'_>;
}
