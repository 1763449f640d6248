//! What a worker process may have.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
};

/// Memory of a worker, in bytes.
///
/// Limited as writable memory (`RLIMIT_DATA`) rather than address space: the allocator and the program's own image
/// reserve addresses that are never used.
const MEMORY_BYTES: u64 = 256 << 20;
/// Stack of a worker's main thread, in bytes. jq recurses with the program and with nested values.
const STACK_BYTES: u64 = 64 << 20;

/// Limits this process for good. The parent's end is its end, also in the middle of an evaluation.
pub(super) fn apply() -> Result<(), Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Data, MEMORY_BYTES)?;
    // A stack grows up to the limit of the moment; a smaller one than asked for only means an earlier end.
    let allowed = getrlimit(Resource::Stack).maximum.unwrap_or(u64::MAX);
    setrlimit(
        Resource::Stack,
        Rlimit { current: Some(STACK_BYTES.min(allowed)), maximum: Some(STACK_BYTES.min(allowed)) },
    )
}

fn limit(resource: Resource, value: u64) -> Result<(), Errno> {
    let value = getrlimit(resource).maximum.map_or(value, |allowed| allowed.min(value));
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
}
