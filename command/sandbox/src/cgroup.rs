//! Control groups of version 2, one for each tree, where the server has been given a part of the hierarchy.
//!
//! `systemd` gives it with `Delegate=yes`. The kernel wants processes only in groups without children of their own, so
//! the server first moves into a group beside those of its trees; nothing about it changes by that.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use openclaw_ports::sandbox::{Limit, Limits};

use crate::protocol::Group;

/// Where the server itself is, below the group that it was given.
const HOME: &str = "openclaw-server";

/// What the names of groups of trees begin with.
const PREFIX: &str = "openclaw-job-";

/// Bubblewrap's two processes and the helper at the start, which are in the group and not of the job; and one to
/// spare, so that only a tree that wants more than it may is at its limit.
const OWN_PROCESSES: u64 = 4;

/// A part of the hierarchy in which groups can be made.
#[derive(Debug)]
pub(crate) struct Groups {
    parent: PathBuf,
    next: AtomicU64,
}

impl Groups {
    /// The part that this process may use, or why there is none.
    pub(crate) fn of_this_process() -> Result<Self, String> {
        let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let root = mount_point(&read("/proc/self/mountinfo")?)
            .ok_or("control groups of version 2 are not mounted on this machine")?;
        Self::open(&root, &read("/proc/self/cgroup")?, std::process::id())
    }

    /// The part of the hierarchy at `root` that the process `pid` may use, whose /proc/PID/cgroup is `membership`.
    fn open(root: &Path, membership: &str, pid: u32) -> Result<Self, String> {
        let own = membership
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or("this process is in no control group of version 2")?;
        // After a restart within its group it is in the server's own.
        let own = own.strip_suffix(HOME).map_or(own, |parent| parent.trim_end_matches('/'));
        let parent = root.join(own);
        let text = |name: &str| {
            let path = parent.join(name);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let controllers = text("cgroup.controllers")?;
        for needed in ["memory", "pids"] {
            if !controllers.split_whitespace().any(|controller| controller == needed) {
                return Err(format!("the {needed} controller is not available in {}", parent.display()));
            }
        }
        if root == parent {
            return Err("this process is in the root of the hierarchy, which is the whole machine's".into());
        }
        let home = parent.join(HOME);
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        write(home.join("cgroup.procs"), &pid.to_string())?;
        write(parent.join("cgroup.subtree_control"), "+memory +pids")?;
        if controllers.split_whitespace().any(|controller| controller == "cpu") {
            write(parent.join("cgroup.subtree_control"), "+cpu")?;
        }
        let groups = Self { parent, next: AtomicU64::new(0) };
        groups.sweep();
        Ok(groups)
    }

    /// Removes what earlier servers left. Groups with processes stay: the kernel refuses.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.parent).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// A new group with `limits`.
    pub(crate) fn leaf(&self, limits: &Limits) -> io::Result<Leaf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        let leaf = Leaf { home: self.parent.join(HOME), path };
        leaf.write("memory.max", &limits.memory_bytes.to_string())?;
        leaf.write("memory.oom.group", "1")?;
        leaf.write("pids.max", &limits.processes.saturating_add(OWN_PROCESSES).to_string())?;
        // Not on every machine: no swap, or no processor controller.
        let _ = leaf.write("memory.swap.max", "0");
        let _ = leaf.write("cpu.max", "100000 100000");
        Ok(leaf)
    }
}

/// Where version 2 is mounted.
fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after.starts_with("cgroup2 ").then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The group of one tree. Dropping it kills what is left in it, and removes it.
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
    home: PathBuf,
}

impl Leaf {
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(name), text)
    }

    /// How the helper gets in and out.
    pub(crate) fn group(&self) -> Group {
        Group { tree: self.path.clone(), home: self.home.clone() }
    }

    /// The limit that the tree met, if any.
    pub(crate) fn passed(&self) -> Option<Limit> {
        let count = |file: &str, event: &str| -> u64 {
            let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
            let value = text.lines().find_map(|line| line.strip_prefix(event)?.trim().parse().ok());
            value.unwrap_or(0)
        };
        if count("memory.events", "oom_kill ") > 0 {
            Some(Limit::Memory)
        } else if count("pids.events", "max ") > 0 {
            Some(Limit::Processes)
        } else {
            None
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        // Nothing is left unless the helper was killed.
        let _ = self.write("cgroup.kill", "1");
        if let Err(error) = fs::remove_dir(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a control group stays until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a hierarchy; the kernel's part is played by who reads and writes it.
    fn hierarchy(controllers: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/openclaw.service");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("cgroup.controllers"), controllers).unwrap();
        root
    }

    const MEMBERSHIP: &str = "1:name=systemd:/x\n0::/system.slice/openclaw.service\n";

    #[test]
    fn the_server_moves_aside_and_its_trees_get_groups_with_limits() {
        let root = hierarchy("cpu memory pids\n");
        let groups = Groups::open(root.path(), MEMBERSHIP, 42).unwrap();
        let parent = root.path().join("system.slice/openclaw.service");
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(text(&parent.join("openclaw-server/cgroup.procs")), "42");

        let limits = Limits { memory_bytes: 1 << 20, processes: 7, ..Limits::default() };
        let leaf = groups.leaf(&limits).unwrap();
        let written = |name: &str| text(&leaf.path.join(name));
        assert_eq!(leaf.path.parent(), Some(parent.as_path()));
        assert_eq!((written("memory.max"), written("memory.swap.max")), ("1048576".into(), "0".into()));
        assert_eq!((written("memory.oom.group"), written("pids.max")), ("1".into(), "11".into()));
        assert_eq!(written("cpu.max"), "100000 100000");
        assert_eq!(leaf.group().home, parent.join("openclaw-server"));
        assert_ne!(groups.leaf(&limits).unwrap().path, leaf.path);
    }

    #[test]
    fn after_a_restart_the_server_is_in_its_own_group_and_stays_there() {
        let root = hierarchy("memory pids");
        let groups = Groups::open(root.path(), MEMBERSHIP, 42).unwrap();
        let moved = "0::/system.slice/openclaw.service/openclaw-server\n";
        assert_eq!(Groups::open(root.path(), moved, 43).unwrap().parent, groups.parent);
    }

    #[test]
    fn what_the_group_says_becomes_the_limit() {
        let root = hierarchy("memory pids");
        let groups = Groups::open(root.path(), MEMBERSHIP, 42).unwrap();
        let leaf = groups.leaf(&Limits::default()).unwrap();
        assert_eq!(leaf.passed(), None);
        leaf.write("pids.events", "max 3\n").unwrap();
        assert_eq!(leaf.passed(), Some(Limit::Processes));
        leaf.write("memory.events", "low 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!(leaf.passed(), Some(Limit::Memory));
        let path = leaf.path.clone();
        drop(leaf);
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn without_controllers_or_in_the_root_there_are_no_groups_and_the_reason_is_said() {
        let root = hierarchy("cpu pids");
        let reason = Groups::open(root.path(), MEMBERSHIP, 42).unwrap_err();
        assert!(reason.contains("memory controller"), "{reason}");
        assert!(
            !root.path().join("system.slice/openclaw.service/openclaw-server").exists(),
            "nothing was moved"
        );
        fs::write(root.path().join("cgroup.controllers"), "memory pids").unwrap();
        assert!(Groups::open(root.path(), "0::/\n", 42).unwrap_err().contains("root"));
        assert!(Groups::open(root.path(), "4:memory:/x\n", 42).is_err());
    }

    #[test]
    fn the_mount_point_is_found_beside_version_1() {
        let text = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                    31 25 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(text), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("30 25 0:26 / /x rw - cgroup cgroup rw"), None);
    }

    /// On a machine that gives this process a part of the hierarchy; elsewhere it says so.
    #[test]
    fn the_real_hierarchy_takes_the_limits() {
        match Groups::of_this_process() {
            Ok(groups) => {
                let leaf = groups.leaf(&Limits::default()).unwrap();
                assert_eq!(fs::read_to_string(leaf.path.join("memory.max")).unwrap().trim(), "536870912");
                let path = leaf.path.clone();
                drop(leaf);
                assert!(!path.exists());
            }
            Err(reason) => {
                #[expect(clippy::disallowed_macros, reason = "a skipped test says so")]
                {
                    println!("skipped: {reason}");
                }
            }
        }
    }
}
