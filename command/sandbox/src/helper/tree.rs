//! Finding and killing all processes below one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    thread::sleep,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, getpid, kill_process, wait},
};

/// Pause between two looks at processes that are on their way out.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills every process below this one, whatever it does against it, and collects them. Returns when none is left.
///
/// Needs to be the subreaper: an orphan then does not leave the tree. `collected` sees each direct child's end.
pub(super) fn kill_all_below(mut collected: impl FnMut(Pid, i32)) {
    loop {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => collected(pid, status.as_raw()),
                Ok(None) => break,
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
        kill_once();
        sleep(PAUSE);
    }
}

/// All processes below this one. By the kernel's lists of children where it has them, which costs as much as there are
/// processes in the tree and not as on the machine.
pub(super) fn below() -> Vec<i32> {
    let mut found = Vec::new();
    let mut open = vec![raw(getpid())];
    while let Some(pid) = open.pop() {
        match children(pid) {
            Some(children) => {
                found.extend(&children);
                open.extend(children);
            }
            None if found.is_empty() => return descendants(getpid()).into_iter().map(raw).collect(),
            // Gone meanwhile.
            None => {}
        }
    }
    found
}

fn children(pid: i32) -> Option<Vec<i32>> {
    let mut all = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).ok()?;
        all.extend(text.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    Some(all)
}

fn kill_once() {
    // Stopped first: a stopped process starts no other, so the set of them becomes complete.
    let mut stopped = BTreeSet::new();
    loop {
        let found: Vec<Pid> =
            descendants(getpid()).into_iter().filter(|pid| !stopped.contains(&raw(*pid))).collect();
        if found.is_empty() {
            break;
        }
        for pid in found {
            let _ = kill_process(pid, Signal::STOP);
            stopped.insert(raw(pid));
        }
    }
    for pid in stopped.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// All processes below `root`, without it.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    for entry in listing.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some(parent) =
            fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parent_in)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![raw(root)];
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            found.extend(Pid::from_raw(child));
            open.push(child);
        }
    }
    found
}

/// The parent in a line of /proc/PID/stat: the second field after the name, and only the last `)` ends the name.
fn parent_in(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Threads of user `uid` on this machine, which is what the kernel compares with a limit on processes.
pub(super) fn threads_of(uid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let Ok(listing) = fs::read_dir("/proc") else { return 0 };
    listing
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == uid))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| stat.rsplit_once(')')?.1.split_whitespace().nth(17)?.parse::<u64>().ok())
        .sum()
}

const fn raw(pid: Pid) -> i32 {
    pid.as_raw_pid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_the_parent() {
        assert_eq!(parent_in("42 (a) R 1 (b) S 7 42 42 0"), Some(7));
        assert_eq!(parent_in("42 (sh) S 41 42 42 0"), Some(41));
        assert_eq!(parent_in("nonsense"), None);
    }

    #[test]
    fn the_threads_of_the_own_user_are_counted() {
        let uid = rustix::process::getuid().as_raw();
        assert!(threads_of(uid) >= 1);
    }
}
