//! What a hostile job tries, and does not get.

mod support;

use std::{
    fs,
    io::Write,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, symlink},
    },
};

use openclaw_ports::sandbox::{End, Level};
use support::{run, shell, strict, text};

#[tokio::test]
async fn the_servers_environment_cannot_be_seen() {
    // Cargo gives every test this one; the helper would hand it on if it were not cleared.
    assert!(option_env!("CARGO_MANIFEST_DIR").is_some());
    let (_, seen) = strict("cat /proc/[0-9]*/environ | tr '\\0' '\\n'; tr '\\0' ' ' < /proc/1/cmdline").await;
    assert!(!seen.contains("CARGO"), "{seen}");
    assert!(
        seen.contains("bwrap --args"),
        "the options, and with them the environment, are in a file: {seen}"
    );
}

#[tokio::test]
async fn an_open_file_of_the_server_is_not_inherited() {
    let mut secret = tempfile::tempfile().unwrap();
    secret.write_all(b"CANARY").unwrap();
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).unwrap();
    let descriptor = secret.as_raw_fd();
    for level in [Level::None, Level::Strict] {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell(&format!("cat /proc/self/fd/{descriptor}; ls /proc/self/fd"), workspace.path());
        job.policy.level = level;
        let seen = text(&run(job).await.unwrap());
        assert!(!seen.contains("CANARY"), "{level:?}: {seen}");
        assert_eq!(seen.lines().filter(|line| line.parse::<u32>().is_ok()).count(), 4, "{level:?}: {seen}");
    }
}

#[tokio::test]
async fn only_the_workspace_and_tmp_can_be_written() {
    let outside = tempfile::tempdir().unwrap();
    let canary = outside.path().join("canary");
    fs::write(&canary, "whole").unwrap();
    let script = format!(
        "for place in / /usr /etc /dev /proc /run /var /home {0} ..; do echo x > $place/.written && echo WROTE $place; done; \
         echo x > {1}; ln -s {0} link; echo x > link/through; echo fine > here",
        outside.path().display(),
        canary.display(),
    );
    let workspace = tempfile::tempdir().unwrap();
    let outcome = run(shell(&script, workspace.path())).await.unwrap();
    // Directories above the workspace are made for it inside and are not those outside.
    let wrote: Vec<_> =
        text(&outcome).lines().filter(|line| line.starts_with("WROTE")).map(str::to_owned).collect();
    assert!(wrote.iter().all(|line| line == "WROTE .."), "{wrote:?}");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "whole");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(workspace.path().join("here")).unwrap(), "fine\n");
}

#[tokio::test]
async fn secrets_of_the_machine_are_not_in_view() {
    let (_, seen) = strict(
        "cat /etc/shadow /etc/machine-id /proc/keys /proc/kcore /proc/kallsyms /proc/sys/kernel/core_pattern | wc -c; \
         ls /root /home /sys /run /var 2>/dev/null; ls /etc",
    )
    .await;
    let mut lines: Vec<_> = seen.lines().filter(|line| !line.contains(':')).collect();
    assert_eq!(lines.remove(0), "0", "{seen}");
    for entry in lines {
        assert!(
            ["alternatives", "group", "hosts", "ld.so.cache", "localtime", "passwd", "pki", "ssl"]
                .contains(&entry),
            "{entry} is visible"
        );
    }
}

#[tokio::test]
async fn the_tree_has_no_privilege_and_is_not_the_kernels_root() {
    let workspace = tempfile::tempdir().unwrap();
    let job = shell(
        "touch mine; grep -E '^(Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status",
        workspace.path(),
    );
    let outcome = run(job).await.unwrap();
    for line in text(&outcome).lines() {
        let (name, value) = line.split_once(':').unwrap();
        let expected = match name {
            "NoNewPrivs" => "1",
            "Seccomp" => "2",
            _ => "0000000000000000",
        };
        assert_eq!(value.trim(), expected, "{name}");
    }
    assert_ne!(fs::metadata(workspace.path().join("mine")).unwrap().uid(), 0);
}

#[tokio::test]
async fn namespaces_mounts_and_traces_cannot_be_made() {
    let (_, seen) = strict(
        "unshare -U true && echo ESCAPED user; unshare -rm true && echo ESCAPED mount; \
         mkdir m; mount -t tmpfs t m && echo ESCAPED tmpfs; nsenter -t 1 -n true && echo ESCAPED enter; \
         mount -o remount,rw / && echo ESCAPED remount; echo tried",
    )
    .await;
    assert!(seen.contains("tried") && !seen.contains("ESCAPED"), "{seen}");
}

#[tokio::test]
async fn no_trap_is_left_for_who_looks_at_the_workspace() {
    let workspace = tempfile::tempdir().unwrap();
    let script = "cp /bin/true plain; cp /bin/true setuid; chmod 4755 setuid; cp /bin/true setgid; chmod g+s setgid; \
                  mkfifo fifo; mknod device c 1 3; mkdir -m 2755 directory; install -m 6755 /bin/true installed; true";
    run(shell(script, workspace.path())).await.unwrap();
    let entries: Vec<_> = fs::read_dir(workspace.path()).unwrap().flatten().collect();
    assert!(entries.iter().any(|entry| entry.file_name() == "plain"), "the script did run");
    for entry in entries {
        let metadata = entry.metadata().unwrap();
        assert!(metadata.is_file() || metadata.is_dir(), "{:?}", entry.file_name());
        assert_eq!(metadata.mode() & 0o6000, 0, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn hooks_and_settings_in_the_workspace_stay_as_they_are() {
    let workspace = tempfile::tempdir().unwrap();
    let git = workspace.path().join(".git");
    fs::create_dir_all(git.join("hooks")).unwrap();
    fs::write(git.join("config"), "[core]\n").unwrap();
    fs::write(workspace.path().join(".envrc"), "").unwrap();
    fs::write(workspace.path().join("secret-outside"), "").unwrap();
    symlink("/etc/shadow", workspace.path().join(".mcp.json")).unwrap();
    let script = "echo x > .git/hooks/post-checkout; echo x >> .git/config; mv .git .moved; rm -rf .git; \
                  echo x > .envrc; echo x > allowed; head -c 1 .mcp.json && echo SHADOW";
    let outcome = run(shell(script, workspace.path())).await.unwrap();
    assert_eq!(fs::read_to_string(git.join("config")).unwrap(), "[core]\n");
    assert_eq!(fs::read_dir(git.join("hooks")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(workspace.path().join(".envrc")).unwrap(), "");
    assert!(workspace.path().join("allowed").exists());
    assert!(!text(&outcome).contains("SHADOW"));
}

#[tokio::test]
async fn strict_has_no_internet_sockets_and_relaxed_has_a_loopback_of_its_own() {
    if openclaw_sandbox::which("python3").is_none() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "cat > probe.py <<'END'\nimport socket\n\
         def attempt(name, what):\n    \
             try:\n        what(); print(name, 'worked')\n    \
             except OSError as error: print(name, 'failed')\n\
         attempt('unix', lambda: socket.socketpair())\n\
         attempt('inet', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))\n\
         attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n\
         attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))\n\
         attempt('vsock', lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))\n\
         attempt('server', lambda: socket.create_connection(('127.0.0.1', {port}), 2))\n\
         def loopback():\n    \
             s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 2)\n\
         attempt('loopback', loopback)\n\
         attempt('outside', lambda: socket.create_connection(('192.0.2.1', 80), 2))\nEND\n\
         python3 probe.py; tail -n +3 /proc/net/dev | grep -v ' lo:'"
    );
    for (level, inside) in [(Level::Strict, "failed"), (Level::Relaxed, "worked")] {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell(&script, workspace.path());
        job.policy.level = level;
        let seen = text(&run(job).await.unwrap());
        let expected = format!(
            "unix worked\ninet {inside}\nraw failed\npacket failed\nvsock failed\nserver failed\nloopback {inside}\noutside failed\n"
        );
        assert_eq!(seen, expected, "{level:?}");
    }
}

#[tokio::test]
async fn other_processes_of_the_machine_are_out_of_sight_and_reach() {
    let own = std::process::id();
    let (outcome, seen) = strict(&format!("ls -d /proc/[0-9]* | wc -l; kill -9 {own} && echo KILLED")).await;
    let count: u32 = seen.lines().next().unwrap().parse().unwrap();
    assert!(count < 10, "{seen}");
    assert!(!seen.contains("KILLED"), "{seen}");
    assert!(matches!(outcome.end, End::Exited(_)));
}
