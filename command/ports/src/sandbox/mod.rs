//! Running a child process that is not trusted.

mod destination;
mod limits;
mod policy;

use std::{collections::BTreeMap, future::Future, path::PathBuf, pin::Pin};

use tokio_util::sync::CancellationToken;

pub use destination::{Destination, NoDestination};
pub use limits::{Limit, Limits};
pub use policy::{Level, Names, Policy, Wider};

/// A process to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What it may touch and use.
    pub policy: Policy,
    /// Program and arguments; the program is looked up on the sandbox's PATH.
    pub command: Vec<String>,
    /// Its whole environment. A name that the policy does not have is a refusal.
    pub environment: BTreeMap<String, String>,
    /// Its standard input; empty if none.
    pub stdin: Option<Vec<u8>>,
    /// Where it works, and may write without the policy having to say so.
    pub workspace: PathBuf,
    /// A stream socket of the Unix family on which a proxy speaks HTTP (`CONNECT` and absolute addresses): the only way
    /// out of a job at level `Relaxed`, which finds it in its environment as `HTTP_PROXY` and its kin. Without one, and
    /// at any other level, nothing leads out.
    pub egress: Option<PathBuf>,
    /// Which streams the caller wants whole.
    pub wanted: Streams,
}

/// The output streams that a caller wants whole. One that is wanted and longer than the limit ends the process; of one
/// that is not, the beginning is kept and the rest is read and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(i32),
    /// By a signal that no limit explains.
    Signalled(i32),
    /// It passed a limit.
    Limit(Limit),
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
    /// The sandbox cannot be set up on this machine. `OC-SBX-001`.
    #[error("the sandbox cannot be set up: {0}")]
    Unavailable(String),
    /// The program does not exist in the sandbox. `OC-SBX-002`.
    #[error("no program {0:?} in the sandbox")]
    NoProgram(String),
    /// The job itself is wrong, for example a workspace that does not exist. `OC-SBX-003`.
    #[error("the sandbox refuses the job: {0}")]
    Refused(String),
    /// The job asks for more isolation than this machine gives. `OC-SBX-004`.
    #[error("the job asks for level {asked}, and this machine reaches {reached} at most: {reason}")]
    Level {
        /// What the job asks for.
        asked: Level,
        /// The strictest level in force.
        reached: Level,
        /// Why it is no stricter one.
        reason: String,
    },
}

impl Error {
    /// The code under which the error pages explain it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "OC-SBX-001",
            Self::NoProgram(_) => "OC-SBX-002",
            Self::Refused(_) => "OC-SBX-003",
            Self::Level { .. } => "OC-SBX-004",
        }
    }
}

/// A process under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;

/// Runs processes that are not trusted.
pub trait Sandbox: Send + Sync + 'static {
    /// Runs `job` to its end. When `cancel` fires, the whole tree is killed and [`End::Cancelled`] is returned.
    fn run(&self, job: Job, cancel: CancellationToken) -> Running<'_>;
}
