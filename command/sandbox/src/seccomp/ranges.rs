//! Allows a set of system calls by ranges of their numbers.

use std::collections::BTreeSet;

use seccompiler::sock_filter;

/// Where `struct seccomp_data` has the number of the call.
const NUMBER: u32 = 0;

/// Appends a program that allows `calls` and otherwise goes on after its last instruction.
pub(super) fn allow(calls: &BTreeSet<i64>, program: &mut Vec<sock_filter>) {
    program.push(statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER));
    for (first, last) in ranges(calls) {
        program.push(jump(libc::BPF_JGT, last, 2, 0));
        program.push(jump(libc::BPF_JGE, first, 0, 1));
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    }
}

/// The first and last number of each uninterrupted sequence, ascending.
fn ranges(calls: &BTreeSet<i64>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in calls.iter().filter_map(|&number| u32::try_from(number).ok()) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: short(code), jt: 0, jf: 0, k }
}

fn jump(comparison: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: short(libc::BPF_JMP | comparison | libc::BPF_K), jt, jf, k }
}

fn short(code: u32) -> u16 {
    u16::try_from(code).expect("codes of instructions are 16 bits wide")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_range() {
        assert_eq!(ranges(&BTreeSet::from([1, 2, 3, 5, 8, 9])), [(1, 3), (5, 5), (8, 9)]);
        assert_eq!(ranges(&BTreeSet::new()), []);
    }
}
