//! A full disk: commands are refused and say why, everything else goes on, and nothing acknowledged is lost.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use openclaw_suite::{Options, Server, eventually, tell};
use serde_json::{Value, json};

/// A file system of its own in memory. Unmounted when dropped.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// None where the test may not mount one.
    fn mount(megabytes: u64) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { directory });
        }
        tell("skipped: only root can mount a small file system to fill");
        None
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Writes until at most `leave` bytes are free.
    fn fill(&self, leave: u64) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        while self.free() > leave {
            let chunk = vec![1_u8; usize::try_from((self.free() - leave).min(1 << 20)).unwrap()];
            if file.write_all(&chunk).is_err() {
                break;
            }
        }
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            tell(&format!("{} stays mounted", self.path().display()));
        }
    }
}

fn message(number: usize) -> Value {
    json!({ "sessionId": "s", "content": format!("{number}: {}", "x".repeat(2_000)) })
}

/// Sends messages until one is refused. Answers the positions of those that were not, and the refusal.
async fn until_refused(server: &Server, first: usize) -> (Vec<(u64, usize)>, Value) {
    let mut acknowledged = Vec::new();
    for number in first.. {
        match server.rpc("session.message", message(number)).await {
            Ok(answer) => acknowledged.push((answer["position"].as_u64().unwrap(), number)),
            Err(error) => return (acknowledged, error),
        }
        assert!(number < first + 50_000, "the disk does not get full");
    }
    unreachable!("the loop has no end")
}

/// Fills the disk to `leave` bytes, and expects what the promise says.
async fn a_full_disk(options: Options, leave: u64) {
    let Some(disk) = Disk::mount(64) else { return };
    let data = disk.path().join("data");
    let server = Server::start(&data, options.clone()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let answer = server.rpc("session.message", message(number)).await.unwrap();
        acknowledged.push((answer["position"].as_u64().unwrap(), number));
    }
    disk.fill(leave);
    let (more, refused) = until_refused(&server, 20).await;
    acknowledged.extend(more);
    let code = refused["data"]["code"].as_str().unwrap();
    assert!(refused["code"] == -32023 && (code == "OC-LOG-002" || code == "OC-LOG-003"), "{refused}");
    assert!(refused["data"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{refused}");
    let again = server.rpc("session.message", message(0)).await.unwrap_err();
    assert_eq!(again["code"], -32023, "and so is the next one");

    let last = acknowledged.last().unwrap().0;
    let query = "query { session(id: \"s\") { messageCount } server { writable readOnlyReason } event(position: \"1\") { type } }";
    let shown = eventually("the view", async || {
        // A view on a full disk may stand still, but it must not lie: it answers, or says where it stands.
        server.client().graphql(query, json!({})).await.ok()
    })
    .await;
    assert_eq!(
        (&shown["server"]["writable"], &shown["event"]["type"]),
        (&json!(false), &json!("session.started"))
    );
    assert!(shown["server"]["readOnlyReason"].is_string(), "{shown}");
    let (status, metrics) = server.caller().get("/metrics").await;
    assert!(status == 200 && metrics.contains("openclaw_log_read_only 1"), "{metrics}");
    let (status, ready) = server.caller().get("/readyz").await;
    assert!(status == 503 && ready.contains("OC-LOG-002"), "{status} {ready}");
    let health = server.client().health().await.unwrap();
    assert_eq!((health.status.as_str(), health.position.0), ("read_only", last));

    // A start on the disk that is still full: it answers questions, or says in words why it cannot start.
    server.kill9().await;
    match Server::try_start(&data, options.clone()).await {
        Ok(server) => {
            assert_eq!(server.client().health().await.unwrap().position.0, last);
            server.kill9().await;
        }
        Err(refused) => assert!(refused.stderr.contains("OC-"), "{refused:?}"),
    }

    std::fs::remove_file(disk.filler()).unwrap();
    let server = Server::start(&data, options).await;
    let (status, _) = server.caller().get("/readyz").await;
    assert_eq!(status, 200);
    let answer = server.rpc("session.message", message(99_999)).await.unwrap();
    acknowledged.push((answer["position"].as_u64().unwrap(), 99_999));
    let history = server.terminate().await;
    for (position, number) in acknowledged {
        let content = history.at(position).map(|entry| &entry.data["content"]);
        assert_eq!(content, Some(&message(number)["content"]), "position {position}");
    }
}

/// What the server says when it stops writing, which a human must read.
const EXPECTED: [&str; 3] = ["OC-LOG-002", "OC-LOG-003", "OC-PRJ-002"];

fn options(min_free: u64) -> Options {
    let options = Options::default()
        .set("log.segment_bytes", 1 << 20)
        .set("log.min_free_bytes", min_free)
        .set("log.reserve_bytes", 2 << 20);
    EXPECTED.into_iter().fold(options, Options::expect_error)
}

#[tokio::test]
async fn with_little_space_left_commands_are_refused_before_anything_can_break() {
    a_full_disk(options(16 << 20), 12 << 20).await;
}

#[tokio::test]
async fn without_any_space_left_nothing_acknowledged_is_lost() {
    a_full_disk(options(0), 0).await;
}
