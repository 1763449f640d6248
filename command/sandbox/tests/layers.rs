//! Each layer alone: what it holds when it is there is lost when it is left out, and nothing else is.

mod support;

use std::{fs, time::Duration};

use openclaw_ports::{
    Sandbox,
    sandbox::{Level, Limits},
};
use openclaw_sandbox::{Backend, Config, Layer, Machine};
use support::{config, shell, text};
use tokio_util::sync::CancellationToken;

/// What `script` says at `level` without `missing`.
async fn without(missing: &[Layer], level: Level, script: &str, limits: Limits) -> String {
    let workspace = tempfile::tempdir().expect("the sandbox works");
    for directory in [".git", ".git/hooks"] {
        let path = workspace.path().join(directory);
        fs::create_dir(&path).expect("the sandbox works");
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .expect("the sandbox works");
    }
    let backend = if level == Level::Confined { Backend::Confined } else { Backend::Bubblewrap };
    let machine = Machine::new(Config { without: missing.iter().copied().collect(), backend, ..config() });
    let mut job = shell(script, workspace.path());
    job.policy.level = level;
    job.policy.limits = Limits { wall: Duration::from_secs(20), ..limits };
    text(&machine.run(job, CancellationToken::new()).await.expect("the sandbox works"))
}

#[tokio::test]
async fn what_a_layer_holds_is_lost_without_it() {
    let outside = tempfile::tempdir().unwrap();
    fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let canary = format!("echo x > {0}/x && echo LOST; rm -f {0}/x", outside.path().display());
    let signal = format!("kill -0 {} && echo LOST", std::process::id());
    let cases: [(Level, Layer, &str); 9] = [
        (Level::Strict, Layer::Seccomp, "grep -q 'Seccomp:.0' /proc/self/status && echo LOST"),
        (
            Level::Strict,
            Layer::Seccomp,
            "mkfifo pipe && echo LOST; cp /bin/true t; chmod 4755 t && echo LOST",
        ),
        (Level::Strict, Layer::Network, "tail -n +3 /proc/net/dev | grep -qv ' lo:' && echo LOST"),
        (Level::Strict, Layer::Processes, "[ $(ls -d /proc/[0-9]* | wc -l) -gt 8 ] && echo LOST"),
        (Level::Strict, Layer::Protected, "echo x > .git/hooks/x && echo LOST"),
        (
            Level::Strict,
            Layer::SharedMemory,
            "head -c 30000000 /dev/zero > /dev/shm/x && echo LOST; rm -f /dev/shm/x",
        ),
        (Level::Strict, Layer::Rlimits, "[ $(ulimit -n) -gt 512 ] && echo LOST"),
        (Level::Confined, Layer::Landlock, &canary),
        (Level::Confined, Layer::Seccomp, "grep -q 'Seccomp:.0' /proc/self/status && echo LOST"),
    ];
    for (level, layer, script) in cases {
        // Mode bits are Seccomp's and nodes Landlock's as well, so that both are out where the one is looked at.
        let missing: &[Layer] = if layer == Layer::Seccomp && level == Level::Strict {
            &[Layer::Seccomp, Layer::Landlock]
        } else {
            &[layer]
        };
        let whole = without(&[], level, script, Limits::default()).await;
        assert!(!whole.contains("LOST"), "{level} whole: {script}: {whole}");
        let partial = without(missing, level, script, Limits::default()).await;
        assert!(partial.contains("LOST"), "{level} without {layer:?}: {script}: {partial}");
    }
    // Signals need somebody of the same user: only a server that is not root is one.
    if !rustix::process::geteuid().is_root() {
        assert!(!without(&[], Level::Confined, &signal, Limits::default()).await.contains("LOST"));
        assert!(
            without(&[Layer::Landlock], Level::Confined, &signal, Limits::default()).await.contains("LOST")
        );
    }
}

/// Landlock is the second lock on what bubblewrap mounts: seen where bubblewrap leaves something writable.
#[tokio::test]
async fn landlock_holds_inside_bubblewrap_by_itself() {
    let script = "echo 5 > /proc/self/oom_score_adj && echo LOST";
    assert!(!without(&[], Level::Strict, script, Limits::default()).await.contains("LOST"));
    assert!(without(&[Layer::Landlock], Level::Strict, script, Limits::default()).await.contains("LOST"));
}

#[tokio::test]
async fn the_watchdog_holds_what_single_limits_do_not() {
    let limits = Limits { workspace_bytes: 1 << 20, ..Limits::default() };
    let script = "head -c 3000000 /dev/zero > big; sleep 2; echo LOST";
    assert!(!without(&[], Level::Strict, script, limits).await.contains("LOST"));
    assert!(without(&[Layer::Watchdog], Level::Strict, script, limits).await.contains("LOST"));
}
