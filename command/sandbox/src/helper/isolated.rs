//! Levels `Strict` and `Relaxed`: the tree lives in a bubblewrap.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use openclaw_ports::sandbox::Level;
use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, FdFlags, fcntl_setfd},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, pidfd_send_signal, wait},
};
use serde::Deserialize;

use super::{
    arguments::{Descriptors, INSIDE_ID, Plan},
    channel,
    egress::Forwarder,
    group::Membership,
    identity, inner_words, limits, memory_file, unavailable,
    wait::{Wakeup, wait_for},
    watchdog::Watchdog,
    workspace,
};
use crate::{
    Layer,
    protocol::{Fault, Header, Inner, Report, Request, Rules},
};

/// Bubblewrap's two processes, which are in the tree and not of the job.
const OWN_PROCESSES: u64 = 2;

/// Signals that end a process by default. A code of 128 and one of these means that signal.
const DEADLY: [i32; 23] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31];

/// Runs the job in a bubblewrap, as a user that is not root.
pub(super) fn run(request: &Request) -> Result<Report, Report> {
    let header = &request.header;
    std::env::set_current_dir("/").map_err(unavailable("cannot leave the working directory"))?;
    // Before the workspace is handed over: that may hide the directory in which the socket is.
    let mut forwarder = Forwarder::open(header.egress.as_deref(), header.sandbox_id)
        .map_err(|error| Report::Refused(format!("the way out cannot be used: {error}")))?;
    let source = workspace::hand_over(&header.workspace, header.sandbox_id)?;
    let group = Membership::open(header.group.as_ref()).map_err(unavailable("cannot use a control group"))?;
    let own = own_program().map_err(unavailable("cannot open the own program"))?;
    if !header.without.contains(&Layer::User) {
        identity::leave_root(header.sandbox_id).map_err(unavailable("cannot become the sandbox's user"))?;
    }

    let Started { bwrap, mut status, block, channel } = start(request, &source, &group, own, &forwarder)?;
    forwarder.expect_listener(&channel).map_err(unavailable("cannot watch the inner stage"))?;
    let monitor = Pid::from_child(&bwrap);
    let first = first_process(&mut status);
    let wakeup = first.as_ref().map_or(Ok(Wakeup::Ended), |first| {
        release(first, block, request)?;
        let pidfd =
            pidfd_open(monitor, PidfdFlags::empty()).map_err(unavailable("cannot watch bubblewrap"))?;
        let watchdog = (!header.without.contains(&Layer::Watchdog))
            .then(|| Watchdog::new(header.limits, &source, header.group.is_some(), OWN_PROCESSES));
        wait_for(pidfd.as_fd(), watchdog, &mut forwarder).map_err(unavailable("cannot watch bubblewrap"))
    });
    drop(forwarder);
    bury(monitor, first.as_ref(), !matches!(wakeup, Ok(Wakeup::Ended)));

    match wakeup? {
        Wakeup::Kill => return Ok(Report::Killed),
        Wakeup::Passed(limit) => return Ok(Report::Passed(limit)),
        Wakeup::Ended => {}
    }
    match channel::fault(channel) {
        Some(Fault::NoProgram) => return Err(Report::NoProgram),
        Some(Fault::Layer(reason)) => return Err(Report::Unavailable(reason)),
        None => {}
    }
    let mut rest = String::new();
    let _ = status.read_to_string(&mut rest);
    Ok(match rest.lines().find_map(|line| serde_json::from_str::<ExitCode>(line).ok()) {
        // Bubblewrap reports a code only if the inner stage was started.
        Some(ExitCode { code }) if DEADLY.contains(&(code - 128)) => Report::Signalled(code - 128),
        Some(ExitCode { code }) => Report::Exited(code),
        None => Report::SetupFailed,
    })
}

/// This program, as a child finds it that sees nothing of its file: by a descriptor that it inherits.
fn own_program() -> io::Result<OwnedFd> {
    Ok(open("/proc/self/exe", OFlags::PATH, Mode::empty())?)
}

/// The standard input of the job, empty if it has none.
pub(super) fn standard_input(request: &Request) -> io::Result<Stdio> {
    if !request.header.has_stdin {
        return Ok(Stdio::null());
    }
    Ok(memory_file::inherited("stdin", &request.stdin)?.into())
}

/// A bubblewrap that has been started and waits to be released.
struct Started {
    bwrap: std::process::Child,
    /// What it says about itself.
    status: BufReader<File>,
    /// One byte here releases it.
    block: File,
    /// What the inner stage says.
    channel: OwnedFd,
}

/// The descriptors of a bubblewrap that is about to start.
struct Files {
    inherited: Vec<OwnedFd>,
    status: OwnedFd,
    block: OwnedFd,
    channel: OwnedFd,
}

/// The first process inside, whose death is the death of all.
struct First {
    pid: Pid,
    pidfd: OwnedFd,
}

#[derive(Deserialize)]
struct ChildPid {
    #[serde(rename = "child-pid")]
    pid: i32,
}

#[derive(Deserialize)]
struct ExitCode {
    #[serde(rename = "exit-code")]
    code: i32,
}

fn start(
    request: &Request,
    source: &Path,
    group: &Membership,
    own: OwnedFd,
    forwarder: &Forwarder,
) -> Result<Started, Report> {
    let prepared = prepare(request, source, own, forwarder.is_open());
    let (mut command, files) = prepared.map_err(unavailable("cannot prepare the sandbox"))?;
    let spawned = group.within(|| command.spawn()).map_err(unavailable("cannot use a control group"))?;
    let bwrap = spawned.map_err(|error| {
        Report::Unavailable(format!("{} cannot be started: {error}", request.header.bwrap.display()))
    })?;
    drop(files.inherited);
    Ok(Started {
        bwrap,
        status: BufReader::new(files.status.into()),
        block: files.block.into(),
        channel: files.channel,
    })
}

fn prepare(request: &Request, source: &Path, own: OwnedFd, egress: bool) -> io::Result<(Command, Files)> {
    let header = &request.header;
    let user = format!("sandbox:x:{INSIDE_ID}:{INSIDE_ID}::/tmp:/bin/sh\n");
    let passwd = memory_file::inherited("passwd", user.as_bytes())?;
    let group = memory_file::inherited("group", format!("sandbox:x:{INSIDE_ID}:\n").as_bytes())?;
    let hosts = memory_file::inherited("hosts", b"127.0.0.1 localhost sandbox\n::1 localhost\n")?;
    let filter = (!header.without.contains(&Layer::Seccomp))
        .then(|| memory_file::inherited("filter", &request.filter));
    let filter = filter.transpose()?;
    let (status, status_writer) = pipe_with(PipeFlags::empty())?;
    let (block_reader, block) = pipe_with(PipeFlags::empty())?;
    // These two ends stay here.
    fcntl_setfd(&status, FdFlags::CLOEXEC)?;
    fcntl_setfd(&block, FdFlags::CLOEXEC)?;
    let (channel, inside) = channel::pair()?;
    let plan = Plan {
        header,
        source,
        protected: &workspace::protected(source),
        descriptors: Descriptors {
            filter: filter.as_ref().map(AsRawFd::as_raw_fd),
            passwd: passwd.as_raw_fd(),
            group: group.as_raw_fd(),
            hosts: hosts.as_raw_fd(),
            status: status_writer.as_raw_fd(),
            block: block_reader.as_raw_fd(),
        },
    };
    let options = memory_file::inherited("options", &plan.encode())?;
    let stdin = header.has_stdin.then(|| memory_file::inherited("stdin", &request.stdin)).transpose()?;
    let mut environment = header.environment.clone();
    environment.insert("PWD".into(), header.workspace.display().to_string());
    let inner = Inner {
        command: header.command.clone(),
        environment,
        stdin: stdin.as_ref().map(|file| file.as_raw_fd().unsigned_abs()),
        rules: (!header.without.contains(&Layer::Landlock)).then(|| rules(header)),
        filter: None,
        egress,
    };
    let instructions = memory_file::inherited("instructions", &serde_json::to_vec(&inner)?)?;
    let mut command = Command::new(&header.bwrap);
    command
        .arg("--args")
        .arg(options.as_raw_fd().to_string())
        .arg("--")
        .arg(format!("/proc/self/fd/{}", own.as_raw_fd()))
        .args(inner_words(instructions.as_raw_fd()))
        // Bubblewrap's own process 1 is visible inside, and so is the environment it was started with.
        .env_clear()
        .stdin(Stdio::from(inside));
    let mut inherited = vec![passwd, group, hosts, status_writer, block_reader, options, instructions, own];
    inherited.extend(filter);
    inherited.extend(stdin);
    Ok((command, Files { inherited, status, block, channel }))
}

/// What bubblewrap allows, said once more by another part of the kernel.
fn rules(header: &Header) -> Rules {
    let mut write: Vec<PathBuf> = ["/tmp", "/dev/shm"].map(PathBuf::from).to_vec();
    write.push(header.workspace.clone());
    write.extend(header.writable.iter().cloned());
    Rules {
        read: vec!["/".into()],
        write,
        devices: vec!["/dev".into()],
        no_tcp: header.level == Level::Strict,
        require: header.require_landlock,
    }
}

/// Waits until the first process exists; none if bubblewrap gave up before.
fn first_process(status: &mut BufReader<File>) -> Option<First> {
    let mut line = String::new();
    status.read_line(&mut line).ok()?;
    let pid = Pid::from_raw(serde_json::from_str::<ChildPid>(&line).ok()?.pid)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    Some(First { pid, pidfd })
}

/// Sets the limits and lets the program start.
///
/// Limits are set from here and not before bubblewrap starts, for the sake of the limit on processes: set before, it
/// would be that of the namespace of users as a whole and count every process of the user on the machine, of other
/// sandboxes too. Set now, it counts within this sandbox.
fn release(first: &First, mut block: File, request: &Request) -> Result<(), Report> {
    let limited = if request.header.without.contains(&Layer::Rlimits) {
        Ok(())
    } else {
        limits::apply(Some(first.pid), &request.header.limits, 1)
    };
    match limited {
        // Already gone: the status says why.
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(unavailable("cannot set limits")(error)),
    }
    let _ = block.write_all(b"x");
    Ok(())
}

/// Kills what is left and waits until nothing is.
///
/// The first process cannot be collected before the kernel has collected all others of its namespace. With its
/// parent gone it is this process's child.
fn bury(monitor: Pid, first: Option<&First>, kill_monitor: bool) {
    if let Some(first) = first {
        let _ = pidfd_send_signal(&first.pidfd, Signal::KILL);
    }
    if kill_monitor {
        let _ = kill_process(monitor, Signal::KILL);
    }
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
