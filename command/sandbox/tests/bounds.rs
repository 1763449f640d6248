//! Limits hold, and everything ends.

mod support;

use std::{
    io::Read,
    process::{Command, Stdio},
    time::Duration,
};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Level, Limit, Limits},
};
use support::{alive, run, sandbox, shell, text, unique_sleep};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const ALL: [Level; 3] = [Level::None, Level::Relaxed, Level::Strict];

/// A shell script that leaves a process which ignores polite signals, has left its session and forgotten its parent.
fn daemon(seconds: &str) -> String {
    format!("(setsid sh -c 'trap \"\" TERM HUP INT; sleep {seconds}; true' > /dev/null 2>&1 < /dev/null &) ")
}

#[tokio::test]
async fn a_daemon_does_not_outlive_its_command() {
    for level in ALL {
        let (workspace, seconds) = (tempfile::tempdir().unwrap(), unique_sleep());
        let mut job = shell(&format!("{}; echo started", daemon(&seconds)), workspace.path());
        job.policy.level = level;
        let outcome = run(job).await.unwrap();
        assert_eq!((outcome.end, text(&outcome).as_str()), (End::Exited(0), "started\n"), "{level:?}");
        assert_eq!(alive(&seconds), 0, "{level:?}");
    }
}

#[tokio::test]
async fn cancelling_kills_the_whole_tree_before_it_returns() {
    for level in ALL {
        let (workspace, seconds) = (tempfile::tempdir().unwrap(), unique_sleep());
        let script = format!("{}; trap '' TERM; touch ready; sleep {seconds}", daemon(&seconds));
        let mut job = shell(&script, workspace.path());
        job.policy.level = level;
        let cancel = CancellationToken::new();
        let (sandbox, ready) = (sandbox(), workspace.path().join("ready"));
        let (outcome, ()) = tokio::join!(sandbox.run(job, cancel.clone()), async {
            wait_until(|| ready.exists() && alive(&seconds) >= 2).await;
            cancel.cancel();
        });
        assert_eq!(outcome.unwrap().end, End::Cancelled, "{level:?}");
        assert_eq!(alive(&seconds), 0, "{level:?}");
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_before_it_starts_does_nothing() {
    let workspace = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = sandbox().run(shell("sleep 60", workspace.path()), cancel).await.unwrap();
    assert_eq!(outcome.end, End::Cancelled);
}

#[tokio::test]
async fn dropping_the_future_kills_the_tree() {
    for level in ALL {
        let (workspace, seconds) = (tempfile::tempdir().unwrap(), unique_sleep());
        let mut job = shell(&format!("{}; sleep {seconds}", daemon(&seconds)), workspace.path());
        job.policy.level = level;
        let sandbox = sandbox();
        tokio::select! {
            outcome = sandbox.run(job, CancellationToken::new()) => panic!("ended by itself: {outcome:?}"),
            () = wait_until(|| alive(&seconds) >= 2) => {}
        }
        wait_until(|| alive(&seconds) == 0).await;
    }
}

async fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_tree_dies_with_the_server() {
    for level in ["strict", "none"] {
        let (workspace, seconds) = (tempfile::tempdir().unwrap(), unique_sleep());
        let script = format!("{}; echo ready; sleep {seconds}", daemon(&seconds));
        let mut server = Command::new(env!("CARGO_BIN_EXE_openclaw-sandbox-helper"))
            .args(["run", "--level", level, "--", "sh", "-c", &script])
            .current_dir(workspace.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        server.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        assert!(alive(&seconds) >= 2);
        server.kill().unwrap();
        server.wait().unwrap();
        wait_until(|| alive(&seconds) == 0).await;
    }
}

#[tokio::test]
async fn the_wall_limit_ends_a_tree_that_ignores_signals_or_stops_itself() {
    for level in ALL {
        for last in ["sleep", "kill -STOP $$ ; sleep"] {
            let (workspace, seconds) = (tempfile::tempdir().unwrap(), unique_sleep());
            let script = format!("trap '' TERM INT HUP; echo before; {}; {last} {seconds}", daemon(&seconds));
            let mut job = shell(&script, workspace.path());
            job.policy.level = level;
            job.policy.limits.wall = Duration::from_secs(1);
            let outcome = run(job).await.unwrap();
            assert_eq!(
                (outcome.end, text(&outcome).as_str()),
                (End::Limit(Limit::Wall), "before\n"),
                "{level:?} {last}"
            );
            assert_eq!(alive(&seconds), 0, "{level:?} {last}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_the_program_ends() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job =
            shell("head -c 20000000 /dev/zero; head -c 300 /dev/zero >&2; exit 3", workspace.path());
        job.policy.level = level;
        job.policy.limits.output_bytes = 1000;
        let outcome = run(job).await.unwrap();
        assert_eq!((outcome.end, outcome.truncated), (End::Exited(3), true), "{level:?}");
        assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (1000, 300), "{level:?}");
    }
}

#[tokio::test]
async fn memory_file_size_and_open_files_are_limited() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let script = "head -c 3000000 /dev/zero > big; stat -c %s big; ulimit -n; \
                      python3 -c 'bytearray(200 << 20)' 2>&1 | tail -1";
        let mut job = shell(script, workspace.path());
        job.policy.level = level;
        job.policy.limits.file_bytes = 1 << 20;
        job.policy.limits.open_files = 64;
        job.policy.limits.memory_bytes = 128 << 20;
        let seen = text(&run(job).await.unwrap());
        assert!(seen.contains("1048576\n64\n"), "{level:?}: {seen}");
        assert!(!seen.contains("3000000"), "{level:?}: {seen}");
        if openclaw_sandbox::which("python3").is_some() {
            assert!(seen.contains("MemoryError"), "{level:?}: {seen}");
        }
    }
}

#[tokio::test]
async fn processor_time_is_limited() {
    let workspace = tempfile::tempdir().unwrap();
    let mut job = shell("while :; do :; done", workspace.path());
    job.policy.limits.cpu_seconds = 1;
    // SIGXCPU.
    assert_eq!(run(job).await.unwrap().end, End::Limit(Limit::Cpu));
}

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit() {
    let workspace = tempfile::tempdir().unwrap();
    let script = "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; ls -d /proc/[0-9]* | wc -l";
    let mut job = shell(&format!("({script}) 2>&1; pkill sleep; true"), workspace.path());
    job.policy.limits.processes = 20;
    job.policy.limits.wall = Duration::from_secs(5);
    let outcome = run(job).await.unwrap();
    assert!(
        text(&outcome).to_lowercase().contains("fork"),
        "the shell says that it cannot fork: {}",
        text(&outcome)
    );
}

type Change = fn(&mut Limits);

/// Each passed limit that can be told, at each level at which it is: the end names it.
#[tokio::test]
async fn a_limit_that_is_passed_is_named() {
    let cases: [(Limit, &str, Change); 6] = [
        (Limit::Cpu, "for i in 1 2 3 4; do (while :; do :; done) & done; wait", |limits| {
            limits.cpu_seconds = 1
        }),
        (Limit::FileSize, "exec head -c 3000000 /dev/zero > big", |limits| limits.file_bytes = 1 << 20),
        (Limit::WorkspaceSize, "head -c 3000000 /dev/zero > big; sleep 20", |limits| {
            limits.workspace_bytes = 1 << 20
        }),
        (Limit::WorkspaceFiles, "seq 300 | xargs touch; sleep 20", |limits| limits.workspace_files = 200),
        (
            Limit::Memory,
            "for i in 1 2 3; do dd if=/dev/zero of=/dev/null bs=40M count=1000000 & done; wait; sleep 20",
            |limits| {
                limits.memory_bytes = 100 << 20;
            },
        ),
        (Limit::Processes, "for i in 1 2 3 4 5 6 7 8 9; do sleep 20 & done; wait", |limits| {
            limits.processes = 9
        }),
    ];
    for level in ALL {
        for (limit, script, change) in cases {
            let workspace = tempfile::tempdir().unwrap();
            let mut job = shell(script, workspace.path());
            job.policy.level = level;
            change(&mut job.policy.limits);
            let outcome = run(job).await.unwrap();
            assert_eq!(outcome.end, End::Limit(limit), "{level:?}: {}", text(&outcome));
        }
    }
}

/// The counterpart: a tree that uses all that it may is left alone.
#[tokio::test]
async fn a_tree_at_its_limits_is_left_alone() {
    let workspace = tempfile::tempdir().unwrap();
    let mut job = shell("for i in 1 2 3 4 5 6 7 8; do sleep 0.8 & done; wait; echo fine", workspace.path());
    job.policy.limits.processes = 9;
    assert_eq!(text(&run(job).await.unwrap()), "fine\n");
}

#[tokio::test]
async fn a_stream_that_is_wanted_whole_and_is_not_ends_the_process() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job =
            shell("head -c 20000 /dev/zero; head -c 20000 /dev/zero >&2; sleep 20", workspace.path());
        job.policy.level = level;
        job.policy.limits.output_bytes = 1000;
        job.wanted.stdout = true;
        let outcome = run(job).await.unwrap();
        assert_eq!((outcome.end, outcome.stdout.len()), (End::Limit(Limit::Output), 1000), "{level:?}");
    }
}
