//! kill -9 at random moments under load, of a child process that is this test itself.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

mod support;

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use openclaw_log::{
    EventLog,
    conformance::{self, Author},
};
use openclaw_model::Position;
use openclaw_sled::{Options, SledLog, verify};
use support::{Dice, author_of};

const CHILD_DIR: &str = "OPENCLAW_CRASH_CHILD";

#[expect(
    clippy::disallowed_methods,
    reason = "how the parent talks to the child, and a switch of the test suite"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn options() -> Options {
    Options { segment_events: 2000, reserve_bytes: 0, ..Options::default() }
}

/// Not a test of its own: what the child does until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child_under_load() {
    let Some(dir) = variable(CHILD_DIR) else { return };
    let dir = Path::new(&dir);
    let mut acks = File::options().create(true).append(true).open(dir.join("acks")).unwrap();
    let log = SledLog::open(&dir.join("log"), options()).unwrap();
    let mut author = author_of(&log).await;
    let mut flying = FuturesOrdered::new();
    for turn in 0usize.. {
        let name = ["s0", "s1", "s2"][turn % 3];
        let large = if turn % 50 == 0 { 12_000 } else { 60 };
        let (frames, expected) =
            author.frames(vec![(name, vec![300 + turn % 900, large]), ("all", vec![80])]);
        flying.push_back(log.append(frames, expected));
        if flying.len() == 16 {
            let head = flying.next().await.unwrap().unwrap();
            acks.write_all(&head.position.0.to_le_bytes()).unwrap();
        }
    }
}

fn last_ack(dir: &Path) -> u64 {
    let acks = fs::read(dir.join("acks")).unwrap_or_default();
    acks.as_chunks::<8>().0.last().map_or(0, |ack| u64::from_le_bytes(*ack))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if variable(CHILD_DIR).is_some() {
        return;
    }
    let rounds = variable("OPENCLAW_CRASH_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(u64::from(std::process::id()));
    let mut busy = 0;
    for round in 0..rounds {
        let before = last_ack(dir.path());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_under_load", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before the log is open to well into the writing.
        thread::sleep(Duration::from_millis(20 + dice.below(400)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = last_ack(dir.path());
        busy += u64::from(acknowledged > before);

        let log = SledLog::open(&dir.path().join("log"), options())
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        let head = log.head();
        assert!(head.position.0 >= acknowledged, "round {round}: {} < {acknowledged}", head.position);
        let events = conformance::collect(log.read(Position(1))).await;
        assert_eq!(events.len() as u64, head.position.0, "round {round}");
        assert!(events.iter().all(Author::check), "round {round}");
        for event in events.iter().rev().step_by(997).take(30) {
            let first = event.causality.correlation.map(|id| id.as_u128() as u64);
            assert_eq!(log.find_command(event.command).unwrap().map(|p| p.0), first, "round {round}");
        }
        drop(log);
        let verified =
            verify(&dir.path().join("log"), options()).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(verified.head, head, "round {round}");
    }
    assert!(rounds < 5 || busy > 0, "no child lived long enough to be tested");
}
