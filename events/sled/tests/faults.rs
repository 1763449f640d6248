//! Failed writes, failed fsyncs, too little space, and how many fsyncs there are.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

mod support;

use std::sync::{Arc, atomic::Ordering::SeqCst};

use openclaw_log::{
    AppendError, EventLog, Health,
    conformance::{self, Author},
};
use openclaw_model::Position;
use openclaw_sled::{Options, SledLog, verify};
use support::{FaultDisk, append_some, author_of};

fn with(disk: &Arc<FaultDisk>) -> Options {
    Options { disk: disk.clone(), reserve_bytes: 0, ..Options::default() }
}

/// After a failure: appends are refused, reads go on, nothing is synced again, and a restart finds what was
/// acknowledged and writes on.
async fn fails_safely(arm: impl Fn(&FaultDisk)) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultDisk::new(dir.path()));
    let log = SledLog::open(dir.path(), with(&disk)).unwrap();
    let mut author = Author::new(log.head());
    let acknowledged = append_some(&log, &mut author, 20).await;
    assert_eq!(acknowledged, author.head());

    arm(&disk);
    let (frames, expected) = author.frames(vec![("s0", vec![50])]);
    let error = log.append(frames.clone(), expected).await.unwrap_err();
    assert!(matches!(&error, AppendError::Storage(reason) if reason.contains("injected")), "{error:?}");
    assert!(matches!(log.health(), Health::ReadOnly(reason) if reason.contains("injected")));
    let syncs = disk.syncs.load(SeqCst);
    assert!(matches!(log.append(frames, expected).await, Err(AppendError::ReadOnly(_))));
    assert_eq!(log.head(), acknowledged);
    assert_eq!(conformance::collect(log.read(Position(1))).await.len() as u64, acknowledged.position.0);
    log.close();
    assert_eq!(disk.syncs.load(SeqCst), syncs, "a failed fsync is never retried");
    drop(log);

    let log = SledLog::open(dir.path(), Options::default()).unwrap();
    assert!(log.head().position >= acknowledged.position);
    assert_eq!(log.health(), Health::Writable);
    let mut author = author_of(&log).await;
    assert_eq!(append_some(&log, &mut author, 5).await, author.head());
    drop(log);
    assert_eq!(verify(dir.path(), Options::default()).unwrap().head, author.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fsync_makes_the_log_read_only_and_is_never_retried() {
    fails_safely(|disk| disk.fail_sync_in.store(0, SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_the_log_read_only_while_reads_go_on() {
    fails_safely(|disk| disk.fail_write_in.store(0, SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_cannot_be_written_acknowledges_nothing() {
    fails_safely(|disk| disk.fail_write_in.store(1, SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failing_write_and_sync_of_an_open_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Position::START;
    for nth in 0..25 {
        for sync in [false, true] {
            let disk = Arc::new(FaultDisk::new(dir.path()));
            if sync { &disk.fail_sync_in } else { &disk.fail_write_in }.store(nth, SeqCst);
            let options = Options { segment_events: 30, ..with(&disk) };
            if let Ok(log) = SledLog::open(dir.path(), options) {
                let mut author = author_of(&log).await;
                acknowledged = append_some(&log, &mut author, 20).await.position;
            }
            let log = SledLog::open(dir.path(), Options { segment_events: 30, ..Options::default() })
                .unwrap_or_else(|error| panic!("after failure {nth}: {error}"));
            assert!(log.head().position >= acknowledged, "after failure {nth}");
            acknowledged = log.head().position;
        }
    }
    assert!(verify(dir.path(), Options::default()).unwrap().head.position >= acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_free_space_refuses_appends_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultDisk::new(dir.path()));
    let options = Options { min_free_bytes: 1000, reserve_bytes: 4096, ..with(&disk) };
    let log = SledLog::open(dir.path(), options.clone()).unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("reserve")).unwrap().len(), 4096);
    let mut author = Author::new(log.head());
    append_some(&log, &mut author, 3).await;
    disk.free.store(999, SeqCst);
    let (frames, expected) = author.frames(vec![("s0", vec![50])]);
    let refused = log.append(frames, expected).await.unwrap_err();
    assert!(matches!(&refused, AppendError::ReadOnly(reason) if reason.contains("999 bytes")), "{refused}");
    drop(log);

    // A start on the full disk gives the reserve back and is read-only.
    let log = SledLog::open(dir.path(), options.clone()).unwrap();
    assert!(!dir.path().join("reserve").exists());
    assert!(matches!(log.health(), Health::ReadOnly(_)));
    assert_eq!(log.head(), expected);
    assert_eq!(conformance::collect(log.read(Position(1))).await.len() as u64, expected.position.0);
    drop(log);

    disk.free.store(u64::MAX, SeqCst);
    let log = SledLog::open(dir.path(), options).unwrap();
    assert!(dir.path().join("reserve").exists());
    let mut author = author_of(&log).await;
    assert_eq!(append_some(&log, &mut author, 1).await, author.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_wait_together_share_an_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultDisk::new(dir.path()));
    let log = SledLog::open(dir.path(), with(&disk)).unwrap();
    let mut author = Author::new(log.head());
    let before = disk.syncs.load(SeqCst);
    let appends: Vec<_> = (0..500)
        .map(|_| {
            let (frames, expected) = author.frames(vec![("a", vec![30])]);
            log.append(frames, expected)
        })
        .collect();
    for result in futures_util::future::join_all(appends).await {
        result.unwrap();
    }
    let syncs = disk.syncs.load(SeqCst) - before;
    // The first may go alone, the rest queue up behind it; generous, for a machine that stalls the caller.
    assert!(syncs < 250, "{syncs} fsyncs for 500 appends");
    assert_eq!(log.head(), author.head());
}
