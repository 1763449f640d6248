//! The filter on system calls: an allow-list, everything else answers ENOSYS.
//!
//! ENOSYS and not EPERM, because programs then fall back as they would on an older kernel: libc from `clone3` to
//! `clone`, Node.js from io_uring to its thread pool. Calls of a foreign architecture (int 0x80) kill the process;
//! x32 numbers are unknown to the list.
//!
//! Invariant: every comparison of an argument is on its lower 32 bits. The kernel truncates these arguments to int,
//! so a 64-bit comparison can be evaded by setting upper bits (CVE-2019-7303).

mod calls;
mod ranges;

use std::collections::BTreeMap;

use openclaw_ports::sandbox::Level;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Set-user-ID and set-group-ID: a file that carries them is a trap for whoever runs it outside.
const SET_ID_BITS: u64 = 0o6000;

/// Creates a file: the mode argument counts. `__O_TMPFILE` is the part of `O_TMPFILE` that is not `O_DIRECTORY`.
const CREATING: u64 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;

/// Every flag with which `clone` makes a namespace.
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Instructions with which seccompiler's programs begin: they kill a process of another architecture.
const ARCHITECTURE_CHECK: usize = 3;

/// The program for `level`, as bubblewrap reads it: `struct sock_filter` after `struct sock_filter`.
///
/// First come the calls that are always allowed, as ranges of numbers; what is left goes on to the rules with
/// arguments. The kernel tries every call when it installs a filter, so its length is paid at each start: one
/// comparison for each call cost 1 ms.
///
/// # Errors
/// If the compiler has no back end for this architecture.
pub(crate) fn program(level: Level) -> Result<Vec<u8>, BackendError> {
    let filter = SeccompFilter::new(
        rules(level)?,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    let mut program = BpfProgram::try_from(filter)?;
    let rest = program.split_off(ARCHITECTURE_CHECK);
    ranges::allow(&calls::always().collect(), &mut program);
    program.extend(rest);
    Ok(program
        .into_iter()
        .flat_map(|instruction| {
            let [code0, code1] = instruction.code.to_ne_bytes();
            let [k0, k1, k2, k3] = instruction.k.to_ne_bytes();
            [code0, code1, instruction.jt, instruction.jf, k0, k1, k2, k3]
        })
        .collect())
}

fn rules(level: Level) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules = BTreeMap::new();
    rules.insert(libc::SYS_clone, vec![any_of_bits(0, NEW_NAMESPACES, 0)?]);
    rules.insert(
        libc::SYS_ioctl,
        vec![SeccompRule::new(vec![
            compare(1, SeccompCmpOp::Ne, libc::TIOCSTI)?,
            compare(1, SeccompCmpOp::Ne, libc::TIOCLINUX)?,
        ])?],
    );
    // The query and the default; everything else (no address randomisation, read implies exec) is for exploits.
    rules.insert(libc::SYS_personality, vec![equals(0, 0)?, equals(0, u64::from(u32::MAX))?]);
    // A local socket leads to any service of the machine whose path can be found, where there is no view of one's own.
    // No rule at all, as an empty list of rules would be no condition.
    if level != Level::Confined {
        rules.insert(libc::SYS_socket, sockets(level)?);
    }
    rules.insert(libc::SYS_socketpair, vec![equals(0, libc::AF_UNIX as u64)?]);

    rules.insert(libc::SYS_openat, opening(2, 3)?);
    rules.insert(libc::SYS_mkdirat, vec![any_of_bits(2, SET_ID_BITS, 0)?]);
    rules.insert(libc::SYS_fchmod, vec![any_of_bits(1, SET_ID_BITS, 0)?]);
    rules.insert(libc::SYS_fchmodat, vec![any_of_bits(2, SET_ID_BITS, 0)?]);
    rules.insert(libc::SYS_mknodat, regular_file(2)?);
    #[cfg(target_arch = "x86_64")]
    {
        rules.insert(libc::SYS_open, opening(1, 2)?);
        rules.insert(libc::SYS_creat, vec![any_of_bits(1, SET_ID_BITS, 0)?]);
        rules.insert(libc::SYS_mkdir, vec![any_of_bits(1, SET_ID_BITS, 0)?]);
        rules.insert(libc::SYS_chmod, vec![any_of_bits(1, SET_ID_BITS, 0)?]);
        rules.insert(libc::SYS_mknod, regular_file(1)?);
    }
    Ok(rules)
}

/// Puts a program that [`program`] made on this process, for good.
///
/// # Errors
/// If the bytes are no program, or the kernel refuses it.
pub(crate) fn install(program: &[u8]) -> Result<(), String> {
    let instructions: BpfProgram = program
        .chunks_exact(8)
        .map(|bytes| seccompiler::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect();
    seccompiler::apply_filter(&instructions).map_err(|error| error.to_string())
}

/// Local sockets; and at `Relaxed` TCP and UDP, which lead nowhere but to the sandbox's own loopback.
fn sockets(level: Level) -> Result<Vec<SeccompRule>, BackendError> {
    /// The low bits of the type argument; above them are SOCK_NONBLOCK and SOCK_CLOEXEC.
    const TYPE_BITS: u64 = 0xf;
    let mut rules = vec![equals(0, libc::AF_UNIX as u64)?];
    if level == Level::Relaxed {
        for family in [libc::AF_INET, libc::AF_INET6] {
            for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
                rules.push(SeccompRule::new(vec![
                    compare(0, SeccompCmpOp::Eq, family as u64)?,
                    compare(1, SeccompCmpOp::MaskedEq(TYPE_BITS), kind as u64)?,
                ])?);
            }
        }
    }
    Ok(rules)
}

/// Opens what exists, or creates something without set-id bits.
fn opening(flags: u8, mode: u8) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![any_of_bits(flags, CREATING, 0)?, any_of_bits(mode, SET_ID_BITS, 0)?])
}

/// Makes a plain file: no device, FIFO or socket node that could hang or mislead who looks at the workspace later.
fn regular_file(mode: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let mask = u64::from(libc::S_IFMT) | SET_ID_BITS;
    Ok(vec![any_of_bits(mode, mask, u64::from(libc::S_IFREG))?, any_of_bits(mode, mask, 0)?])
}

fn equals(argument: u8, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![compare(argument, SeccompCmpOp::Eq, value)?])
}

fn any_of_bits(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![compare(argument, SeccompCmpOp::MaskedEq(mask), value)?])
}

fn compare(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

#[cfg(test)]
mod tests;
