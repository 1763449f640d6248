//! The argument list of bubblewrap. Every entry is there for a reason that a probe shows.

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::RawFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use crate::{Layer, protocol::Header, system};

/// User and group inside. They mean nothing outside.
pub(super) const INSIDE_ID: &str = "1000";

/// Directories of /proc that are writable for some users of some kernels, or say something about the machine.
const HIDDEN_PROC: [&str; 4] = ["/proc/sys", "/proc/acpi", "/proc/scsi", "/proc/fs"];

/// Files of /proc that name things outside: keys of the session, kernel memory and symbols.
const MASKED_PROC: [&str; 5] =
    ["/proc/keys", "/proc/key-users", "/proc/kcore", "/proc/kallsyms", "/proc/sysrq-trigger"];

/// What the list depends on.
pub(super) struct Plan<'a> {
    pub(super) header: &'a Header,
    /// Where bubblewrap finds the workspace, which everyone else finds at its path in the header.
    pub(super) source: &'a Path,
    /// Names in it that stay read-only.
    pub(super) protected: &'a [&'static str],
    pub(super) descriptors: Descriptors,
}

/// Files that bubblewrap inherits.
#[derive(Clone, Copy)]
pub(super) struct Descriptors {
    pub(super) filter: Option<RawFd>,
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
            "--unshare-user --unshare-uts --unshare-cgroup-try --disable-userns --cap-drop ALL \
             --hostname sandbox --new-session --die-with-parent --clearenv",
        );
        for (layer, option) in [
            (Layer::Ipc, "--unshare-ipc"),
            (Layer::Processes, "--unshare-pid"),
            (Layer::Network, "--unshare-net"),
        ] {
            if self.has(layer) {
                list.text(option);
            }
        }
        list.text(&format!("--uid {INSIDE_ID} --gid {INSIDE_ID}"));
        self.system(&mut list);
        list.text("--proc /proc");
        for directory in HIDDEN_PROC.into_iter().filter(|path| Path::new(path).is_dir()) {
            list.text(&format!("--size 4096 --tmpfs {directory} --remount-ro {directory}"));
        }
        // What only root may open is closed to the tree anyhow, and each mount is paid for at every start.
        let open_to_others =
            |path: &&str| fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o006 != 0);
        for file in MASKED_PROC.into_iter().filter(open_to_others) {
            list.text(&format!("--ro-bind /dev/null {file}"));
        }
        // Shared memory is after the rest of /dev has become read-only no part of it any more.
        list.text("--dev /dev --perms 1777");
        if self.has(Layer::SharedMemory) {
            list.text("--size 16777216");
        }
        list.text("--tmpfs /dev/shm --remount-ro /dev --perms 1777 --size 67108864 --tmpfs /tmp");
        for path in &self.header.readable {
            list.pair("--ro-bind", path, path);
        }
        for path in &self.header.writable {
            list.pair("--bind", path, path);
        }
        let workspace = &self.header.workspace;
        list.pair("--bind", self.source, workspace);
        for name in self.protected.iter().filter(|_| self.has(Layer::Protected)) {
            list.pair("--ro-bind", &self.source.join(name), &workspace.join(name));
        }
        let Descriptors { filter, passwd, group, hosts, status, block } = self.descriptors;
        for (file, name) in [(passwd, "passwd"), (group, "group"), (hosts, "hosts")] {
            list.text(&format!("--perms 0444 --file {file} /etc/{name}"));
        }
        list.text("--remount-ro /");
        list.0.extend(["--chdir".into(), workspace.into()]);
        if let Some(filter) = filter {
            list.text(&format!("--seccomp {filter}"));
        }
        list.text(&format!("--json-status-fd {status} --block-fd {block}"));
        list.0
    }

    fn has(&self, layer: Layer) -> bool {
        !self.header.without.contains(&layer)
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
            // A link to what is visible anyhow costs less than a mount.
            match fs::read_link(entry) {
                Ok(target) if target.starts_with("/usr") => list.pair("--symlink", &target, entry),
                _ => list.pair("--ro-bind", entry, entry),
            }
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
    use std::collections::{BTreeMap, BTreeSet};

    use openclaw_ports::sandbox::{Level, Limits};

    use super::*;

    fn words() -> Vec<String> {
        let header = Header {
            level: Level::Strict,
            command: Vec::new(),
            environment: BTreeMap::from([("A".into(), "--share-net".into())]),
            workspace: "/data/runs/1 a".into(),
            readable: vec!["/srv/models".into()],
            writable: vec!["/srv/cache".into()],
            egress: None,
            limits: Limits::default(),
            bwrap: "/usr/bin/bwrap".into(),
            sandbox_id: 65534,
            has_stdin: false,
            group: None,
            require_landlock: false,
            without: BTreeSet::new(),
        };
        let descriptors = Descriptors { filter: Some(3), passwd: 4, group: 5, hosts: 6, status: 7, block: 8 };
        Plan { header: &header, source: Path::new("/data"), protected: &[".git"], descriptors }
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
    fn the_workspace_and_what_the_policy_says_are_the_only_writable_binds() {
        let words = words();
        let writable: Vec<_> =
            words.iter().filter(|word| *word == "--bind" || *word == "--dev-bind").collect();
        assert_eq!(writable.len(), 2);
        position(&words, &["--bind", "/srv/cache", "/srv/cache"]);
        position(&words, &["--ro-bind", "/srv/models", "/srv/models"]);
        position(&words, &["--bind", "/data", "/data/runs/1 a"]);
    }

    #[test]
    fn later_mounts_do_not_uncover_earlier_ones() {
        let words = words();
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
        let words = words();
        let bound = |path: &str| words.windows(2).any(|pair| pair[0].contains("bind") && pair[1] == path);
        assert!(!bound("/") && !bound("/etc") && bound("/usr"));
        assert!(!words.iter().any(|word| word == "--share-net"));
    }

    #[test]
    fn nothing_of_the_jobs_environment_is_bubblewraps() {
        // The inner stage would start with it, before its rules stand.
        let words = words();
        assert!(!words.iter().any(|word| word == "--setenv" || word == "--share-net"));
        position(&words, &["--clearenv"]);
    }
}
