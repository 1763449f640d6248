//! Level `None`: nothing is isolated, but the tree has limits, its own environment, and an end.

use std::{io, os::fd::AsFd, os::unix::process::CommandExt, process::Command};

use openclaw_ports::sandbox::Limits;
use rustix::{
    process::{Pid, PidfdFlags, getuid, pidfd_open},
    thread::set_no_new_privs,
};

use super::{Wakeup, isolated::standard_input, limits, tree, unavailable, wait_for};
use crate::protocol::{Report, Request};

/// Runs the job as the server's user.
pub(super) fn run(request: &Request) -> Result<Report, Report> {
    let header = &request.header;
    let stdin = standard_input(request).map_err(unavailable("cannot hold the standard input"))?;

    // What becomes somebody else by a set-user-ID program could not be killed in the end.
    set_no_new_privs(true).map_err(unavailable("cannot give up new privileges"))?;
    // The limit on processes counts all of the user's, not the tree's: there is no namespace of users around it. The
    // kernel does not hold root to it.
    let user = getuid();
    let others = if user.is_root() { 0 } else { tree::threads_of(user.as_raw()) };
    let processes = header.limits.processes.saturating_add(others);
    limits::apply(None, &Limits { processes, ..header.limits }).map_err(unavailable("cannot set limits"))?;

    let (program, arguments) =
        header.command.split_first().expect("the server checked that there is a command");
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&header.environment)
        .current_dir(&header.workspace)
        .stdin(stdin)
        .process_group(0)
        .spawn()
        .map_err(|error| Report::Refused(format!("{program} cannot be started: {error}")))?;
    let main = Pid::from_child(&child);

    let wakeup = watch(main);
    let mut status = None;
    tree::kill_all_below(|pid, raw| {
        if pid == main {
            status = Some(raw);
        }
    });
    match (wakeup.map_err(unavailable("cannot watch the process"))?, status) {
        (Wakeup::Kill, _) => Ok(Report::Killed),
        (Wakeup::Ended, Some(status)) => Ok(ended(status)),
        (Wakeup::Ended, None) => Err(Report::Unavailable("the process ended without a status".into())),
    }
}

fn watch(pid: Pid) -> io::Result<Wakeup> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    wait_for(pidfd.as_fd())
}

/// How a process ended, from its wait status.
fn ended(status: i32) -> Report {
    use std::os::unix::process::ExitStatusExt;

    let status = std::process::ExitStatus::from_raw(status);
    match (status.code(), status.signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, Some(signal)) => Report::Signalled(signal),
        (None, None) => Report::Unavailable(format!("the process ended in an unknown way: {status}")),
    }
}
