//! `openclaw sandbox run`: one command in a sandbox, from a terminal or a script.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

use openclaw_ports::sandbox::{End, Error, Job, Limit, Policy, Streams};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Machine, system};

/// The environment a process gets that asks for nothing special: where programs are, a home that is writable, UTF-8.
#[must_use]
pub fn default_environment() -> BTreeMap<String, String> {
    [("PATH", system::PATH), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Runs `command` with `workspace` as its only writable place, passes on what it writes, and returns the exit code for
/// the shell: its own, 128 and the signal, 124 after the wall limit, 137 after another one, 130 when interrupted, 125 if the
/// sandbox cannot be set up, 126 if the job is refused, 127 if there is no such program.
///
/// Standard input is empty. The environment is [`default_environment`]. Interrupt and termination kill the tree.
pub async fn run(sandbox: &Machine, policy: Policy, command: Vec<String>, workspace: PathBuf) -> i32 {
    let limits = policy.limits;
    let job = Job {
        policy,
        command,
        environment: default_environment(),
        stdin: None,
        workspace,
        egress: None,
        wanted: Streams { stdout: true, stderr: true },
    };
    let cancel = CancellationToken::new();
    let running = sandbox.run_watched(job, cancel.clone(), to(io::stdout()), to(io::stderr()));
    tokio::pin!(running);
    let outcome = tokio::select! {
        outcome = &mut running => outcome,
        () = interrupted() => {
            cancel.cancel();
            running.await
        }
    };
    let mut stderr = io::stderr().lock();
    match outcome {
        Ok(outcome) => {
            if let End::Limit(limit) = outcome.end {
                let _ = writeln!(
                    stderr,
                    "openclaw: OC-SBX-006: killed, it passed its limit on {limit}: {}",
                    limits.describe(limit)
                );
            }
            exit_code(outcome.end)
        }
        Err(error) => {
            let _ = writeln!(stderr, "openclaw: {}: {error}", error.code());
            match error {
                Error::Unavailable(_) | Error::Level { .. } => 125,
                Error::Refused(_) => 126,
                Error::NoProgram(_) => 127,
            }
        }
    }
}

/// Passes bytes on at once. A reader that has gone away is no reason to stop: the job's effects count, too.
fn to(mut stream: impl Write) -> impl FnMut(&[u8]) {
    move |bytes| {
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }
}

const fn exit_code(end: End) -> i32 {
    match end {
        End::Exited(code) => code,
        End::Signalled(signal) => 128 + signal,
        End::Limit(Limit::Wall) => 124,
        End::Limit(_) => 137,
        End::Cancelled => 130,
    }
}

async fn interrupted() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal ends this process, and the end of the socket kills the tree.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(exit_code(End::Exited(37)), 37);
        assert_eq!(exit_code(End::Signalled(9)), 137);
        assert_eq!(exit_code(End::Limit(Limit::Wall)), 124);
        assert_eq!(exit_code(End::Limit(Limit::Output)), 137);
    }
}
