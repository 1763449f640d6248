//! The suite that every log passes, once with segments that are never full and once with such as are full, closed
//! and sealed every few appends, while they are read.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

use std::{cell::RefCell, sync::Arc};

use openclaw_log::{
    EventLog,
    conformance::{self, Author},
};
use openclaw_model::{Position, Version};
use openclaw_sled::{Options, SledLog};
use tempfile::TempDir;

async fn run(options: Options) {
    let dirs: RefCell<Vec<TempDir>> = RefCell::default();
    conformance::run(|| {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path(), options.clone()).unwrap();
        dirs.borrow_mut().push(dir);
        log
    })
    .await;
}

fn tiny() -> Options {
    Options { segment_events: 120, open_segments: 3, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_segment_passes_the_conformance_suite() {
    run(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sealed_segments_pass_the_conformance_suite() {
    run(tiny()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_still_there_after_a_restart_clean_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut author = Author::new(openclaw_log::Head::GENESIS);
    for round in 0..6 {
        let log = SledLog::open(dir.path(), tiny()).unwrap();
        assert_eq!(log.head(), author.head(), "round {round}");
        for turn in 0..40 {
            let name = ["a", "b", "rare"][if turn == 7 { 2 } else { turn % 2 }];
            let (frames, expected) = author.frames(vec![(name, vec![200, 40, 9000])]);
            log.append(frames, expected).await.unwrap();
        }
        let events = conformance::collect(log.read(Position(1))).await;
        assert_eq!(events.len() as u64, author.head().position.0);
        assert!(events.iter().all(Author::check));
        for name in ["a", "b", "rare"] {
            let stream = Author::stream(name);
            let expected: Vec<_> = events.iter().filter(|event| event.stream == stream).cloned().collect();
            assert_eq!(conformance::collect(log.read_stream(&stream, Version(1))).await, expected, "{name}");
            let head = log.stream_head(&stream).unwrap().unwrap();
            assert_eq!(
                (head.version, head.position),
                expected.last().map(|e| (e.version, e.position)).unwrap()
            );
        }
        for event in events.iter().step_by(50) {
            let first = events.iter().find(|other| other.command == event.command).unwrap();
            assert_eq!(log.find_command(event.command).unwrap(), Some(first.position));
        }
        if round % 2 == 0 {
            log.close();
        }
    }
    let verified = openclaw_sled::verify(dir.path(), tiny()).unwrap();
    assert_eq!(verified.head, author.head());
    assert_eq!(verified.events, author.head().position.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_ends_its_tails_and_refuses_appends() {
    use futures_util::StreamExt;

    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(SledLog::open(dir.path(), Options::default()).unwrap());
    let mut author = Author::new(log.head());
    let (frames, expected) = author.frames(vec![("a", vec![20])]);
    log.append(frames, expected).await.unwrap();
    let mut tail = log.tail(Position(1));
    assert!(tail.next().await.unwrap().is_ok());
    let closing = Arc::clone(&log);
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    assert!(tail.next().await.is_none());
    let (frames, expected) = author.frames(vec![("a", vec![20])]);
    assert!(log.append(frames, expected).await.is_err());
}
