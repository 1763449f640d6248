use std::{path::PathBuf, sync::Arc};

use openclaw_gateway::sequencer::Commit;
use openclaw_log::MemoryLog;
use openclaw_model::{
    Digest, Event, Position, RunId, StreamId, TaskId, Timestamp, Version,
    event::{
        PublishedEvent, RunEvent,
        published::EventPublished,
        run::{
            CancelReason, Concurrency, EffectClass, EventConsumed, Intent, Interest, Origin, ParentClose,
            ParentTask, Request, RunCancelRequested, RunCompleted, RunRequest, RunRunning, RunStarted,
            TaskCancelled, TaskKind, TaskStarted, Work, WorkflowRef,
        },
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Derived, Known, OpenRuns, Owed, Wake, file};

/// Feeds events to an index, and hands out the positions.
struct Feed {
    open: OpenRuns,
    log: MemoryLog,
    position: u64,
    versions: std::collections::HashMap<StreamId, u64>,
}

fn run(number: u64) -> RunId {
    RunId(Uuid::from_u64_pair(1, number))
}

fn start() -> RunStarted {
    let workflow = WorkflowRef {
        namespace: "n".into(),
        name: "w".into(),
        version: "1.0.0".into(),
        digest: Digest([1; 32]),
    };
    RunStarted::new(workflow, Value::Null)
}

fn task(task: u32, work: Work) -> RunEvent {
    RunEvent::TaskStarted(TaskStarted {
        task: TaskId(task),
        parent: None,
        name: "t".into(),
        reference: "/do/0/t".into(),
        kind: TaskKind::Run,
        iteration: None,
        attempt: 1,
        input: Value::Null,
        raw_input: None,
        deadline: None,
        work,
    })
}

fn calls(child: RunId, close: ParentClose) -> Work {
    let request = RunRequest {
        run: child,
        namespace: "n".into(),
        name: "c".into(),
        version: "latest".into(),
        input: Value::Null,
        wait: true,
        close,
        data_labels: Default::default(),
    };
    Work::Effect(Intent {
        key: "k".into(),
        class: EffectClass::Keyed,
        request: Request::Run(request),
        inquiry: None,
        verdict: None,
    })
}

fn listens(kind: &str) -> Work {
    Work::Listen { interests: vec![Interest([("type".to_owned(), kind.to_owned())].into())] }
}

impl Feed {
    fn new() -> Self {
        let open = OpenRuns {
            path: PathBuf::new(),
            saved: Position::START,
            known: Known::default(),
            derived: Derived::default(),
            wakes: Vec::new(),
        };
        Self { open, log: MemoryLog::new(), position: 0, versions: Default::default() }
    }

    async fn commit(&mut self, stream: StreamId, event: impl Into<Event>) -> Vec<Wake> {
        self.position += 1;
        let version = self.versions.entry(stream.clone()).or_default();
        *version += 1;
        let commit = Commit {
            stream,
            position: Position(self.position),
            version: Version(*version),
            at: Timestamp::from_millis(self.position as i64),
            events: Arc::new([event.into()]),
        };
        self.open.follow(&self.log, &commit).await.unwrap();
        self.open.wakes()
    }

    async fn run(&mut self, number: u64, event: RunEvent) -> Vec<Wake> {
        self.commit(StreamId::run(run(number)), event).await
    }

    async fn publish(&mut self, kind: &str) -> Vec<Wake> {
        let event = json!({ "type": kind, "id": self.position.to_string() });
        let stream = format!("event/@n/{}", self.position).parse().unwrap();
        self.commit(stream, PublishedEvent::Published(EventPublished { event })).await
    }

    /// A run that calls a child, which is started.
    async fn family(&mut self, close: ParentClose) {
        self.run(1, RunEvent::Started(start())).await;
        self.run(1, task(1, calls(run(2), close))).await;
        let parent = Some(ParentTask { run: run(1), task: TaskId(1), close });
        self.run(2, RunEvent::Started(RunStarted { parent, ..start() })).await;
    }

    fn owed(&self) -> Vec<Owed> {
        self.open.owed().iter().cloned().collect()
    }

    /// The index as it is found again in its file.
    fn reloaded(self) -> Self {
        let path = tempfile::tempdir().unwrap().keep().join("open.json");
        file::write(&path, &self.open.known).unwrap();
        let known = file::read(&path, Position(self.position)).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        let mut open = OpenRuns { known, derived: Derived::default(), ..self.open };
        open.derive();
        Self { open, ..self }
    }
}

fn completed() -> RunEvent {
    RunEvent::Completed(RunCompleted { output: Value::Null })
}

#[tokio::test]
async fn a_child_that_ends_wakes_its_parent_even_after_a_restart() {
    let mut feed = Feed::new();
    feed.family(ParentClose::Cancel).await;
    assert_eq!(feed.open.elsewhere(run(1)), [TaskId(1)].into());
    feed.open.park(run(1), Version(2), None);
    let mut feed = feed.reloaded();
    assert!(feed.open.run(run(1)).unwrap().is_parked());
    let wakes = feed.run(2, completed()).await;
    assert!(matches!(wakes[..], [Wake::Ended(parent, TaskId(1))] if parent == run(1)), "{wakes:?}");
    assert!(!feed.open.run(run(1)).unwrap().is_parked(), "whoever is woken is not parked");
    assert!(feed.open.elsewhere(run(1)).is_empty());
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_any_more_is_owed_its_end_until_it_is_asked_or_ends() {
    let cancelled =
        RunEvent::TaskCancelled(TaskCancelled { task: TaskId(1), reason: CancelReason::RunCancelled });
    for (close, kill) in [(ParentClose::Cancel, false), (ParentClose::Kill, true)] {
        let mut feed = Feed::new();
        feed.family(close).await;
        feed.run(1, cancelled.clone()).await;
        let owed = Owed::Close { run: run(2), kill };
        assert_eq!(feed.owed(), std::slice::from_ref(&owed));
        let mut feed = feed.reloaded();
        assert_eq!(feed.owed(), [owed], "a restart forgets no debt");
        feed.run(2, RunEvent::CancelRequested(RunCancelRequested { reason: None, kill })).await;
        assert_eq!(feed.owed(), []);
    }
    let mut feed = Feed::new();
    feed.family(ParentClose::Abandon).await;
    feed.run(1, cancelled).await;
    assert_eq!(feed.owed(), []);
}

#[tokio::test]
async fn a_child_that_is_started_after_its_parent_has_ended_is_closed_too() {
    let mut feed = Feed::new();
    feed.run(1, RunEvent::Started(start())).await;
    feed.run(1, task(1, calls(run(2), ParentClose::Cancel))).await;
    feed.run(1, completed()).await;
    let parent = Some(ParentTask { run: run(1), task: TaskId(1), close: ParentClose::Cancel });
    feed.run(2, RunEvent::Started(RunStarted { parent, ..start() })).await;
    assert_eq!(feed.owed(), [Owed::Close { run: run(2), kill: false }]);
}

#[tokio::test]
async fn an_event_is_pending_until_it_is_handled_and_what_was_taken_in_is_not_given_again() {
    let mut feed = Feed::new();
    feed.publish("t").await;
    feed.run(1, RunEvent::Started(start())).await;
    feed.run(1, task(1, listens("t"))).await;
    assert!(feed.open.deliveries(run(1)).is_empty(), "what came before the listening began does not count");
    assert!(feed.publish("other").await.is_empty());
    assert_eq!(feed.publish("t").await.len(), 1);
    assert_eq!(feed.publish("t").await.len(), 1);
    let mut feed = feed.reloaded();
    let positions = |feed: &Feed| -> Vec<u64> {
        feed.open.deliveries(run(1)).iter().map(|delivery| delivery.position.0).collect()
    };
    assert_eq!(positions(&feed), [5, 6]);
    // The process died between taking in and saying so.
    let consumed = EventConsumed {
        task: TaskId(1),
        filter: 0,
        origin: Origin::Log { position: Position(5) },
        event: Value::Null,
        keys: Default::default(),
        until: false,
        last: false,
    };
    feed.run(1, RunEvent::EventConsumed(consumed)).await;
    assert_eq!(positions(&feed), [6]);
    feed.open.delivered(run(1), Position(6), 0);
    assert_eq!(positions(&feed), [] as [u64; 0]);
}

#[tokio::test]
async fn runs_of_a_key_are_let_in_by_priority_then_age_as_far_as_there_is_room() {
    let mut feed = Feed::new();
    let with = |priority| RunStarted {
        concurrency: Some(Concurrency { key: "k".into(), limit: 1 }),
        priority,
        ..start()
    };
    for (number, priority) in [(1, 0), (2, 0), (3, 5)] {
        feed.run(number, RunEvent::Started(with(priority))).await;
    }
    let now = Timestamp::from_millis(100);
    assert_eq!(feed.open.let_in("k", now), [], "the key of another namespace is another one");
    assert_eq!(feed.open.let_in("@n/k", now), [run(3)]);
    assert_eq!(feed.open.let_in("@n/k", now), []);
    assert!(feed.open.admits(run(3)) && !feed.open.admits(run(1)));
    feed.run(3, RunEvent::Running(RunRunning { input: Value::Null, deadline: None })).await;
    let mut feed = feed.reloaded();
    assert_eq!(feed.open.let_in("@n/k", now), [], "who has begun still counts after a restart");
    let wakes = feed.run(3, completed()).await;
    assert!(matches!(&wakes[..], [Wake::Admit(key)] if key == "@n/k"), "{wakes:?}");
    assert_eq!(feed.open.let_in("@n/k", now), [run(1)]);
}

#[tokio::test]
async fn a_parked_run_is_not_parked_once_something_happens_to_it() {
    let mut feed = Feed::new();
    feed.run(1, RunEvent::Started(start())).await;
    feed.run(1, RunEvent::Running(RunRunning { input: Value::Null, deadline: None })).await;
    // The worker is ahead of what the index has seen.
    feed.open.park(run(1), Version(3), Some(Timestamp::from_millis(500)));
    feed.run(1, task(1, Work::Timer { due: Timestamp::from_millis(500) })).await;
    assert!(feed.open.run(run(1)).unwrap().is_parked());
    feed.run(1, completed()).await;
    assert!(feed.open.run(run(1)).is_none());
}

#[tokio::test]
async fn a_file_that_is_damaged_or_of_another_format_or_ahead_of_the_log_is_not_believed() {
    let mut feed = Feed::new();
    feed.run(1, RunEvent::Started(start())).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("open.json");
    file::write(&path, &feed.open.known).unwrap();
    assert!(file::read(&path, Position(1)).is_some());
    assert!(file::read(&path, Position(0)).is_none(), "the log does not reach it");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"format\":4", "\"format\":1")).unwrap();
    assert!(file::read(&path, Position(1)).is_none());
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(file::read(&path, Position(1)).is_none());
}
