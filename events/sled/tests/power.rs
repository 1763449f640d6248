//! Power cuts at any sync: what was not synced is dropped, torn or partly there; nothing acknowledged is lost.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

mod support;

use std::{fs, sync::Arc};

use openclaw_log::{
    EventLog,
    conformance::{self, Author},
};
use openclaw_model::Position;
use openclaw_sled::{Options, SledLog, verify};
use support::{Dice, FaultDisk, append_some, author_of, tiny};

/// Several lives of one log, each ended by a cut.
async fn lives(seed: u64, options: &Options, syncs: u64) {
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(seed);
    let mut acknowledged = Position::START;
    for life in 0..4 {
        let context = format!("seed {seed}, life {life}");
        let dir = root.path().join(format!("life-{life}"));
        let remains = root.path().join(format!("life-{}", life + 1));
        fs::create_dir_all(&dir).unwrap();
        let disk = Arc::new(FaultDisk::new(&dir).settled());
        disk.cut_power_at(dice.below(syncs) as i64, &remains, Dice::new(seed * 100 + life));
        let faulty = Options { disk: disk.clone(), ..options.clone() };
        // The cut may come while the log is opened.
        if let Ok(log) = SledLog::open(&dir, faulty) {
            assert!(log.head().position >= acknowledged, "{context}: acknowledged events are there");
            let mut author = author_of(&log).await;
            acknowledged = append_some(&log, &mut author, 10_000).await.position;
        }
        assert!(remains.exists(), "{context}: the power was cut");

        let check = root.path().join("check");
        support::copy_tree(&remains, &check);
        let log = SledLog::open(&check, options.clone()).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(log.head().position >= acknowledged, "{context}: {} < {acknowledged}", log.head().position);
        let events = conformance::collect(log.read(Position(1))).await;
        assert_eq!(events.len() as u64, log.head().position.0, "{context}");
        assert!(events.iter().all(Author::check), "{context}: every event is what was written");
        let mut author = author_of(&log).await;
        let head = append_some(&log, &mut author, 30).await;
        assert_eq!(head, author.head(), "{context}: it is writable again");
        if seed.is_multiple_of(2) {
            log.close();
        }
        drop(log);
        let verified = verify(&check, options.clone()).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(verified.head, head, "{context}");
        fs::remove_dir_all(check).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test suite")]
fn rounds() -> u64 {
    std::env::var("OPENCLAW_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_is_cut_while_one_segment_is_written() {
    let options = Options { reserve_bytes: 0, ..Options::default() };
    for seed in 1..=rounds() {
        lives(seed, &options, 80).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_is_cut_while_segments_are_sealed() {
    for seed in 1..=rounds().div_ceil(3) {
        lives(1000 + seed, &tiny(), 400).await;
    }
}
