//! Level `None`: nothing is isolated, but the tree has limits, its own environment, and an end.

use std::{io, os::fd::AsFd, os::unix::process::CommandExt, process::Command};

use rustix::{
    process::{Pid, PidfdFlags, getuid, pidfd_open},
    thread::set_no_new_privs,
};

use super::{
    egress::Forwarder,
    group::Membership,
    isolated::standard_input,
    limits, tree, unavailable,
    wait::{Wakeup, wait_for},
    watchdog::Watchdog,
};
use crate::{
    Layer,
    protocol::{Report, Request},
};

/// Runs the job as the server's user.
pub(super) fn run(request: &Request) -> Result<Report, Report> {
    let header = &request.header;
    let stdin = standard_input(request).map_err(unavailable("cannot hold the standard input"))?;
    let group = Membership::open(header.group.as_ref()).map_err(unavailable("cannot use a control group"))?;

    // What becomes somebody else by a set-user-ID program could not be killed in the end.
    set_no_new_privs(true).map_err(unavailable("cannot give up new privileges"))?;
    set_limits(request)?;
    let (program, arguments) =
        header.command.split_first().expect("the server checked that there is a command");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&header.environment)
        .current_dir(&header.workspace)
        .stdin(stdin)
        .process_group(0);
    let child = group
        .within(|| command.spawn())
        .map_err(unavailable("cannot use a control group"))?
        .map_err(|error| Report::Refused(format!("{program} cannot be started: {error}")))?;
    watch(request, Pid::from_child(&child))
}

/// Sets the limits of this process, which the tree inherits.
pub(super) fn set_limits(request: &Request) -> Result<(), Report> {
    if request.header.without.contains(&Layer::Rlimits) {
        return Ok(());
    }
    // The limit on processes counts all of the user's, not the tree's: there is no namespace of users around it. The
    // kernel does not hold root to it.
    let user = getuid();
    let others = if user.is_root() { 0 } else { tree::threads_of(user.as_raw()) };
    limits::apply(None, &request.header.limits, others).map_err(unavailable("cannot set limits"))
}

/// Waits for the end of `main`, and ends all that is below this process.
pub(super) fn watch(request: &Request, main: Pid) -> Result<Report, Report> {
    let wakeup = wait(request, main);
    let mut status = None;
    tree::kill_all_below(|pid, raw| {
        if pid == main {
            status = Some(raw);
        }
    });
    match (wakeup.map_err(unavailable("cannot watch the process"))?, status) {
        (Wakeup::Kill, _) => Ok(Report::Killed),
        (Wakeup::Passed(limit), _) => Ok(Report::Passed(limit)),
        (Wakeup::Ended, Some(status)) => Ok(ended(status)),
        (Wakeup::Ended, None) => Err(Report::Unavailable("the process ended without a status".into())),
    }
}

fn wait(request: &Request, pid: Pid) -> io::Result<Wakeup> {
    let header = &request.header;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let watchdog = (!header.without.contains(&Layer::Watchdog))
        .then(|| Watchdog::new(header.limits, &header.workspace, header.group.is_some(), 0));
    wait_for(pidfd.as_fd(), watchdog, &mut Forwarder::default())
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
