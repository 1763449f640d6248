//! The table of probes. Work says DONE when it is done; an attack says ESCAPED when it works.

use std::time::Duration;

use openclaw_ports::sandbox::{Level, Limit, Limits};

use super::short;

/// What a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// Useful work, which must go through: a sandbox that denies everything is none.
    Work,
    /// An attack, which must fail.
    Attack,
    /// Work beyond a limit, which must end for that reason.
    Limit(Limit),
}

/// What is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes.
    Holds,
    /// It does not, at level confined, for a reason that `ops/docs/sandbox.md` gives.
    Gives,
}

/// One probe.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) what: Try,
    pub(super) script: &'static str,
    /// A program that it needs.
    pub(super) needs: Option<&'static str>,
    /// At level confined; at the stricter ones every probe holds.
    confined: Verdict,
}

impl Probe {
    pub(super) fn expected(&self, level: Level) -> Verdict {
        if level == Level::Confined { self.confined } else { Verdict::Holds }
    }

    pub(super) fn limits(&self) -> Limits {
        let limits = short(Limits { memory_bytes: 256 << 20, processes: 32, ..Limits::default() });
        match self.what {
            Try::Limit(Limit::Wall) => Limits { wall: Duration::from_secs(1), ..limits },
            Try::Limit(Limit::Cpu) => Limits { cpu_seconds: 1, ..limits },
            Try::Limit(Limit::FileSize) => Limits { file_bytes: 1 << 20, ..limits },
            Try::Limit(Limit::WorkspaceSize) => Limits { workspace_bytes: 1 << 20, ..limits },
            _ => limits,
        }
    }
}

const fn work(id: &'static str, title: &'static str, script: &'static str) -> Probe {
    Probe { id, title, what: Try::Work, script, needs: None, confined: Verdict::Holds }
}

const fn attack(id: &'static str, title: &'static str, script: &'static str) -> Probe {
    Probe { id, title, what: Try::Attack, script, needs: None, confined: Verdict::Holds }
}

const fn limit(id: &'static str, limit: Limit, title: &'static str, script: &'static str) -> Probe {
    Probe { id, title, what: Try::Limit(limit), script, needs: None, confined: Verdict::Holds }
}

impl Probe {
    const fn gives_when_confined(mut self) -> Self {
        self.confined = Verdict::Gives;
        self
    }

    const fn needs(mut self, program: &'static str) -> Self {
        self.needs = Some(program);
        self
    }
}

pub(super) const PROBES: &[Probe] = &[
    work("work-files", "write and read in the workspace", "echo hi > f && grep -q hi f && rm f && echo DONE"),
    work("work-pipes", "pipes and children", "seq 100 | sort -rn | head -1 | grep -q 100 && echo DONE"),
    work("work-tmp", "a private /tmp", "echo x > /tmp/x && echo DONE").gives_when_confined(),
    work(
        "work-temporary",
        "temporary files",
        "f=$(mktemp ${TMPDIR:+-p \"$TMPDIR\"}) && echo x > \"$f\" && echo DONE",
    ),
    work("work-input", "an empty standard input ends", "cat && echo DONE"),
    work(
        "work-python",
        "Python with a child",
        "python3 -c 'import subprocess; print(subprocess.check_output([\"echo\", \"DO\" + \"NE\"]))'",
    )
    .needs("python3"),
    work("work-node", "Node.js", "node -e 'setTimeout(() => console.log(\"DO\" + \"NE\"), 1)'").needs("node"),
    attack("read-outside", "read a file outside the workspace", "cat {outside}/canary ../canary"),
    attack("read-link", "read it through a link", "ln -sf {outside}/canary link; cat link; rm -f link"),
    attack("read-shadow", "read /etc/shadow", "grep -q root: /etc/shadow && echo ESCAPED"),
    attack(
        "read-environment",
        "read the environment of other processes",
        "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -E '^(CARGO|HOME=/[^t]|SSH|OPENCLAW)' && echo ESCAPED",
    ),
    attack(
        "read-processes",
        "see processes of the machine",
        "cat /proc/{pid}/comm > /dev/null && echo ESCAPED",
    )
    .gives_when_confined(),
    attack(
        "read-kernel",
        "read kernel memory or addresses",
        "head -c 1 /proc/kcore && echo ESCAPED; grep -qv '^0000000000000000' /proc/kallsyms && echo ESCAPED",
    ),
    attack(
        "write-outside",
        "write outside the workspace",
        "echo x > {outside}/planted; echo x > {outside}/canary; echo x > ../planted; true",
    ),
    attack(
        "write-system",
        "write the system",
        "for d in /usr /etc /bin; do touch $d/.openclaw-doctor && echo ESCAPED && rm -f $d/.openclaw-doctor; done; true",
    ),
    attack(
        "write-kernel",
        "change kernel settings",
        "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches; do ( : >> $f ) && echo ESCAPED; done; true",
    ),
    attack("write-hooks", "plant a hook for version control", "echo x > .git/hooks/planted; true")
        .gives_when_confined(),
    attack("trap-set-user-id", "leave a set-user-ID file", "cp /bin/true trap; chmod 6755 trap; true"),
    attack("trap-fifo", "leave a pipe that hangs its reader", "mkfifo pipe; mknod device c 1 3; true"),
    attack(
        "privilege-none",
        "have a capability",
        "grep -E '^Cap(Eff|Prm|Amb):' /proc/self/status | grep -qv 0000000000000000 && echo ESCAPED",
    ),
    attack(
        "privilege-filter",
        "run without filter or with new privileges",
        "grep -q '^NoNewPrivs:.1' /proc/self/status && grep -q '^Seccomp:.2' /proc/self/status || echo ESCAPED",
    ),
    attack(
        "privilege-namespace",
        "make a namespace",
        "unshare -U true && echo ESCAPED; unshare -rm true && echo ESCAPED",
    ),
    attack(
        "privilege-mount",
        "mount",
        "mkdir -p m; mount -t tmpfs t m && echo ESCAPED; mount -o remount,rw / && echo ESCAPED; rmdir m",
    ),
    attack("signal", "signal a process of the machine", "{attack} signal {pid}"),
    attack(
        "trace",
        "read the memory of a process of the machine",
        "head -c 1 /proc/{pid}/mem && echo ESCAPED",
    ),
    attack("net-loopback", "connect to a port of the machine", "{attack} connect {port}"),
    attack("net-sockets", "make raw, packet, netlink or virtual machine sockets", "{attack} sockets -"),
    attack(
        "net-unix",
        "connect to a socket of the machine by its path",
        "{attack} unix /run/dbus/system_bus_socket",
    ),
    attack(
        "net-interfaces",
        "see the machine's network",
        "tail -n +3 /proc/net/dev | grep -qv ' lo:' && echo ESCAPED",
    )
    .gives_when_confined(),
    attack("many-files", "open more files than allowed", "{attack} files 5000"),
    attack("many-processes", "start more processes than allowed", "{attack} forks 200"),
    limit(
        "limit-time",
        Limit::Wall,
        "end after its time, signals ignored",
        "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; sleep 60' & sleep 60",
    ),
    limit("limit-processor", Limit::Cpu, "end after its processor time", "while :; do :; done"),
    limit(
        "limit-memory",
        Limit::Memory,
        "end when the tree uses too much memory",
        "for i in 1 2 3 4; do {attack} memory 100 & done; wait; sleep 5",
    ),
    limit(
        "limit-file",
        Limit::FileSize,
        "end when a file grows too large",
        "exec head -c 3000000 /dev/zero > big",
    ),
    limit(
        "limit-output",
        Limit::Output,
        "end when it writes too much",
        "head -c 20000000 /dev/zero; sleep 5",
    ),
    limit(
        "limit-workspace",
        Limit::WorkspaceSize,
        "end when the workspace grows too large",
        "head -c 3000000 /dev/zero > big; sleep 5",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_there_is_work_among_the_attacks() {
        let ids: BTreeSet<_> = PROBES.iter().map(|probe| probe.id).collect();
        assert_eq!(ids.len(), PROBES.len());
        assert!(PROBES.iter().filter(|probe| probe.what == Try::Work).count() >= 5);
        assert!(PROBES.iter().all(|probe| probe.expected(Level::Strict) == Verdict::Holds));
    }
}
