//! The sequencer over the log in memory.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all};
use openclaw_core::session;
use openclaw_log::MemoryLog;
use openclaw_model::{SessionId, Timestamp};
use uuid::Uuid;

use super::*;

/// A clock that only ever goes backwards.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_sub(1, Ordering::Relaxed))
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(7, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct World {
    log: Arc<MemoryLog>,
    sequencer: Sequencer,
    commits: Vec<Commits>,
    _tasks: tokio::task::JoinSet<()>,
}

fn world(log: Arc<MemoryLog>) -> World {
    let clock = Arc::new(Backwards(AtomicI64::new(1_000_000)));
    let (sequencer, commits, task) =
        Sequencer::new(log.clone(), clock, Arc::new(Counting(AtomicU64::new(1))), 1);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(task);
    World { log, sequencer, commits, _tasks: tasks }
}

fn submission(session: &str, command: session::Command, key: Option<u8>, content: u8) -> Submission {
    Submission {
        stream: StreamId::session(&SessionId::new(session).unwrap()),
        command: command.into(),
        id: CommandId([key.unwrap_or(0); 16]),
        digest: CommandDigest([content; 16]),
        keyed: key.is_some(),
        expected: Expected::Any,
        actor: Actor::RUNTIME,
        causality: Causality::default(),
    }
}

fn create() -> session::Command {
    session::Command::Create {
        channel: "api".into(),
        peer_id: "p".into(),
        agent_id: "a".into(),
        account: "g".into(),
    }
}

fn say(text: &str) -> session::Command {
    session::Command::Message {
        role: session::Role::User,
        content: text.into(),
        attachments: vec![],
        message_id: text.into(),
    }
}

#[tokio::test]
async fn concurrent_commands_get_contiguous_versions_and_time_never_goes_back() {
    let mut world = world(Arc::new(MemoryLog::new()));
    world.sequencer.submit(submission("s", create(), None, 0)).await.unwrap();
    let answers = join_all((0..500).map(|n| {
        let sequencer = world.sequencer.clone();
        async move { sequencer.submit(submission("s", say(&n.to_string()), None, 0)).await.unwrap() }
    }))
    .await;
    let mut versions: Vec<u64> = answers.iter().map(|accepted| accepted.stream_version.0).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=501).collect::<Vec<_>>());
    let mut last = (0, Timestamp::default());
    let mut history = world.log.read(Position(1));
    while let Some(batch) = history.next().await {
        for event in batch.unwrap().iter() {
            assert_eq!(event.position.0, last.0 + 1);
            assert!(event.at >= last.1);
            last = (event.position.0, event.at);
        }
    }
    assert_eq!(last.0, 501);
    for _ in 0..501 {
        assert!(world.commits[0].recv().await.is_some());
    }
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_and_other_content_is_refused_even_after_a_restart() {
    let log = Arc::new(MemoryLog::new());
    let first = world(log.clone()).sequencer.submit(submission("s", create(), Some(1), 1)).await.unwrap();
    assert!(!first.repeated);
    // A new sequencer knows nothing but the log.
    let world = world(log);
    let again = world.sequencer.submit(submission("other", create(), Some(1), 1)).await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.position, again.stream_version), (first.position, first.stream_version));
    assert_eq!((&again.stream, &again.events), (&first.stream, &first.events));
    let refused = world.sequencer.submit(submission("s", create(), Some(1), 2)).await;
    assert!(matches!(refused, Err(Refused::KeyReused)));
    assert_eq!(world.log.head().position, first.position);
    let unheard = world.sequencer.recall(CommandId([9; 16]), CommandDigest([9; 16])).await.unwrap();
    assert!(unheard.is_none());
}

#[tokio::test]
async fn an_expected_version_that_is_not_there_is_refused_with_the_actual_one() {
    let world = world(Arc::new(MemoryLog::new()));
    let with = |expected| Submission { expected, ..submission("s", create(), None, 0) };
    let refused = world.sequencer.submit(with(Expected::Exact(Version(1)))).await;
    assert!(matches!(refused, Err(Refused::Conflict { actual: Version::NONE, .. })));
    world.sequencer.submit(with(Expected::NoStream)).await.unwrap();
    let refused = world.sequencer.submit(with(Expected::NoStream)).await;
    assert!(matches!(refused, Err(Refused::Conflict { actual: Version(1), .. })));
    let message = Submission { expected: Expected::Exact(Version(1)), ..submission("s", say("x"), None, 0) };
    assert_eq!(world.sequencer.submit(message).await.unwrap().stream_version, Version(2));
}

#[tokio::test]
async fn after_a_failed_append_nothing_is_accepted_and_nothing_was_told() {
    let log = Arc::new(MemoryLog::new());
    let mut world = world(log.clone());
    world.sequencer.submit(submission("s", create(), None, 0)).await.unwrap();
    world.commits[0].recv().await.unwrap();
    log.fail_next_append("the disk is gone");
    let refused = world.sequencer.submit(submission("s", say("lost"), None, 0)).await;
    assert!(matches!(refused, Err(Refused::Storage(_))), "{refused:?}");
    let refused = world.sequencer.submit(submission("s", say("late"), None, 0)).await;
    assert!(matches!(refused, Err(Refused::ReadOnly(_))), "{refused:?}");
    assert_eq!(log.head().position, Position(1));
    let told = tokio::time::timeout(Duration::from_millis(50), world.commits[0].recv()).await;
    assert!(told.is_err(), "{told:?}");
}
