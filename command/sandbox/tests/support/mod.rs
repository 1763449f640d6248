//! What the tests of the sandbox share.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use openclaw_ports::{
    Sandbox,
    sandbox::{Error, Job, Limits, Outcome, Policy, Streams},
};
use openclaw_sandbox::{Config, Machine};
use tokio_util::sync::CancellationToken;

pub fn config() -> Config {
    Config { helper: env!("CARGO_BIN_EXE_openclaw-sandbox-helper").into(), ..Config::default() }
}

/// Found once for all tests of a binary, as a server does.
pub fn sandbox() -> &'static Machine {
    static MACHINE: std::sync::OnceLock<Machine> = std::sync::OnceLock::new();
    MACHINE.get_or_init(|| Machine::new(config()))
}

/// A job that runs `script` in the shell, with `workspace` and limits that fit a test.
pub fn shell(script: &str, workspace: &Path) -> Job {
    Job {
        policy: Policy {
            limits: Limits { wall: Duration::from_secs(30), ..Limits::default() },
            ..Policy::default()
        },
        command: vec!["sh".into(), "-c".into(), script.into()],
        environment: BTreeMap::from([("PATH".into(), openclaw_sandbox::PATH.into())]),
        stdin: None,
        workspace: workspace.to_owned(),
        egress: None,
        wanted: Streams::default(),
    }
}

pub async fn run(job: Job) -> Result<Outcome, Error> {
    sandbox().run(job, CancellationToken::new()).await
}

/// Runs `script` in a workspace of its own and returns what it wrote to both streams, and how it ended.
pub async fn strict(script: &str) -> (Outcome, String) {
    let workspace = tempfile::tempdir().expect("a directory can be made");
    let outcome = run(shell(script, workspace.path())).await.expect("the sandbox works");
    let text = text(&outcome);
    (outcome, text)
}

pub fn text(outcome: &Outcome) -> String {
    let both = [outcome.stdout.as_slice(), &outcome.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Processes on this machine whose command line contains `mark`, zombies not counted.
pub fn alive(mark: &str) -> usize {
    std::fs::read_dir("/proc")
        .expect("/proc can be listed")
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(mark))
        .count()
}

/// A number of seconds to sleep that no other process on the machine sleeps, to find it by.
pub fn unique_sleep() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("6{:06}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
