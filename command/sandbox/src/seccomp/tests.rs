use super::*;

/// What the kernel says to one call.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Unknown,
    Kill,
}
use Verdict::{Allow, Kill, Unknown};

/// Runs a program on a call as the kernel does (classic BPF, the instructions that filters are made of).
fn judge(program: &[u8], architecture: u32, number: u32, arguments: [u64; 6]) -> Verdict {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.into_iter().flat_map(u64::to_ne_bytes));
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    loop {
        let instruction: [u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
        let code = u16::from_ne_bytes([instruction[0], instruction[1]]);
        let (yes, no) = (usize::from(instruction[2]), usize::from(instruction[3]));
        let k = u32::from_ne_bytes(instruction[4..].try_into().unwrap());
        at += 1;
        let mut branch = |condition: bool| at += if condition { yes } else { no };
        match code {
            0x20 => {
                let offset = usize::try_from(k).unwrap();
                accumulator = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap());
            }
            0x54 => accumulator &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x06 if k == libc::SECCOMP_RET_ALLOW => return Allow,
            0x06 if k == libc::SECCOMP_RET_KILL_PROCESS => return Kill,
            0x06 if k == libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs() => return Unknown,
            other => panic!("instruction {other:#x} with {k:#x}"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
const HERE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const HERE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const HERE: u32 = 0xc000_00f3;

fn strict(number: i64, arguments: [u64; 6]) -> Verdict {
    judge(&program(Level::Strict).unwrap(), HERE, u32::try_from(number).unwrap(), arguments)
}

/// Arguments that begin with `first`; the rest is nonsense that must not matter.
fn with<const N: usize>(first: [i64; N]) -> [u64; 6] {
    let mut arguments = [0xdead_beef_dead_beef; 6];
    for (to, from) in arguments.iter_mut().zip(first) {
        *to = from.cast_unsigned();
    }
    arguments
}

#[test]
fn harmless_calls_are_allowed_whatever_their_arguments() {
    for number in calls::always() {
        assert_eq!(strict(number, with([])), Allow, "{number}");
    }
}

#[test]
fn dangerous_and_future_calls_are_unknown() {
    let everything = program(Level::Relaxed).unwrap();
    for (name, number) in [
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("kcmp", libc::SYS_kcmp),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("move_mount", libc::SYS_move_mount),
        ("open_tree", libc::SYS_open_tree),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("setns", libc::SYS_setns),
        ("unshare", libc::SYS_unshare),
        ("clone3", libc::SYS_clone3),
        ("openat2", libc::SYS_openat2),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("name_to_handle_at", libc::SYS_name_to_handle_at),
        ("memfd_create", libc::SYS_memfd_create),
        ("shmget", libc::SYS_shmget),
        ("mq_open", libc::SYS_mq_open),
        ("setdomainname", libc::SYS_setdomainname),
        ("a call of the future", 4000),
        ("x32's getpid", 0x4000_0027),
    ] {
        let number = u32::try_from(number).unwrap();
        for arguments in [with([]), [0; 6], with([-1, -1, -1, -1, -1, -1])] {
            assert_eq!(judge(&everything, HERE, number, arguments), Unknown, "{name}");
        }
    }
}

#[test]
fn a_call_of_another_architecture_is_the_end_of_the_process() {
    // i386, as int 0x80 on x86-64: its number 20 is getpid, and writev is allowed here.
    for number in 0..500 {
        assert_eq!(judge(&program(Level::Strict).unwrap(), 0x4000_0003, number, [0; 6]), Kill);
    }
}

#[test]
fn processes_are_made_without_namespaces() {
    let thread = i64::from(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND);
    assert_eq!(strict(libc::SYS_clone, with([thread])), Allow);
    for flag in [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ] {
        assert_eq!(strict(libc::SYS_clone, with([thread | i64::from(flag)])), Unknown, "{flag:#x}");
    }
}

#[test]
fn upper_halves_of_arguments_evade_no_rule() {
    let upper = 1_i64 << 32;
    let injection = i64::try_from(libc::TIOCSTI).unwrap();
    assert_eq!(strict(libc::SYS_ioctl, with([0, upper | injection])), Unknown);
    assert_eq!(strict(libc::SYS_socket, with([upper | i64::from(libc::AF_VSOCK)])), Unknown);
    assert_eq!(strict(libc::SYS_fchmod, with([0, upper | 0o4755])), Unknown);
    assert_eq!(strict(libc::SYS_clone, with([upper | i64::from(libc::CLONE_NEWUSER)])), Unknown);
}

#[test]
fn terminals_cannot_be_typed_into() {
    assert_eq!(strict(libc::SYS_ioctl, with([0, i64::try_from(libc::TCGETS).unwrap()])), Allow);
    for request in [libc::TIOCSTI, libc::TIOCLINUX] {
        assert_eq!(strict(libc::SYS_ioctl, with([0, i64::try_from(request).unwrap()])), Unknown);
    }
}

#[test]
fn no_file_gets_set_id_bits() {
    let (create, read) = (i64::from(libc::O_CREAT | libc::O_WRONLY), i64::from(libc::O_RDONLY));
    let unnamed = i64::from(libc::O_TMPFILE | libc::O_RDWR);
    assert_eq!(strict(libc::SYS_openat, with([-100, 0, create, 0o644])), Allow);
    assert_eq!(
        strict(libc::SYS_openat, with([-100, 0, read])),
        Allow,
        "without O_CREAT the mode is nonsense"
    );
    for bits in [0o4755, 0o2755, 0o6000] {
        for flags in [create, unnamed] {
            assert_eq!(strict(libc::SYS_openat, with([-100, 0, flags, bits])), Unknown);
        }
        assert_eq!(strict(libc::SYS_fchmod, with([3, bits])), Unknown);
        assert_eq!(strict(libc::SYS_fchmodat, with([-100, 0, bits])), Unknown);
        assert_eq!(strict(libc::SYS_mkdirat, with([-100, 0, bits])), Unknown);
        assert_eq!(strict(libc::SYS_mknodat, with([-100, 0, i64::from(libc::S_IFREG) | bits])), Unknown);
    }
    assert_eq!(strict(libc::SYS_fchmodat, with([-100, 0, 0o1777])), Allow);
}

#[test]
fn nodes_are_plain_files() {
    for kind in [libc::S_IFREG, 0] {
        assert_eq!(strict(libc::SYS_mknodat, with([-100, 0, i64::from(kind | 0o644)])), Allow);
    }
    for kind in [libc::S_IFIFO, libc::S_IFCHR, libc::S_IFBLK, libc::S_IFSOCK] {
        assert_eq!(strict(libc::SYS_mknodat, with([-100, 0, i64::from(kind | 0o644)])), Unknown);
    }
}

#[test]
fn only_relaxed_has_internet_sockets_and_none_has_raw_ones() {
    let relaxed = program(Level::Relaxed).unwrap();
    let number = u32::try_from(libc::SYS_socket).unwrap();
    let stream = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for (family, kind, in_strict, in_relaxed) in [
        (libc::AF_UNIX, libc::SOCK_STREAM, Allow, Allow),
        (libc::AF_INET, stream, Unknown, Allow),
        (libc::AF_INET6, libc::SOCK_DGRAM, Unknown, Allow),
        (libc::AF_INET, libc::SOCK_RAW, Unknown, Unknown),
        (libc::AF_NETLINK, libc::SOCK_RAW, Unknown, Unknown),
        (libc::AF_PACKET, libc::SOCK_DGRAM, Unknown, Unknown),
        (libc::AF_VSOCK, libc::SOCK_STREAM, Unknown, Unknown),
        (libc::AF_ALG, libc::SOCK_SEQPACKET, Unknown, Unknown),
    ] {
        let arguments = with([i64::from(family), i64::from(kind)]);
        assert_eq!(strict(libc::SYS_socket, arguments), in_strict, "{family} {kind}");
        assert_eq!(judge(&relaxed, HERE, number, arguments), in_relaxed, "{family} {kind}");
    }
    assert_eq!(strict(libc::SYS_socketpair, with([i64::from(libc::AF_UNIX)])), Allow);
    assert_eq!(strict(libc::SYS_socketpair, with([i64::from(libc::AF_INET)])), Unknown);
}

#[test]
fn a_personality_is_only_asked_for_or_the_default() {
    assert_eq!(strict(libc::SYS_personality, with([0xffff_ffff])), Allow);
    assert_eq!(strict(libc::SYS_personality, with([0])), Allow);
    assert_eq!(strict(libc::SYS_personality, with([0x0004_0000])), Unknown);
}

#[test]
fn the_program_is_short() {
    let instructions = program(Level::Relaxed).unwrap().len() / 8;
    assert!(instructions < 400, "{instructions} instructions, each is paid at every start");
}
