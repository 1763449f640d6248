//! Whatever is done to the log, it is found.

use std::fs;

use openclaw_suite::Options;
use serde_json::json;

use super::{Place, codes, work};

#[tokio::test]
async fn a_stopped_server_has_signed_everything_that_happened() {
    let place = Place::new();
    let server = place.server().await;
    work(&server).await;
    let history = server.terminate().await;
    let (code, findings) = place.verify().await;
    assert_eq!((code, &findings["ok"]), (0, &json!(true)), "{findings}");
    // The newest event is the checkpoint itself.
    assert_eq!(findings["covered"], json!(history.0.len() - 1), "{findings}");
    assert!(
        findings["readModel"].as_str().is_some_and(|text| text.contains("what the log says")),
        "{findings}"
    );
    let key = place.cli(&["audit", "key", "--json"]).await.succeeded().json();
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let right = place.cli(&["audit", "verify", "--json", "--key", key["key"].as_str().expect("a key")]).await;
    assert_eq!(right.code, Some(0), "{right:?}");
    let other = place.cli(&["audit", "verify", "--json", "--key", wrong]).await;
    assert_eq!((other.code, codes(&other.json())[0]), (Some(1), "OC-AUD-004"));
}

#[tokio::test]
async fn a_cut_off_end_is_found_by_the_kept_checkpoints_when_the_anchor_is_gone_too() {
    let place = Place::new();
    let server = place.server().await;
    work(&server).await;
    let before = server.terminate().await.0.len();
    let copy = place.outside.path().join("copy");
    copied(place.data(), &copy);
    let server = place.server().await;
    work(&server).await;
    let after = server.terminate().await.0.len();
    assert!(after > before);
    // The end, the anchor, and the read model: all of it is as it once was.
    fs::remove_dir_all(place.data()).expect("the directory is ours");
    copied(&copy, place.data());
    assert!(
        place.cli(&["log", "verify"]).await.succeeded().stdout.contains("whole"),
        "the chain alone says nothing"
    );
    let (code, findings) = place.verify().await;
    assert_eq!((code, codes(&findings)), (1, vec!["OC-AUD-002"]), "{findings}");
    let message = findings["problems"][0]["message"].as_str().expect("a message");
    assert!(message.contains(&format!("positions {} to {}", before + 1, after - 1)), "{message}");
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found() {
    let place = Place::new();
    let server = place.server().await;
    work(&server).await;
    let _ = server.terminate().await;
    for name in ["log", "views", "open-runs.json", "webhooks.json"] {
        let path = place.data().join(name);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    // Without the key, and with a longer history.
    let server = openclaw_suite::Server::start(place.data(), Options::default()).await;
    for _ in 0..5 {
        work(&server).await;
    }
    let _ = server.terminate().await;
    let (code, findings) = place.verify().await;
    assert_eq!(code, 1);
    assert!(codes(&findings).iter().all(|code| *code == "OC-AUD-003"), "{findings}");
}

#[tokio::test]
async fn a_changed_byte_of_the_log_is_named_by_its_position() {
    let place = Place::new();
    let server = place.server().await;
    work(&server).await;
    let _ = server.terminate().await;
    let changed = change(&place.data().join("log/segments"), b"\"sum\":3", b"\"sum\":4");
    assert!(changed, "the output of the run stands in the log");
    let (code, findings) = place.verify().await;
    assert_eq!(code, 1, "{findings}");
    assert!(codes(&findings).contains(&"OC-LOG-001"), "{findings}");
}

#[tokio::test]
async fn a_server_without_a_key_says_so_and_signs_nothing() {
    let place = Place::new();
    let server =
        openclaw_suite::Server::start(place.data(), Options::default().set("audit.interval", "50ms")).await;
    work(&server).await;
    openclaw_suite::eventually("the warning", async || {
        server.said().iter().any(|line| line.contains("OC-AUD-005")).then_some(())
    })
    .await;
    let _ = server.terminate().await;
    let finished = place.cli(&["audit", "verify"]).await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stdout.contains("no checkpoint vouches"), "{finished:?}");
}

#[tokio::test]
async fn a_file_of_checkpoints_in_the_data_directory_is_refused() {
    let place = Place::new();
    let options = place.options().set("audit.checkpoints_file", place.data().join("c").display());
    let finished = openclaw_suite::Server::try_start(place.data(), options).await.expect_err("it is refused");
    assert!(finished.stderr.contains("OC-AUD-006"), "{finished:?}");
}

/// Copies a directory with all that is in it.
fn copied(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// Changes bytes in every file below `directory`; whether any had them.
fn change(directory: &std::path::Path, from: &[u8], to: &[u8]) -> bool {
    let mut changed = false;
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            changed |= change(&path, from, to);
            continue;
        }
        let mut bytes = fs::read(&path).expect("a file");
        let places: Vec<usize> = bytes
            .windows(from.len())
            .enumerate()
            .filter(|(_, part)| *part == from)
            .map(|(at, _)| at)
            .collect();
        for at in &places {
            bytes[*at..at + to.len()].copy_from_slice(to);
        }
        if !places.is_empty() {
            fs::write(&path, bytes).expect("a file");
            changed = true;
        }
    }
    changed
}
