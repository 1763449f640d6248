//! What every log must do, as one suite. An implementation's tests call [`run`] with a function that opens an empty
//! log; a failed promise is a panic that names it.

mod author;

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt;
use openclaw_model::{CommandId, Position, Recorded, Version};
use tokio::task::JoinSet;

pub use author::Author;

use crate::{AppendError, Batches, EventLog, Frame, Frames, Head, Health};

/// Checks every promise of [`EventLog`] on fresh logs from `open`. Wants a multi-threaded runtime.
///
/// # Panics
/// When a promise is broken.
pub async fn run<L: Frames>(open: impl Fn() -> L) {
    an_empty_log_is_empty(open()).await;
    appended_events_come_back_whole_and_gap_free(open()).await;
    a_wrong_head_appends_nothing(open()).await;
    an_append_of_nothing_changes_nothing(open()).await;
    reading_starts_at_any_position(open()).await;
    a_stream_reads_from_any_version(open()).await;
    stream_heads_and_commands_are_found(open()).await;
    large_payloads_come_back_whole(open()).await;
    a_tail_has_no_seam(open()).await;
    a_tail_from_the_future_waits_for_it(open()).await;
    appends_that_follow_each_other_may_overlap(open()).await;
    many_readers_see_the_same_history(open()).await;
    stored_frames_prove_the_chain_from_any_position(open()).await;
}

/// Everything that `batches` yields.
///
/// # Panics
/// When it yields an error or an empty batch.
pub async fn collect(mut batches: Batches) -> Vec<Recorded> {
    let mut events = Vec::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.expect("the log can be read");
        assert!(!batch.is_empty(), "a batch is never empty");
        events.extend_from_slice(&batch);
    }
    events
}

fn assert_contiguous(events: &[Recorded], from: u64, to: u64) {
    let positions: Vec<u64> = events.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (from..=to).collect::<Vec<_>>(), "positions are contiguous");
    for event in events {
        assert!(Author::check(event), "event {} is what was written", event.position);
    }
}

/// Appends `count` commands of one to three events over a few streams, in appends of different sizes.
async fn fill<L: EventLog>(log: &L, author: &mut Author, count: usize) {
    let mut left = count;
    let mut turn = 0;
    while left > 0 {
        let now = left.min(1 + turn % 7);
        let names: Vec<String> = (0..now).map(|index| format!("s{}", (turn * 3 + index) % 11)).collect();
        let commands = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), vec![40 + turn % 300; 1 + index % 3]));
        let (frames, expected) = author.frames(commands.collect());
        let head = log.append(frames, expected).await.expect("the append is accepted");
        assert_eq!(head, author.head(), "an append returns the head it made");
        assert_eq!(log.head(), head, "the head is the end of the last append");
        left -= now;
        turn += 1;
    }
}

async fn an_empty_log_is_empty<L: EventLog>(log: L) {
    assert_eq!(log.head(), Head::GENESIS);
    assert_eq!(log.health(), Health::Writable);
    assert!(collect(log.read(Position(0))).await.is_empty());
    assert!(collect(log.read_stream(&Author::stream("s"), Version(1))).await.is_empty());
    assert_eq!(log.stream_head(&Author::stream("s")), Ok(None));
    assert_eq!(log.find_command(CommandId([7; 16])), Ok(None));
}

async fn appended_events_come_back_whole_and_gap_free<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 500).await;
    let events = collect(log.read(Position(1))).await;
    assert_contiguous(&events, 1, author.head().position.0);
    let mut versions: HashMap<_, u64> = HashMap::new();
    for event in &events {
        let version = versions.entry(event.stream.clone()).or_default();
        *version += 1;
        assert_eq!(event.version.0, *version, "versions of a stream are contiguous");
    }
}

async fn a_wrong_head_appends_nothing<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 5).await;
    let actual = log.head();
    let mut stale = Author::new(Head::GENESIS);
    let (frames, expected) = stale.frames(vec![("other", vec![30])]);
    assert_eq!(log.append(frames.clone(), expected).await, Err(AppendError::WrongHead { expected, actual }));
    // Frames that follow another head than the one the caller expects are refused too.
    assert!(matches!(log.append(frames, actual).await, Err(AppendError::WrongHead { .. })));
    assert_eq!(log.head(), actual);
    assert_eq!(log.stream_head(&Author::stream("other")), Ok(None));
    fill(&log, &mut author, 5).await;
    assert_contiguous(&collect(log.read(Position(1))).await, 1, author.head().position.0);
}

async fn an_append_of_nothing_changes_nothing<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 2).await;
    assert_eq!(log.append(Vec::new(), author.head()).await, Ok(author.head()));
    assert_eq!(log.head(), author.head());
}

async fn reading_starts_at_any_position<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 60).await;
    let last = author.head().position.0;
    for from in 1..=last {
        assert_contiguous(&collect(log.read(Position(from))).await, from, last);
    }
    assert!(collect(log.read(Position(last + 1))).await.is_empty());
    assert!(collect(log.read(Position(u64::MAX))).await.is_empty());
}

async fn a_stream_reads_from_any_version<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 200).await;
    let stream = Author::stream("s3");
    let whole: Vec<Recorded> =
        collect(log.read(Position(1))).await.into_iter().filter(|event| event.stream == stream).collect();
    assert!(whole.len() > 10);
    for from in 0..=whole.len() as u64 + 2 {
        let events = collect(log.read_stream(&stream, Version(from))).await;
        let skip = (from.max(1) as usize - 1).min(whole.len());
        assert_eq!(events, whole[skip..], "from version {from}");
    }
}

async fn stream_heads_and_commands_are_found<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 100).await;
    let mut first_of = HashMap::new();
    let mut heads = HashMap::new();
    for event in collect(log.read(Position(1))).await {
        first_of.entry(event.command).or_insert(event.position);
        heads.insert(event.stream.clone(), (event.version, event.position));
    }
    for (command, position) in first_of {
        assert_eq!(log.find_command(command), Ok(Some(position)), "the first event of the command is found");
    }
    for (stream, expected) in heads {
        let head = log.stream_head(&stream).expect("readable").expect("the stream has events");
        assert_eq!((head.version, head.position), expected);
    }
    assert_eq!(log.find_command(CommandId([0xee; 16])), Ok(None));
}

async fn large_payloads_come_back_whole<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    let commands = vec![
        ("big", vec![100, 300_000, 20]),
        ("small", vec![30]),
        ("big", vec![9_000; 12]),
        ("big", vec![7_900; 12]),
    ];
    let (frames, expected) = author.frames(commands);
    log.append(frames, expected).await.expect("the append is accepted");
    let events = collect(log.read(Position(1))).await;
    assert_contiguous(&events, 1, 28);
    assert_eq!(events[1].data.len(), 300_000);
    let big = collect(log.read_stream(&Author::stream("big"), Version(2))).await;
    assert_eq!(big.len(), 26);
    assert_eq!(big[0].data.len(), 300_000);
    assert!(big.iter().all(Author::check));
}

/// Reads a tail until it has yielded `last`.
async fn tail_until(mut tail: Batches, last: u64) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = Vec::new();
    while events.last().is_none_or(|event| event.position.0 < last) {
        let batch = tail.next().await.expect("a tail does not end").expect("the log can be read");
        assert!(!batch.is_empty(), "a batch is never empty");
        events.extend_from_slice(&batch);
    }
    events
}

async fn a_tail_has_no_seam<L: EventLog>(log: L) {
    const COMMANDS: usize = 3000;
    let log = Arc::new(log);
    let mut author = Author::new(log.head());
    fill(&*log, &mut author, 50).await;
    let before = author.head().position.0;
    let last = {
        let mut twin = author.clone();
        let memory = crate::MemoryLog::new();
        let mut start = Author::new(memory.head());
        fill(&memory, &mut start, 50).await;
        fill(&memory, &mut twin, COMMANDS).await;
        twin.head().position.0
    };
    let mut readers = JoinSet::new();
    for from in [1, 2, before, before + 1, before + 100] {
        let tail = log.tail(Position(from));
        readers.spawn(async move { (from, tail_until(tail, last).await) });
    }
    // These start somewhere in the middle of the writing.
    for _ in 0..4 {
        let log = Arc::clone(&log);
        readers.spawn(async move {
            while log.head().position.0 < before + 500 {
                tokio::task::yield_now().await;
            }
            let from = log.head().position.0 - 300;
            (from, tail_until(log.tail(Position(from)), last).await)
        });
    }
    fill(&*log, &mut author, COMMANDS).await;
    while let Some(read) = readers.join_next().await {
        let (from, events) = read.expect("the reader found no fault");
        assert_contiguous(&events, from, last);
    }
}

async fn a_tail_from_the_future_waits_for_it<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    let tail = log.tail(Position(20));
    fill(&log, &mut author, 30).await;
    let last = author.head().position.0;
    assert_contiguous(&tail_until(tail, last).await, 20, last);
}

async fn appends_that_follow_each_other_may_overlap<L: EventLog>(log: L) {
    let mut author = Author::new(log.head());
    let appends = (0..200).map(|index| {
        let (frames, expected) = author.frames(vec![("a", vec![50 + index]), ("b", vec![20])]);
        log.append(frames, expected)
    });
    // Polled in order, as the sequencer does; each expects the head that the one before will make.
    let results = futures_util::future::join_all(appends.collect::<Vec<_>>()).await;
    for result in results {
        result.expect("an append that follows one in flight is accepted");
    }
    assert_eq!(log.head(), author.head());
    assert_contiguous(&collect(log.read(Position(1))).await, 1, 400);
}

async fn many_readers_see_the_same_history<L: EventLog>(log: L) {
    let log = Arc::new(log);
    let mut author = Author::new(log.head());
    fill(&*log, &mut author, 300).await;
    let known = author.head().position.0;
    let mut readers = JoinSet::new();
    for reader in 0..8 {
        let log = Arc::clone(&log);
        readers.spawn(async move {
            for round in 0..10u64 {
                let from = 1 + (reader * 31 + round * 17) % known;
                let events = collect(log.read(Position(from))).await;
                let to = events.last().expect("there is history").position.0;
                assert!(to >= known, "a read goes to the head at its call");
                assert_contiguous(&events, from, to);
            }
        });
    }
    fill(&*log, &mut author, 500).await;
    while let Some(read) = readers.join_next().await {
        read.expect("the reader found no fault");
    }
}

async fn stored_frames_prove_the_chain_from_any_position<L: Frames>(log: L) {
    assert_eq!(log.frames(Position(1)).count().await, 0, "an empty log has no frame");
    let mut author = Author::new(log.head());
    fill(&log, &mut author, 400).await;
    let (large, expected) = author.frames(vec![("large", vec![20_000])]);
    log.append(large, expected).await.expect("the append is accepted");
    fill(&log, &mut author, 20).await;
    let last = log.head().position.0;
    for from in [0, 1, 2, last / 3, last / 2, last - 60, last] {
        let mut frames = log.frames(Position(from));
        let mut before: Option<crate::frame::Header> = None;
        while let Some(bytes) = frames.next().await {
            let bytes = bytes.expect("the log can be read");
            let frame = Frame::parse(&bytes, true).expect("the hash is that of the bytes");
            let fits = match &before {
                None => frame.header.first.0 <= from.max(1) && frame.header.last().0 >= from,
                Some(before) => {
                    frame.header.prev == before.hash && frame.header.first == before.last().next()
                }
            };
            assert!(fits, "frame {} follows the one before, from {from} on", frame.header.first);
            for record in frame.records() {
                let record = record.expect("records are whole");
                if let Some(blob) = record.blob() {
                    let content = log.blob(record.event().position, blob).expect("the blob is there");
                    assert!(blob.matches(&content), "the blob is what its record names");
                }
            }
            before = Some(frame.header);
        }
        let end = before.expect("there is a frame");
        assert_eq!((end.last(), end.hash), (log.head().position, log.head().hash), "it ends at the head");
    }
}
