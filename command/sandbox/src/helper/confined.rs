//! Level `Confined`: what a process can be kept from without namespaces, on machines that allow none.
//!
//! Landlock keeps its files to the system's programs and the workspace, its signals and traces to its own tree, and
//! its connections off TCP; the filter on system calls leaves it no socket of any family to make; limits bound it, and
//! the end of the tree is found by descent. What this cannot give is said in `ops/docs/sandbox.md`: it has no process
//! ids and no /tmp of its own, and names of processes and network devices of the machine can be read.

use std::{
    fs,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::{process::Pid, thread::set_no_new_privs};

use super::{bare, channel, group::Membership, identity, inner_words, memory_file, unavailable, workspace};
use crate::{
    Layer,
    protocol::{Fault, Inner, Report, Request, Rules},
    system,
};

/// What of the machine's state a program may read.
const STATE: [&str; 6] = [
    "/proc",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/ssl/openssl.cnf",
    "/sys/devices/system/cpu",
];

/// Devices that are nobody's.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Runs the job with the rules on, as a user that is not root.
pub(super) fn run(request: &Request) -> Result<Report, Report> {
    let header = &request.header;
    let source = workspace::hand_over(&header.workspace, header.sandbox_id)?;
    if source != header.workspace {
        return Err(Report::Refused(format!(
            "user {} may not enter {}; without namespaces its workspace cannot be shown elsewhere",
            header.sandbox_id,
            source.display()
        )));
    }
    let group = Membership::open(header.group.as_ref()).map_err(unavailable("cannot use a control group"))?;
    let own = fs::File::open("/proc/self/exe").map_err(unavailable("cannot open the own program"))?;
    identity::drop_bounds();
    identity::leave_root(header.sandbox_id).map_err(unavailable("cannot become the sandbox's user"))?;
    std::env::set_current_dir(&header.workspace).map_err(unavailable("cannot enter the workspace"))?;

    let scratch = Scratch::make(&header.workspace)?;
    let (outside, inside) = channel::pair().map_err(unavailable("cannot make a channel"))?;
    let files = Files::make(request, &scratch.0).map_err(unavailable("cannot prepare the inner stage"))?;
    set_no_new_privs(true).map_err(unavailable("cannot give up new privileges"))?;
    bare::set_limits(request)?;
    let mut command = Command::new(format!("/proc/self/fd/{}", own.as_raw_fd()));
    command
        .args(inner_words(files.instructions.as_raw_fd()))
        .env_clear()
        .stdin(Stdio::from(inside))
        .process_group(0);
    let child = group
        .within(|| command.spawn())
        .map_err(unavailable("cannot use a control group"))?
        .map_err(unavailable("cannot start the inner stage"))?;
    drop(command);
    drop(files);
    let report = bare::watch(request, Pid::from_child(&child));
    match channel::fault(outside) {
        Some(Fault::NoProgram) => Err(Report::NoProgram),
        Some(Fault::Layer(reason)) => Err(Report::Unavailable(reason)),
        None => report,
    }
}

/// Files that the inner stage inherits.
struct Files {
    instructions: OwnedFd,
    /// Only kept open.
    _others: Vec<OwnedFd>,
}

impl Files {
    fn make(request: &Request, scratch: &Path) -> std::io::Result<Self> {
        let header = &request.header;
        let mut others = Vec::new();
        let mut inherit = |name: &str, bytes: &[u8]| -> std::io::Result<u32> {
            let file = memory_file::inherited(name, bytes)?;
            let number = file.as_raw_fd().unsigned_abs();
            others.push(file);
            Ok(number)
        };
        let filter = (!header.without.contains(&Layer::Seccomp)).then(|| inherit("filter", &request.filter));
        let stdin = header.has_stdin.then(|| inherit("stdin", &request.stdin));
        let mut environment = header.environment.clone();
        for name in ["TMPDIR", "HOME"] {
            environment.insert(name.into(), scratch.display().to_string());
        }
        environment.insert("PWD".into(), header.workspace.display().to_string());
        let inner = Inner {
            command: header.command.clone(),
            environment,
            stdin: stdin.transpose()?,
            rules: (!header.without.contains(&Layer::Landlock)).then(|| rules(request)),
            filter: filter.transpose()?,
            egress: false,
        };
        let instructions = memory_file::inherited("instructions", &serde_json::to_vec(&inner)?)?;
        Ok(Self { instructions, _others: others })
    }
}

fn rules(request: &Request) -> Rules {
    let header = &request.header;
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    let mut read = paths(&["/usr"]);
    read.extend(paths(&system::TOP_LEVEL));
    read.extend(paths(&system::ETC));
    read.extend(paths(&STATE));
    read.extend(header.readable.iter().cloned());
    let mut write = vec![header.workspace.clone()];
    write.extend(header.writable.iter().cloned());
    Rules { read, write, devices: paths(&DEVICES), no_tcp: true, require: true }
}

/// A directory for what would be in /tmp, below the workspace; it goes with the job.
struct Scratch(PathBuf);

impl Scratch {
    fn make(workspace: &Path) -> Result<Self, Report> {
        let path = workspace.join(format!(".openclaw-tmp-{}", std::process::id()));
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(unavailable("cannot make a directory for temporary files"))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
