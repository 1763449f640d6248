//! The server's side: checks a job, starts the helper, enforces the wall limit, collects output.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Error, Job, Level, Limit, Limits, Outcome, Policy, Running, Streams},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    check, metrics,
    output::{self, Kept},
    protocol::{Header, Report, Request},
    seccomp, system,
};

/// How long the helper may take to kill the tree before it is killed itself. Bubblewrap then dies with it.
const GRACE: Duration = Duration::from_secs(10);

/// Longest part of an error output that becomes part of an error.
const MAX_REASON: usize = 512;

/// How to make sandboxes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program that calls [`crate::helper::main`]. Default: the running one, even when its file has been replaced.
    pub helper: PathBuf,
    /// What makes it do so. Default: `sandbox-exec`.
    pub helper_arguments: Vec<String>,
    /// The bubblewrap to use, 0.8 or later. Default: looked for in /usr/bin, /usr/local/bin and /bin at each run.
    pub bwrap: Option<PathBuf>,
    /// User and group of the tree when the server is root; otherwise the tree has the server's. Default: 65534.
    pub sandbox_id: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            helper: "/proc/self/exe".into(),
            helper_arguments: vec!["sandbox-exec".into()],
            bwrap: None,
            sandbox_id: 65534,
        }
    }
}

/// Runs processes in bubblewrap. Fails closed: if a level cannot be reached, nothing runs.
#[derive(Debug)]
pub struct Bubblewrap {
    config: Config,
    /// The system call filters, or why there are none.
    filters: Result<Filters, String>,
}

#[derive(Debug)]
struct Filters {
    strict: Vec<u8>,
    relaxed: Vec<u8>,
}

impl Bubblewrap {
    /// Compiles the system call filters; starts nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let compile = |level| seccomp::program(level).map_err(|error| error.to_string());
        let filters = compile(Level::Strict)
            .and_then(|strict| Ok(Filters { strict, relaxed: compile(Level::Relaxed)? }));
        Self { config, filters }
    }

    /// Runs `true` once in a strict sandbox, in an empty workspace below `scratch`, a directory the server may write.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason, if sandboxes cannot be had on this machine.
    pub async fn probe(&self, scratch: &std::path::Path) -> Result<(), Error> {
        let workspace = scratch.join(".sandbox-probe");
        std::fs::create_dir_all(&workspace)
            .map_err(|error| Error::Unavailable(format!("{}: {error}", workspace.display())))?;
        let job = Job {
            policy: Policy {
                limits: Limits { wall: Duration::from_secs(10), ..Limits::default() },
                ..Policy::default()
            },
            command: vec!["true".into()],
            environment: std::collections::BTreeMap::new(),
            stdin: None,
            workspace: workspace.clone(),
            egress: None,
            wanted: Streams::default(),
        };
        let result = self.run(job, CancellationToken::new()).await;
        let _ = std::fs::remove_dir(&workspace);
        match result?.end {
            End::Exited(0) => Ok(()),
            end => Err(Error::Unavailable(format!("a first process ended with {end:?}"))),
        }
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
        let mut job = job;
        if job.policy.level == Level::Confined {
            // Strict is reached here, and stricter.
            job.policy.level = Level::Strict;
        }
        let level = job.policy.level;
        let result = self.execute(job, cancel, stdout, stderr).await;
        metrics::record(level, &result, started.elapsed());
        if let Err(Error::Unavailable(reason)) = &result {
            tracing::warn!(code = "OC-SBX-001", ?level, reason, "a sandbox could not be set up");
        }
        result
    }

    async fn execute(
        &self,
        job: Job,
        cancel: CancellationToken,
        seen_stdout: impl FnMut(&[u8]) + Send,
        seen_stderr: impl FnMut(&[u8]) + Send,
    ) -> Result<Outcome, Error> {
        let limits = job.policy.limits;
        let deadline = Instant::now() + limits.wall;
        let request = self.request(job)?;
        let (mut helper, server) =
            self.start_helper().map_err(unavailable("the helper cannot be started"))?;
        let stdout = helper.stdout.take().expect("stdout is piped");
        let stderr = helper.stderr.take().expect("stderr is piped");

        let (stdout, stderr, (stop, report)) = tokio::join!(
            output::drain(stdout, limits.output_bytes, seen_stdout),
            output::drain(stderr, limits.output_bytes, seen_stderr),
            async {
                let answer = converse(server, &request, deadline, &cancel).await;
                if matches!(answer, (_, Err(Silence::Stuck))) {
                    // The tree goes with it: bubblewrap is bound to its parent's life.
                    let _ = helper.start_kill();
                }
                answer
            },
        );
        let status = helper.wait().await.map_err(unavailable("the helper cannot be awaited"))?;
        match (stop, report) {
            (Some(end), Ok(_) | Err(Silence::Stuck)) => Ok(outcome(end, stdout, stderr)),
            (None, Ok(Report::Exited(code))) => Ok(outcome(End::Exited(code), stdout, stderr)),
            (None, Ok(Report::Signalled(signal))) => Ok(outcome(End::Signalled(signal), stdout, stderr)),
            (_, Ok(Report::SetupFailed)) => Err(setup_failure(&request.header.command[0], &stderr.bytes)),
            (_, Ok(Report::Unavailable(reason))) => Err(Error::Unavailable(reason)),
            (_, Ok(Report::Refused(reason))) => Err(Error::Refused(reason)),
            (None, Ok(Report::Killed)) | (_, Err(_)) => Err(Error::Unavailable(format!(
                "the helper ended without a report ({status}): {}",
                excerpt(&stderr.bytes)
            ))),
        }
    }

    /// Everything the helper has to know.
    fn request(&self, job: Job) -> Result<Request, Error> {
        check::words(&job)?;
        let workspace = check::workspace(&job)?;
        let (bwrap, filter) = match job.policy.level {
            Level::None | Level::Confined => (PathBuf::new(), Vec::new()),
            Level::Relaxed | Level::Strict => {
                let bwrap = self.config.bwrap.clone().or_else(system::find_bwrap).ok_or_else(|| {
                    Error::Unavailable(
                        "bubblewrap (bwrap) is not installed in /usr/bin, /usr/local/bin or /bin".into(),
                    )
                })?;
                let filters = self.filters.as_ref().map_err(|reason| Error::Unavailable(reason.clone()))?;
                let filter =
                    if job.policy.level == Level::Strict { &filters.strict } else { &filters.relaxed };
                (bwrap, filter.clone())
            }
        };
        let mut command = job.command;
        let program = system::locate(&command[0], &workspace, job.policy.level == Level::None)
            .ok_or_else(|| Error::NoProgram(command[0].clone()))?;
        command[0] = program.into_os_string().into_string().map_err(|name| {
            Error::Refused(format!("the name of the program {} is not UTF-8", name.display()))
        })?;
        Ok(Request {
            header: Header {
                level: job.policy.level,
                command,
                environment: job.environment,
                workspace,
                limits: job.policy.limits,
                bwrap,
                sandbox_id: self.config.sandbox_id,
                has_stdin: job.stdin.is_some(),
            },
            stdin: job.stdin.unwrap_or_default(),
            filter,
        })
    }

    fn start_helper(&self) -> io::Result<(Child, UnixStream)> {
        let (server, helper) = std::os::unix::net::UnixStream::pair()?;
        server.set_nonblocking(true)?;
        let child = Command::new(&self.config.helper)
            .args(&self.config.helper_arguments)
            .env_clear()
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(helper)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal from the terminal is for the server, which decides what to do about its jobs.
            .process_group(0)
            .spawn()?;
        Ok((child, UnixStream::from_std(server)?))
    }
}

impl Sandbox for Bubblewrap {
    fn run(&self, job: Job, cancel: CancellationToken) -> Running<'_> {
        Box::pin(self.run_watched(job, cancel, |_| {}, |_| {}))
    }
}

/// Why there is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    /// The helper ended without one.
    Ended,
    /// It does not answer.
    Stuck,
}

/// Sends the request and waits for the report; the first value says whether the tree was told to end, and why.
///
/// Dropping this future closes the socket, which tells the helper to kill the tree.
async fn converse(
    mut server: UnixStream,
    request: &Request,
    deadline: Instant,
    cancel: &CancellationToken,
) -> (Option<End>, Result<Report, Silence>) {
    let bytes = request.encode().expect("the request is plain data and its path is UTF-8");
    if server.write_all(&bytes).await.is_err() {
        return (None, Err(Silence::Ended));
    }
    drop(bytes);
    let mut answer = Vec::new();
    let stop = tokio::select! {
        biased;
        _ = server.read_to_end(&mut answer) => return (None, parse(&answer)),
        () = cancel.cancelled() => End::Cancelled,
        () = tokio::time::sleep_until(deadline) => End::Limit(Limit::Wall),
    };
    let _ = server.shutdown().await;
    match timeout(GRACE, server.read_to_end(&mut answer)).await {
        Ok(_) => (Some(stop), parse(&answer)),
        Err(_) => (Some(stop), Err(Silence::Stuck)),
    }
}

fn parse(answer: &[u8]) -> Result<Report, Silence> {
    serde_json::from_slice(answer).map_err(|_| Silence::Ended)
}

fn outcome(end: End, stdout: Kept, stderr: Kept) -> Outcome {
    Outcome { end, truncated: stdout.cut || stderr.cut, stdout: stdout.bytes, stderr: stderr.bytes }
}

/// What bubblewrap said before it gave up. `execvp` is its last step: the sandbox stood, the program did not start.
fn setup_failure(program: &str, stderr: &[u8]) -> Error {
    let said = excerpt(stderr);
    if said.contains("bwrap: execvp ") {
        Error::NoProgram(program.to_owned())
    } else {
        Error::Unavailable(said)
    }
}

fn excerpt(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.trim().chars().take(MAX_REASON).collect()
}

fn unavailable(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::Unavailable(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_start_is_told_from_a_sandbox_that_does_not() {
        assert_eq!(
            setup_failure("/usr/bin/x", b"bwrap: execvp /usr/bin/x: Permission denied\n"),
            Error::NoProgram("/usr/bin/x".into())
        );
        assert_eq!(
            setup_failure("/usr/bin/x", b"bwrap: No permissions to create a new namespace\n"),
            Error::Unavailable("bwrap: No permissions to create a new namespace".into())
        );
    }
}
