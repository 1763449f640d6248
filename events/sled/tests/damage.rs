//! Damaged, missing and foreign files: noticed, named, never swallowed.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

mod support;

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use futures_util::StreamExt;
use openclaw_log::{
    EventLog, Head, ReadError,
    conformance::{self, Author},
};
use openclaw_model::{Position, Version};
use openclaw_sled::{OpenError, SledLog, VerifyError, accept, verify};
use support::{Dice, append_some, author_of, copy_tree, files, tiny};
use tempfile::TempDir;

/// A log with sealed segments, an active one and blobs; closed cleanly or not.
async fn sample(clean: bool) -> (TempDir, Head) {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    let mut author = Author::new(log.head());
    let head = append_some(&log, &mut author, 90).await;
    // Closing waits for the sealer, so that the sample has the same files each time.
    log.close();
    drop(log);
    if !clean {
        let log = SledLog::open(dir.path(), tiny()).unwrap();
        let mut author = author_of(&log).await;
        let head = append_some(&log, &mut author, 12).await;
        drop(log);
        return (dir, head);
    }
    (dir, head)
}

/// Whether the log shows damage wherever it is asked; panics if it silently shows less than `head`.
async fn notices(dir: &Path, head: Head, context: &str) -> bool {
    let mut noticed = false;
    match SledLog::open(dir, tiny()) {
        Err(error) => {
            assert!(error.code().starts_with("OC-LOG-"), "{context}");
            noticed = true;
        }
        Ok(log) => {
            assert!(log.head().position >= head.position, "{context}: history was swallowed");
            let mut history = log.read(Position(1));
            let mut next = 1;
            while let Some(batch) = history.next().await {
                match batch {
                    Ok(batch) => {
                        for event in batch.iter() {
                            assert!(event.position.0 == next && Author::check(event), "{context}: {event:?}");
                            next += 1;
                        }
                    }
                    Err(error) => {
                        if let ReadError::Damaged { position, .. } = &error {
                            assert!(position.0 <= head.position.0, "{context}: {error}");
                        }
                        noticed = true;
                    }
                }
            }
            assert!(noticed || next > head.position.0, "{context}: the read ended early without an error");
        }
    }
    match verify(dir, tiny()) {
        Ok(verified) => {
            assert!(verified.head.position >= head.position, "{context}: verify swallowed history")
        }
        Err(VerifyError::Broken(broken)) => {
            assert!(broken.position.0 <= head.position.0, "{context}: {broken}");
            noticed = true;
        }
        Err(VerifyError::Open(error)) => {
            assert!(error.code().starts_with("OC-LOG-"), "{context}");
            noticed = true;
        }
    }
    noticed
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test suite")]
fn rounds() -> u64 {
    let rounds = std::env::var("OPENCLAW_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    rounds.unwrap_or(40)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_never_silently_shortens_or_changes_history() {
    let mut dice = Dice::new(7);
    let mut noticed = 0;
    for clean in [true, false] {
        let (origin, head) = sample(clean).await;
        let damageable: Vec<PathBuf> = files(origin.path())
            .into_iter()
            .filter(|path| fs::metadata(path).unwrap().len() > 0 && !path.ends_with("lock"))
            .collect();
        for round in 0..rounds() {
            let path = &damageable[dice.below(damageable.len() as u64) as usize];
            let copy = tempfile::tempdir().unwrap();
            copy_tree(origin.path(), copy.path());
            let name = path.strip_prefix(origin.path()).unwrap();
            let file = OpenOptions::new().read(true).write(true).open(copy.path().join(name)).unwrap();
            let content = fs::read(path).unwrap();
            // Most of sled's files is padding: aim at what is not.
            let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
            let at = used[dice.below(used.len() as u64) as usize];
            file.write_all_at(&[content[at] ^ (1 << dice.below(8))], at as u64).unwrap();
            drop(file);
            let context = format!("clean {clean}, round {round}: {} at {at}", name.display());
            noticed += u64::from(notices(copy.path(), head, &context).await);
        }
    }
    assert!(noticed > rounds() / 4, "only {noticed} of {} flips were noticed", 2 * rounds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_of_any_segment_is_noticed() {
    let (origin, head) = sample(false).await;
    for (index, path) in
        files(&origin.path().join("segments")).iter().filter(|path| path.ends_with("db")).enumerate()
    {
        for cut in [1, 4096] {
            let copy = tempfile::tempdir().unwrap();
            copy_tree(origin.path(), copy.path());
            let name = path.strip_prefix(origin.path()).unwrap();
            let file = OpenOptions::new().write(true).open(copy.path().join(name)).unwrap();
            let used = fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64;
            file.set_len(used.saturating_sub(cut)).unwrap();
            notices(copy.path(), head, &format!("segment {index} cut by {cut}")).await;
        }
    }
}

fn segments(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_segment_is_named_by_its_first_position() {
    let (dir, _) = sample(true).await;
    fs::remove_dir_all(&segments(dir.path(), "sealed")[1]).unwrap();
    let error = SledLog::open(dir.path(), tiny()).err().unwrap();
    let OpenError::Damaged { position, .. } = &error else { panic!("{error}") };
    assert!(
        segments(dir.path(), "sealed")[0].to_string_lossy().contains(&format!("-{:020}.", position.0 - 1))
    );
    assert_eq!(error.code(), "OC-LOG-001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_its_anchor_is_refused_until_it_is_accepted() {
    let (dir, head) = sample(true).await;
    for active in segments(dir.path(), "active") {
        fs::remove_dir_all(active).unwrap();
    }
    let error = SledLog::open(dir.path(), tiny()).err().unwrap();
    let OpenError::HistoryMissing { end, anchor } = error else { panic!("{error}") };
    assert!(anchor == head.position && end < anchor);
    assert_eq!(error.code(), "OC-LOG-006");
    let broken = verify(dir.path(), tiny()).unwrap_err();
    assert!(matches!(&broken, VerifyError::Broken(broken) if broken.position == end.next()), "{broken}");

    assert_eq!(accept(dir.path(), tiny()).unwrap().head.position, end);
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    assert_eq!(log.head().position, end);
    let mut author = author_of(&log).await;
    assert_eq!(append_some(&log, &mut author, 20).await, author.head());
    drop(log);
    assert_eq!(verify(dir.path(), tiny()).unwrap().head, author.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_log_under_a_newer_anchor_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    let mut author = Author::new(log.head());
    append_some(&log, &mut author, 5).await;
    log.close();
    drop(log);
    copy_tree(&dir.path().join("segments"), &old.path().join("segments"));
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    append_some(&log, &mut author, 5).await;
    log.close();
    drop(log);
    fs::remove_dir_all(dir.path().join("segments")).unwrap();
    copy_tree(&old.path().join("segments"), &dir.path().join("segments"));
    assert_eq!(SledLog::open(dir.path(), tiny()).err().unwrap().code(), "OC-LOG-006");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_anchor_is_refused_until_the_log_is_accepted() {
    let (dir, head) = sample(true).await;
    fs::remove_file(dir.path().join("tip")).unwrap();
    assert_eq!(SledLog::open(dir.path(), tiny()).err().unwrap().code(), "OC-LOG-007");
    assert_eq!(verify(dir.path(), tiny()).unwrap_err().code(), "OC-LOG-007");
    assert_eq!(accept(dir.path(), tiny()).unwrap().head, head);
    assert_eq!(SledLog::open(dir.path(), tiny()).unwrap().head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_changed_blob_is_named_by_the_event_that_needs_it() {
    let (dir, head) = sample(true).await;
    let blobs = files(&dir.path().join("blobs"));
    assert!(blobs.len() > 2);
    fs::write(&blobs[0], b"something else").unwrap();
    let broken = verify(dir.path(), tiny()).unwrap_err();
    assert!(matches!(&broken, VerifyError::Broken(broken) if broken.position <= head.position), "{broken}");
    for blob in blobs {
        fs::remove_file(blob).unwrap();
    }
    let VerifyError::Broken(broken) = verify(dir.path(), tiny()).unwrap_err() else { panic!() };
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    let mut history = log.read(broken.position);
    let error = history.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, ReadError::Damaged { position, .. } if *position == broken.position), "{error}");
    assert!(history.next().await.is_none(), "a read ends after its first error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_or_handle_is_refused_while_the_log_is_open() {
    let (dir, head) = sample(true).await;
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    assert_eq!(SledLog::open(dir.path(), tiny()).err().unwrap().code(), "OC-LOG-005");
    assert_eq!(verify(dir.path(), tiny()).unwrap_err().code(), "OC-LOG-005");
    drop(log);
    assert_eq!(SledLog::open(dir.path(), tiny()).unwrap().head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_heads_are_rebuilt_when_they_are_deleted_or_ruined() {
    let (dir, head) = sample(true).await;
    let expected = {
        let log = SledLog::open(dir.path(), tiny()).unwrap();
        conformance::collect(log.read_stream(&Author::stream("s3"), Version(1))).await
    };
    assert!(!expected.is_empty());
    for ruin in [false, true] {
        if ruin {
            for file in files(&dir.path().join("heads")) {
                fs::write(file, vec![0x5a; 5000]).unwrap();
            }
        } else {
            fs::remove_dir_all(dir.path().join("heads")).unwrap();
        }
        let log = SledLog::open(dir.path(), tiny()).unwrap();
        assert_eq!(log.head(), head);
        let stream = Author::stream("s3");
        assert_eq!(conformance::collect(log.read_stream(&stream, Version(1))).await, expected);
        let last = expected.last().unwrap();
        assert_eq!(log.stream_head(&stream).unwrap().unwrap().position, last.position);
        assert_eq!(log.find_command(expected[0].command).unwrap(), Some(expected[0].position));
        log.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_crash_are_removed() {
    let (dir, head) = sample(false).await;
    let active = segments(dir.path(), "active").pop().unwrap();
    fs::write(active.join("snap.7FFFFFFFFFFFFFFF.generating"), b"half a snapshot").unwrap();
    fs::create_dir_all(dir.path().join("segments/00000000000000000007.sealing/blobs")).unwrap();
    fs::remove_dir_all(dir.path().join("heads")).unwrap();
    fs::create_dir_all(dir.path().join("heads")).unwrap();
    fs::write(dir.path().join("heads/conf"), b"half a configuration").unwrap();
    // A segment that was being created when the process died.
    fs::create_dir_all(dir.path().join(format!("segments/{:020}.active/blobs", head.position.0 + 1)))
        .unwrap();
    let log = SledLog::open(dir.path(), tiny()).unwrap();
    assert_eq!(log.head(), head);
    assert_eq!(conformance::collect(log.read(Position(1))).await.len() as u64, head.position.0);
    drop(log);
    assert_eq!(verify(dir.path(), tiny()).unwrap().head, head);
}
