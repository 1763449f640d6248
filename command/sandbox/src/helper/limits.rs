//! Resource limits of the tree.

use openclaw_ports::sandbox::Limits;
use rustix::{
    io::Errno,
    process::{Pid, Resource, Rlimit, getrlimit, prlimit},
};

/// Limits that no job needs to choose: core dumps, locked memory, message queues, real-time scheduling.
const FIXED: [(Resource, u64); 5] = [
    (Resource::Core, 0),
    (Resource::Memlock, 64 << 10),
    (Resource::Msgqueue, 0),
    (Resource::Nice, 0),
    (Resource::Rtprio, 0),
];

/// Sets the limits of process `pid` (this one if none), which its children inherit.
///
/// A limit above what this process may have is cut to that. The kernel counts `others` with the processes of the tree;
/// and it lets one more start than the tree may have, so that a tree that uses all of them is told from one that
/// would have more.
pub(super) fn apply(pid: Option<Pid>, limits: &Limits, others: u64) -> Result<(), Errno> {
    let chosen = [
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Data, limits.memory_bytes),
        (Resource::Nproc, limits.processes.saturating_add(others).saturating_add(1)),
    ];
    for (resource, value) in FIXED.into_iter().chain(chosen) {
        set(pid, resource, value, value)?;
    }
    // One second between the signal that can be handled and the one that cannot.
    set(pid, Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds.saturating_add(1))
}

fn set(pid: Option<Pid>, resource: Resource, current: u64, maximum: u64) -> Result<(), Errno> {
    let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit { current: Some(current.min(allowed)), maximum: Some(maximum.min(allowed)) };
    prlimit(pid, resource, limit).map(drop)
}
