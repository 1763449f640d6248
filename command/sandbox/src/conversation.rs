//! The server's side of one job: starts the helper, enforces the wall limit and that on output, collects output.

use std::{
    io,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use openclaw_ports::sandbox::{End, Error, Limit, Outcome, Streams};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    machine::Config,
    output::{self, Kept},
    protocol::{Report, Request},
};

/// How long the helper may take to kill the tree before it is killed itself. Bubblewrap then dies with it.
const GRACE: Duration = Duration::from_secs(10);

/// Longest part of an error output that becomes part of an error.
const MAX_REASON: usize = 512;

/// The signals of the kernel's limits on processor time and on the size of a file.
const XCPU: i32 = 24;
const XFSZ: i32 = 25;

/// Carries out `request` to its end. What is kept of the output also goes to `seen_stdout` and `seen_stderr`.
pub(crate) async fn hold(
    config: &Config,
    spare: &Spare,
    request: &Request,
    wanted: Streams,
    cancel: CancellationToken,
    seen_stdout: impl FnMut(&[u8]) + Send,
    seen_stderr: impl FnMut(&[u8]) + Send,
) -> Result<Outcome, Error> {
    let limits = request.header.limits;
    let deadline = Instant::now() + limits.wall;
    let (mut helper, server) = spare.take(config).map_err(unavailable("the helper cannot be started"))?;
    let stdout = helper.stdout.take().expect("stdout is piped");
    let stderr = helper.stderr.take().expect("stderr is piped");

    let flood = CancellationToken::new();
    let stop_if = |wanted: bool| {
        let flood = &flood;
        move || {
            if wanted {
                flood.cancel();
            }
        }
    };
    let (stdout, stderr, (stop, report)) = tokio::join!(
        output::drain(stdout, limits.output_bytes, seen_stdout, stop_if(wanted.stdout)),
        output::drain(stderr, limits.output_bytes, seen_stderr, stop_if(wanted.stderr)),
        async {
            let answer = converse(server, request, deadline, &cancel, &flood, || spare.refill(config)).await;
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
        (None, Ok(Report::Exited(code))) => {
            // It may have ended just before the end of its output was read.
            let end = if flood.is_cancelled() { End::Limit(Limit::Output) } else { End::Exited(code) };
            Ok(outcome(end, stdout, stderr))
        }
        (None, Ok(Report::Signalled(XCPU))) => Ok(outcome(End::Limit(Limit::Cpu), stdout, stderr)),
        (None, Ok(Report::Signalled(XFSZ))) => Ok(outcome(End::Limit(Limit::FileSize), stdout, stderr)),
        (None, Ok(Report::Signalled(signal))) => Ok(outcome(End::Signalled(signal), stdout, stderr)),
        (None, Ok(Report::Passed(limit))) => Ok(outcome(End::Limit(limit), stdout, stderr)),
        (_, Ok(Report::NoProgram)) => Err(Error::NoProgram(request.header.command[0].clone())),
        (_, Ok(Report::SetupFailed)) => Err(Error::Unavailable(excerpt(&stderr.bytes))),
        (_, Ok(Report::Unavailable(reason))) => Err(Error::Unavailable(reason)),
        (_, Ok(Report::Refused(reason))) => Err(Error::Refused(reason)),
        (None, Ok(Report::Killed)) | (_, Err(_)) => Err(Error::Unavailable(format!(
            "the helper ended without a report ({status}): {}",
            excerpt(&stderr.bytes)
        ))),
    }
}

/// A helper that has been started before there is a job for it: it waits for its request as it would for the rest of
/// one. Saves a job the time that a process takes to start. Ends with the server, like any helper.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Option<(Child, UnixStream)>>);

impl Spare {
    fn take(&self, config: &Config) -> io::Result<(Child, UnixStream)> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Somebody may have ended it meanwhile.
        match spare.map(|(mut child, server)| (matches!(child.try_wait(), Ok(None)), child, server)) {
            Some((true, child, server)) => Ok((child, server)),
            _ => start(config),
        }
    }

    fn refill(&self, config: &Config) {
        if !config.spare_helper {
            return;
        }
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            // The next job tries again, and says why it does not work.
            *spare = start(config).ok();
        }
    }
}

fn start(config: &Config) -> io::Result<(Child, UnixStream)> {
    let (server, helper) = std::os::unix::net::UnixStream::pair()?;
    server.set_nonblocking(true)?;
    let child = Command::new(&config.helper)
        .args(&config.helper_arguments)
        .env_clear()
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(helper)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal from the terminal is for the server, which decides what to do about its jobs.
        .process_group(0)
        .spawn()?;
    Ok((child, UnixStream::from_std(server)?))
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
    flood: &CancellationToken,
    sent: impl FnOnce(),
) -> (Option<End>, Result<Report, Silence>) {
    let bytes = request.encode().expect("the request is plain data and its paths are UTF-8");
    if server.write_all(&bytes).await.is_err() {
        return (None, Err(Silence::Ended));
    }
    drop(bytes);
    sent();
    let mut answer = Vec::new();
    let stop = tokio::select! {
        biased;
        _ = server.read_to_end(&mut answer) => return (None, parse(&answer)),
        () = cancel.cancelled() => End::Cancelled,
        () = flood.cancelled() => End::Limit(Limit::Output),
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

fn excerpt(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.trim().chars().take(MAX_REASON).collect()
}

fn unavailable(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::Unavailable(format!("{what}: {error}"))
}
