//! The sandbox of this machine: which way of confining works here, and jobs on their way through it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Error, Job, Level, Limit, Limits, Outcome, Policy, Running, Streams},
};
use tokio::{process::Command, sync::OnceCell, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Layer,
    cgroup::Groups,
    check, conversation, helper, metrics,
    protocol::{Header, Request},
    seccomp, system,
};

/// How to make sandboxes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program that calls [`crate::helper::main`]. Default: the running one, even when its file has been replaced.
    pub helper: PathBuf,
    /// What makes it do so. Default: `sandbox-exec`.
    pub helper_arguments: Vec<String>,
    /// The way to confine. Default: the strictest that works here.
    pub backend: Backend,
    /// The bubblewrap to use, 0.8 or later. Default: looked for in /usr/bin, /usr/local/bin and /bin at each run.
    pub bwrap: Option<PathBuf>,
    /// User and group of the tree when the server is root; otherwise the tree has the server's. Default: 65534.
    pub sandbox_id: u32,
    /// Whether nothing runs above level `None` on a kernel without Landlock. Default: no, as each probe holds without.
    pub require_landlock: bool,
    /// Whether trees get control groups where the server may make them. Default: yes.
    pub control_groups: bool,
    /// A directory that the server may write, for the workspaces of probes. Default: that for temporary files.
    pub scratch: PathBuf,
    /// Whether a helper is kept ready for the next job once there was a first, which makes jobs start sooner. Only
    /// where the whole life of the machine is in one runtime. Default: no.
    pub spare_helper: bool,
    /// What is left out, to show what it is for.
    #[doc(hidden)]
    pub without: BTreeSet<Layer>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            helper: "/proc/self/exe".into(),
            helper_arguments: vec!["sandbox-exec".into()],
            backend: Backend::Auto,
            bwrap: None,
            sandbox_id: 65534,
            require_landlock: false,
            control_groups: true,
            scratch: std::env::temp_dir(),
            spare_helper: false,
            without: BTreeSet::new(),
        }
    }
}

/// A way to confine processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The strictest that works, found by trying.
    #[default]
    Auto,
    /// Namespaces, through bubblewrap: levels up to strict.
    Bubblewrap,
    /// What works without namespaces: level confined.
    Confined,
    /// None works: nothing but level none.
    Nothing,
}

impl Backend {
    /// Its name, as the configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bubblewrap => "bubblewrap",
            Self::Confined => "confined",
            Self::Nothing => "nothing",
        }
    }

    /// The strictest level it reaches.
    const fn level(self) -> Level {
        match self {
            Self::Auto | Self::Bubblewrap => Level::Strict,
            Self::Confined => Level::Confined,
            Self::Nothing => Level::None,
        }
    }
}

/// What confines processes on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The way to confine.
    pub backend: Backend,
    /// The strictest level that jobs reach.
    pub level: Level,
    /// Why it is no stricter one.
    pub reason: Option<String>,
    /// The kernel's version of Landlock; 0 if it has none.
    pub landlock: u8,
    /// Why trees get no control groups; none if they do.
    pub no_control_groups: Option<String>,
}

/// The sandbox of this machine. Fails closed: a job that asks for a level that cannot be reached does not run.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    /// The system call filters, or why there are none.
    filters: Result<Filters, String>,
    groups: OnceCell<Result<Groups, String>>,
    found: OnceCell<InForce>,
    spare: conversation::Spare,
}

#[derive(Debug)]
struct Filters {
    strict: Vec<u8>,
    relaxed: Vec<u8>,
    confined: Vec<u8>,
}

impl Machine {
    /// Compiles the system call filters; starts nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let compile = |level| seccomp::program(level).map_err(|error| error.to_string());
        let filters = compile(Level::Strict).and_then(|strict| {
            Ok(Filters { strict, relaxed: compile(Level::Relaxed)?, confined: compile(Level::Confined)? })
        });
        Self {
            config,
            filters,
            groups: OnceCell::new(),
            found: OnceCell::new(),
            spare: conversation::Spare::default(),
        }
    }

    /// What confines processes on this machine. Found by trying at the first call, or the first job; at most a few
    /// processes and tens of milliseconds.
    pub async fn in_force(&self) -> &InForce {
        self.found.get_or_init(|| self.find()).await
    }

    async fn find(&self) -> InForce {
        let landlock = self.landlock_version().await;
        let no_control_groups = self.groups().await.as_ref().err().cloned();
        let mut reasons = Vec::new();
        let candidates: &[Backend] = match self.config.backend {
            Backend::Auto => &[Backend::Bubblewrap, Backend::Confined],
            Backend::Bubblewrap => &[Backend::Bubblewrap],
            Backend::Confined => &[Backend::Confined],
            Backend::Nothing => &[],
        };
        let mut backend = Backend::Nothing;
        for &candidate in candidates {
            match self.probe(candidate).await {
                Ok(()) => {
                    backend = candidate;
                    break;
                }
                Err(error) => reasons.push(format!("{}: {error}", candidate.name())),
            }
        }
        if matches!(self.config.backend, Backend::Confined | Backend::Nothing) {
            reasons.push(format!("the configuration asks for the backend {}", self.config.backend.name()));
        }
        let level = backend.level();
        let reason = (level != Level::Strict).then(|| reasons.join("; "));
        match &reason {
            None => tracing::info!(%level, landlock, "the sandbox works"),
            Some(reason) => {
                tracing::warn!(code = "OC-SBX-004", %level, landlock, reason, "the sandbox is not strict")
            }
        }
        metrics::in_force(level);
        InForce { backend, level, reason, landlock, no_control_groups }
    }

    /// Runs `true` once in the strictest sandbox of `backend`, in an empty workspace.
    async fn probe(&self, backend: Backend) -> Result<(), Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("openclaw-probe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let workspace = self.config.scratch.join(name);
        let shown = |error: std::io::Error| Error::Unavailable(format!("{}: {error}", workspace.display()));
        std::fs::create_dir_all(&workspace).map_err(shown)?;
        let job = Job {
            policy: Policy {
                level: backend.level(),
                limits: Limits { wall: Duration::from_secs(10), ..Limits::default() },
                ..Policy::default()
            },
            command: vec!["true".into()],
            environment: BTreeMap::new(),
            stdin: None,
            workspace: workspace.clone(),
            egress: None,
            wanted: Streams::default(),
        };
        let level = job.policy.level;
        let result = self.execute(job, level, CancellationToken::new(), |_| {}, |_| {}).await;
        let _ = std::fs::remove_dir(&workspace);
        match result?.end {
            End::Exited(0) => Ok(()),
            end => Err(Error::Unavailable(format!("a first process ended with {end:?}"))),
        }
    }

    /// Asked of a process of its own: the answer comes with the rules put on.
    async fn landlock_version(&self) -> u8 {
        let mut command = Command::new(&self.config.helper);
        command.args(&self.config.helper_arguments).arg(helper::LANDLOCK).env_clear().stdin(Stdio::null());
        let output = command.output().await.ok();
        output.and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok()).unwrap_or(0)
    }

    async fn groups(&self) -> &Result<Groups, String> {
        self.groups
            .get_or_init(|| async {
                if self.config.control_groups {
                    Groups::of_this_process()
                } else {
                    Err("the configuration turns them off".into())
                }
            })
            .await
    }

    /// As [`Sandbox::run`]; what is kept of the output also goes to `stdout` and `stderr` as it comes.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub async fn run_watched(
        &self,
        job: Job,
        cancel: CancellationToken,
        stdout: impl FnMut(&[u8]) + Send,
        stderr: impl FnMut(&[u8]) + Send,
    ) -> Result<Outcome, Error> {
        let started = Instant::now();
        let asked = job.policy.level;
        let result = match self.level(asked).await {
            Ok(level) => self.execute(job, level, cancel, stdout, stderr).await,
            Err(error) => Err(error),
        };
        metrics::record(asked, &result, started.elapsed());
        match &result {
            Ok(_) if asked == Level::None => {
                tracing::warn!(
                    level = "none",
                    "a process ran without a sandbox, as its task asked and the configuration allows"
                );
            }
            Err(error @ (Error::Unavailable(_) | Error::Level { .. })) => {
                tracing::warn!(code = error.code(), level = %asked, %error, "a sandbox could not be set up");
            }
            _ => {}
        }
        result
    }

    /// The level at which a job runs that asks for `asked`: never a wider one.
    async fn level(&self, asked: Level) -> Result<Level, Error> {
        if asked == Level::None {
            return Ok(asked);
        }
        let found = self.in_force().await;
        match (found.backend, asked) {
            (Backend::Bubblewrap, Level::Relaxed) => Ok(Level::Relaxed),
            (Backend::Bubblewrap, _) => Ok(Level::Strict),
            (Backend::Confined, Level::Confined) => Ok(Level::Confined),
            _ => Err(Error::Level {
                asked,
                reached: found.level,
                reason: found.reason.clone().unwrap_or_default(),
            }),
        }
    }

    async fn execute(
        &self,
        job: Job,
        level: Level,
        cancel: CancellationToken,
        stdout: impl FnMut(&[u8]) + Send,
        stderr: impl FnMut(&[u8]) + Send,
    ) -> Result<Outcome, Error> {
        let wanted = job.wanted;
        let mut request = self.request(job, level)?;
        let leaf = match self.groups().await {
            Ok(groups) => Some(groups.leaf(&request.header.limits).map_err(|error| {
                Error::Unavailable(format!("no control group can be made for the tree: {error}"))
            })?),
            Err(_) => None,
        };
        request.header.group = leaf.as_ref().map(crate::cgroup::Leaf::group);
        let result =
            conversation::hold(&self.config, &self.spare, &request, wanted, cancel, stdout, stderr).await;
        let passed = leaf.as_ref().and_then(crate::cgroup::Leaf::passed);
        explain(result, passed)
    }

    /// Everything the helper has to know.
    fn request(&self, job: Job, level: Level) -> Result<Request, Error> {
        check::words(&job)?;
        let workspace = check::workspace(&job)?;
        let readable = check::places(&job.policy.readable, &workspace)?;
        let writable = check::places(&job.policy.writable, &workspace)?;
        let filters = || self.filters.as_ref().map_err(|reason| Error::Unavailable(reason.clone()));
        let (bwrap, filter) = match level {
            Level::None => (PathBuf::new(), Vec::new()),
            Level::Confined => (PathBuf::new(), filters()?.confined.clone()),
            Level::Relaxed => (self.bwrap()?, filters()?.relaxed.clone()),
            Level::Strict => (self.bwrap()?, filters()?.strict.clone()),
        };
        let mut command = job.command;
        let program = system::locate(&command[0], &workspace, &readable, level == Level::None)
            .ok_or_else(|| Error::NoProgram(command[0].clone()))?;
        command[0] = program.into_os_string().into_string().map_err(|name| {
            Error::Refused(format!("the name of the program {} is not UTF-8", Path::new(&name).display()))
        })?;
        Ok(Request {
            header: Header {
                level,
                command,
                environment: job.environment,
                workspace,
                readable,
                writable,
                egress: job.egress.filter(|_| level == Level::Relaxed),
                limits: job.policy.limits,
                bwrap,
                sandbox_id: self.config.sandbox_id,
                has_stdin: job.stdin.is_some(),
                group: None,
                require_landlock: self.config.require_landlock,
                without: self.config.without.clone(),
            },
            stdin: job.stdin.unwrap_or_default(),
            filter,
        })
    }

    fn bwrap(&self) -> Result<PathBuf, Error> {
        self.config.bwrap.clone().or_else(system::find_bwrap).ok_or_else(|| {
            Error::Unavailable(
                "bubblewrap (bwrap) is not installed in /usr/bin, /usr/local/bin or /bin".into(),
            )
        })
    }
}

/// The end as the control group tells it. A tree that is out of memory is killed as a whole, bubblewrap with it; and a
/// tree that may start no more processes goes on, so that only one that failed has ended for that.
fn explain(result: Result<Outcome, Error>, passed: Option<Limit>) -> Result<Outcome, Error> {
    match (result, passed) {
        (Err(Error::Unavailable(_)), Some(Limit::Memory)) => Ok(Outcome {
            end: End::Limit(Limit::Memory),
            stdout: Vec::new(),
            stderr: Vec::new(),
            truncated: false,
        }),
        (Ok(outcome), Some(limit)) => {
            let failed = match outcome.end {
                End::Exited(code) => code != 0,
                End::Signalled(_) => true,
                End::Limit(_) | End::Cancelled => false,
            };
            let end = if failed { End::Limit(limit) } else { outcome.end };
            Ok(Outcome { end, ..outcome })
        }
        (result, _) => result,
    }
}

impl Sandbox for Machine {
    fn run(&self, job: Job, cancel: CancellationToken) -> Running<'_> {
        Box::pin(self.run_watched(job, cancel, |_| {}, |_| {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: End) -> Result<Outcome, Error> {
        Ok(Outcome { end, stdout: b"out".to_vec(), stderr: Vec::new(), truncated: false })
    }

    #[test]
    fn a_control_group_explains_only_ends_that_are_failures() {
        let memory = Some(Limit::Memory);
        assert_eq!(explain(ended(End::Exited(0)), memory), ended(End::Exited(0)));
        assert_eq!(
            explain(ended(End::Exited(1)), Some(Limit::Processes)),
            ended(End::Limit(Limit::Processes))
        );
        assert_eq!(explain(ended(End::Signalled(9)), memory), ended(End::Limit(Limit::Memory)));
        assert_eq!(explain(ended(End::Cancelled), memory), ended(End::Cancelled));
        assert_eq!(explain(ended(End::Signalled(9)), None), ended(End::Signalled(9)));
        let gone = Err(Error::Unavailable("no report".into()));
        assert_eq!(explain(gone.clone(), memory).unwrap().end, End::Limit(Limit::Memory));
        assert_eq!(explain(gone.clone(), None), gone);
    }
}
