//! What the kernel's limits on single processes do not bound: the tree as a whole, and its workspace.
//!
//! A look at the tree four times a second finds what lasts that long; what comes and goes between two looks is not
//! seen. Control groups, where the server has them, bound memory and processes without gaps.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use openclaw_ports::sandbox::{Limit, Limits};
use rustix::param::clock_ticks_per_second;
use tokio::time::Instant;

use super::tree;

/// Time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Share of time that may go into measuring the workspace: after a measurement there is none for so many times as
/// long as it took.
const REST: u32 = 20;

/// Longest path in a workspace that is followed. A tree that the server could not even name is no workspace.
const MAX_PATH: usize = 4000;

/// Looks at one tree.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Limits,
    workspace: PathBuf,
    /// Whether a control group bounds memory and processes.
    grouped: bool,
    /// Processes of the sandbox itself.
    own: u64,
    next: Instant,
    next_workspace: Instant,
}

/// What a tree uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    memory_bytes: u64,
    threads: u64,
    cpu_ticks: u64,
}

impl Watchdog {
    pub(super) fn new(limits: Limits, workspace: &Path, grouped: bool, own: u64) -> Self {
        let next = Instant::now() + INTERVAL;
        Self { limits, workspace: workspace.to_owned(), grouped, own, next, next_workspace: next }
    }

    /// How long to wait for something else before the next look.
    pub(super) fn pause(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// The limit that the tree below this process has passed, if any. Does nothing before it is time for a look.
    pub(super) fn look(&mut self) -> Option<Limit> {
        let started = Instant::now();
        if started < self.next {
            return None;
        }
        self.next = started + INTERVAL;
        self.tree().or_else(|| self.measure(started))
    }

    fn tree(&self) -> Option<Limit> {
        let processes = tree::below();
        let mut all = Usage::default();
        for usage in processes.iter().filter_map(|&pid| usage(pid)) {
            all.memory_bytes = all.memory_bytes.saturating_add(usage.memory_bytes);
            all.threads += usage.threads;
            all.cpu_ticks = all.cpu_ticks.saturating_add(usage.cpu_ticks);
        }
        if all.cpu_ticks > self.limits.cpu_seconds.saturating_mul(clock_ticks_per_second()) {
            return Some(Limit::Cpu);
        }
        if self.grouped {
            return None;
        }
        if all.threads > self.limits.processes.saturating_add(self.own) {
            return Some(Limit::Processes);
        }
        // Pages that processes share are counted once for each: only then is it worth the cost of an exact count.
        let passed = all.memory_bytes > self.limits.memory_bytes
            && processes.iter().filter_map(|&pid| exact_memory(pid)).sum::<u64>() > self.limits.memory_bytes;
        passed.then_some(Limit::Memory)
    }

    fn measure(&mut self, started: Instant) -> Option<Limit> {
        if started < self.next_workspace {
            return None;
        }
        let passed = measure(&self.workspace, self.limits.workspace_bytes, self.limits.workspace_files);
        self.next_workspace = Instant::now() + started.elapsed() * REST;
        passed
    }
}

/// What process `pid` uses; none if it is gone.
fn usage(pid: i32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let memory: u64 = ["RssAnon", "RssShmem"].into_iter().filter_map(|name| field(&status, name)).sum();
    Some(Usage {
        memory_bytes: memory.saturating_mul(1024),
        threads: field(&status, "Threads").unwrap_or(1),
        cpu_ticks: ticks(&stat)?,
    })
}

/// Memory of process `pid`, its part of pages that it shares; what it holds if the kernel does not say.
fn exact_memory(pid: i32) -> Option<u64> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => {
            let parts = ["Pss_Anon", "Pss_Shmem"].into_iter().filter_map(|name| field(&text, name));
            Some(parts.sum::<u64>().saturating_mul(1024))
        }
        Err(_) => usage(pid).map(|usage| usage.memory_bytes),
    }
}

/// The number in the line `name:` of a file of /proc.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time in a line of /proc/PID/stat, with that of children that have ended.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// The limit that the contents of `workspace` pass. Links are not followed; what cannot be read is not counted.
fn measure(workspace: &Path, most_bytes: u64, most_files: u64) -> Option<Limit> {
    let (mut bytes, mut files) = (0_u64, 0_u64);
    let mut open = vec![workspace.to_owned()];
    while let Some(directory) = open.pop() {
        if directory.as_os_str().len() > MAX_PATH {
            return Some(Limit::WorkspaceFiles);
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().filter_map(io::Result::ok) {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
            if bytes > most_bytes {
                return Some(Limit::WorkspaceSize);
            }
            if files > most_files {
                return Some(Limit::WorkspaceFiles);
            }
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_uses_something() {
        let own = usage(std::process::id().try_into().unwrap()).unwrap();
        assert!(own.memory_bytes > 4096 && own.threads >= 1, "{own:?}");
        assert!(exact_memory(std::process::id().try_into().unwrap()).is_some_and(|memory| memory > 4096));
        assert_eq!(usage(i32::MAX), None);
    }

    #[test]
    fn a_name_cannot_forge_the_times() {
        let stat = "42 (a) R 1 2 3 4 5) S 41 42 42 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 9 10";
        assert_eq!(ticks(stat), Some(127));
        assert_eq!(ticks("42 (a"), None);
    }

    #[test]
    fn a_workspace_is_measured_without_following_links() {
        let workspace = tempfile::tempdir().unwrap();
        fs::create_dir(workspace.path().join("a")).unwrap();
        fs::write(workspace.path().join("a/b"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/usr", workspace.path().join("link")).unwrap();
        assert_eq!(measure(workspace.path(), 2 << 20, 3), None);
        assert_eq!(measure(workspace.path(), 2 << 20, 2), Some(Limit::WorkspaceFiles));
        assert_eq!(measure(workspace.path(), 1 << 19, 3), Some(Limit::WorkspaceSize));
    }

    #[test]
    fn directories_too_deep_to_name_are_too_many() {
        let workspace = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let mut path = workspace.path().to_owned();
        for _ in 0..19 {
            path.push(&name);
        }
        fs::create_dir_all(&path).unwrap();
        assert_eq!(measure(workspace.path(), u64::MAX, 1000), None);
        // One more, which only a name relative to its parent can make.
        let parent =
            rustix::fs::open(&path, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
        rustix::fs::mkdirat(&parent, &*name, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(measure(workspace.path(), u64::MAX, 1000), Some(Limit::WorkspaceFiles));
    }
}
