//! The argument list of bubblewrap. Every entry is there for a reason that a probe shows.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::{fd::RawFd, unix::ffi::OsStrExt},
    path::Path,
};

use crate::system;

/// User and group inside. They mean nothing outside.
pub(super) const INSIDE_ID: &str = "1000";

/// Directories of /proc that are writable for some users of some kernels, or say something about the machine.
const HIDDEN_PROC: [&str; 4] = ["/proc/sys", "/proc/acpi", "/proc/scsi", "/proc/fs"];

/// Files of /proc that name things outside: keys of the session, kernel memory and symbols.
const MASKED_PROC: [&str; 5] =
    ["/proc/keys", "/proc/key-users", "/proc/kcore", "/proc/kallsyms", "/proc/sysrq-trigger"];

/// What the list depends on.
pub(super) struct Plan<'a> {
    /// Where the workspace is inside, and its path outside for everyone else.
    pub(super) workspace: &'a Path,
    /// Where bubblewrap finds it.
    pub(super) source: &'a Path,
    /// Names in it that stay read-only.
    pub(super) protected: &'a [&'static str],
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) descriptors: Descriptors,
}

/// Files that bubblewrap inherits.
pub(super) struct Descriptors {
    pub(super) filter: RawFd,
    pub(super) passwd: RawFd,
    pub(super) group: RawFd,
    pub(super) hosts: RawFd,
    pub(super) status: RawFd,
    pub(super) block: RawFd,
}

impl Plan<'_> {
    /// The options, each ended by NUL, as `--args` reads them. They go through a file and not through the argument
    /// list, because everybody on the machine can read argument lists, and the environment may hold secrets.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4096);
        for word in self.words() {
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    fn words(&self) -> Vec<OsString> {
        let mut list = List(Vec::with_capacity(128));
        list.text(
            "--unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try \
             --disable-userns --cap-drop ALL --hostname sandbox --new-session --die-with-parent --clearenv",
        );
        list.text(&format!("--uid {INSIDE_ID} --gid {INSIDE_ID}"));
        self.system(&mut list);
        list.text("--proc /proc");
        for directory in HIDDEN_PROC.into_iter().filter(|path| Path::new(path).is_dir()) {
            list.text(&format!("--size 4096 --tmpfs {directory} --remount-ro {directory}"));
        }
        for file in MASKED_PROC.into_iter().filter(|path| Path::new(path).exists()) {
            list.text(&format!("--ro-bind /dev/null {file}"));
        }
        // Shared memory is after the rest of /dev has become read-only no part of it any more.
        list.text("--dev /dev --perms 1777 --size 16777216 --tmpfs /dev/shm --remount-ro /dev");
        list.text("--perms 1777 --size 67108864 --tmpfs /tmp");
        list.pair("--bind", self.source, self.workspace);
        for name in self.protected {
            list.pair("--ro-bind", &self.source.join(name), &self.workspace.join(name));
        }
        let Descriptors { filter, passwd, group, hosts, status, block } = self.descriptors;
        for (file, name) in [(passwd, "passwd"), (group, "group"), (hosts, "hosts")] {
            list.text(&format!("--perms 0444 --file {file} /etc/{name}"));
        }
        list.text("--remount-ro /");
        for (name, value) in self.environment {
            list.0.extend(["--setenv".into(), name.into(), value.into()]);
        }
        list.0.extend(["--chdir".into(), self.workspace.into()]);
        list.text(&format!("--seccomp {filter} --json-status-fd {status} --block-fd {block}"));
        list.0
    }

    /// A chosen part of the system. Not all of it read-only: that would show home directories, sockets and secrets.
    fn system(&self, list: &mut List) {
        list.text("--ro-bind /usr /usr");
        for top in system::TOP_LEVEL.map(Path::new) {
            if let Ok(target) = fs::read_link(top) {
                list.pair("--symlink", &target, top);
            } else if top.is_dir() {
                list.pair("--ro-bind", top, top);
            }
        }
        list.text("--dir /etc");
        for entry in system::ETC.map(Path::new).into_iter().filter(|entry| entry.exists()) {
            list.pair("--ro-bind", entry, entry);
        }
    }
}

struct List(Vec<OsString>);

impl List {
    fn text(&mut self, words: &str) {
        self.0.extend(words.split_whitespace().map(OsString::from));
    }

    fn pair(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([option.into(), from.into(), to.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(environment: &[(&str, &str)]) -> Vec<String> {
        let environment =
            environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Plan {
            workspace: Path::new("/data/runs/1 a"),
            source: Path::new("/data"),
            protected: &[".git"],
            environment: &environment,
            descriptors: Descriptors { filter: 3, passwd: 4, group: 5, hosts: 6, status: 7, block: 8 },
        }
        .words()
        .into_iter()
        .map(|word| word.into_string().unwrap())
        .collect()
    }

    fn position(words: &[String], sequence: &[&str]) -> usize {
        words
            .windows(sequence.len())
            .position(|window| window == sequence)
            .unwrap_or_else(|| panic!("{sequence:?} is not in {words:?}"))
    }

    #[test]
    fn the_workspace_is_the_only_writable_bind() {
        let words = words(&[]);
        let writable: Vec<_> =
            words.iter().filter(|word| *word == "--bind" || *word == "--dev-bind").collect();
        assert_eq!(writable.len(), 1);
        position(&words, &["--bind", "/data", "/data/runs/1 a"]);
    }

    #[test]
    fn later_mounts_do_not_uncover_earlier_ones() {
        let words = words(&[]);
        let order = [
            position(&words, &["--proc", "/proc"]),
            position(&words, &["--tmpfs", "/proc/sys"]),
            position(&words, &["--dev", "/dev"]),
            position(&words, &["--tmpfs", "/dev/shm"]),
            position(&words, &["--remount-ro", "/dev"]),
            position(&words, &["--tmpfs", "/tmp"]),
            position(&words, &["--bind", "/data"]),
            position(&words, &["--ro-bind", "/data/.git", "/data/runs/1 a/.git"]),
            position(&words, &["--remount-ro", "/"]),
        ];
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn the_host_is_never_bound_whole_and_no_network_is_shared() {
        let words = words(&[]);
        let bound = |path: &str| words.windows(2).any(|pair| pair[0].contains("bind") && pair[1] == path);
        assert!(!bound("/") && !bound("/etc") && bound("/usr"));
        assert!(!words.iter().any(|word| word == "--share-net"));
    }

    #[test]
    fn an_environment_value_that_looks_like_an_option_stays_a_value() {
        let words = words(&[("A", "--share-net"), ("B", "")]);
        position(&words, &["--setenv", "A", "--share-net", "--setenv", "B", ""]);
    }
}
