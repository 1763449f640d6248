//! From events to rows, in a real file.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{path::Path, sync::Arc, time::Duration};

use common::history::{Scribe, effect, run_id, running, session_started, started, task, task_completed};
use openclaw_log::MemoryLog;
use openclaw_model::{
    Event, Position, SessionId, StreamId, StreamKind, TaskId, Timestamp,
    event::{
        RunEvent, SessionEvent, WorkflowEvent,
        run::{
            EffectRedispatched, EffectUnknown, ErrorCaught, RunCompleted, TaskCancelled, TaskFaulted,
            TaskKind, TaskRetried, TaskSkipped, Work, WorkflowError,
        },
        session::{SessionEnded, StateChanged},
        workflow::WorkflowRetired,
    },
};
use openclaw_projection::{Projector, RunStatus, Views};
use serde_json::{Value, json};
use sqlx::Row as _;

mod common;

const PATIENCE: Duration = Duration::from_secs(20);

/// A log, and a projector that shows it.
struct Shown {
    scribe: Scribe,
    _projector: Projector,
    views: Views,
}

impl Shown {
    async fn new(directory: &Path) -> Self {
        let scribe = Scribe::new(MemoryLog::new());
        let projector = Projector::start(Arc::new(scribe.log.clone()), directory).await.unwrap();
        let views = projector.views();
        Self { scribe, _projector: projector, views }
    }

    /// Appends one command of a run and waits until it is shown.
    async fn run(&mut self, number: u64, events: Vec<RunEvent>) {
        let stream = StreamId::run(run_id(number));
        let events = events.into_iter().map(|event| (stream.clone(), Event::Run(event))).collect();
        self.scribe.command("runtime", events);
        self.flush().await;
    }

    async fn flush(&mut self) {
        let head = self.scribe.flush().await;
        self.views.reach(head, PATIENCE).await.unwrap();
    }

    async fn text(&self, sql: &'static str) -> Vec<String> {
        let mut reader = self.views.reader().await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut *reader).await.unwrap();
        rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_else(|| "null".into())).collect()
    }

    async fn run_status(&self) -> String {
        self.text("SELECT status FROM runs").await.remove(0)
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn failure() -> WorkflowError {
    WorkflowError {
        r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/communication".into(),
        status: 503,
        title: None,
        detail: Some("no route".into()),
        instance: Some("/do/0/fetch".into()),
    }
}

#[tokio::test]
async fn a_run_goes_through_the_statuses_of_the_specification() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    shown.run(1, vec![started("w")]).await;
    assert_eq!(shown.run_status().await, "pending");
    shown.run(1, vec![running()]).await;
    assert_eq!(shown.run_status().await, "running");

    let timer = Work::Timer { due: at(99) };
    shown.run(1, vec![task(1, None, TaskKind::Wait, timer)]).await;
    assert_eq!(shown.run_status().await, "waiting");
    assert_eq!(shown.text("SELECT CAST(due / 1000000 AS TEXT) FROM tasks").await, ["99"]);

    shown.run(1, vec![task(2, None, TaskKind::Run, effect())]).await;
    assert_eq!(shown.run_status().await, "running", "an effect is under way beside the timer");
    shown.run(1, vec![RunEvent::EffectUnknown(EffectUnknown { task: TaskId(2) })]).await;
    assert_eq!(shown.run_status().await, "suspended");
    let again = EffectRedispatched { task: TaskId(2), dispatch: 2 };
    shown.run(1, vec![RunEvent::EffectRedispatched(again)]).await;
    assert_eq!(shown.run_status().await, "running");
    shown.run(1, vec![task_completed(2)]).await;
    assert_eq!(shown.run_status().await, "waiting");

    shown
        .run(1, vec![task_completed(1), RunEvent::Completed(RunCompleted { output: json!({ "x": 1 }) })])
        .await;
    assert_eq!(shown.run_status().await, "completed");
    assert_eq!(shown.text("SELECT output FROM runs").await, [r#"{"x":1}"#]);
    assert_eq!(
        shown.text("SELECT status || dispatches FROM tasks ORDER BY task").await,
        ["completed0", "completed2"]
    );
    let counts = shown.text("SELECT status || runs FROM run_counts WHERE runs <> 0").await;
    assert_eq!(counts, ["completed1"]);
}

#[tokio::test]
async fn a_try_waits_before_its_retry_and_shows_what_it_caught() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    let fault =
        |task| RunEvent::TaskFaulted(TaskFaulted { task: TaskId(task), error: failure(), raw_output: None });
    shown
        .run(
            1,
            vec![
                started("w"),
                running(),
                task(1, None, TaskKind::Try, Work::Steps),
                task(2, Some(1), TaskKind::Call, effect()),
            ],
        )
        .await;
    let retry = TaskRetried { task: TaskId(1), attempt: 2, due: at(50), error: failure() };
    shown.run(1, vec![fault(2), RunEvent::TaskRetried(retry)]).await;
    assert_eq!(shown.run_status().await, "waiting");
    assert_eq!(shown.text("SELECT status || ' ' || retries FROM tasks WHERE task = 1").await, ["waiting 1"]);

    let mut second = task(3, Some(1), TaskKind::Call, effect());
    if let RunEvent::TaskStarted(event) = &mut second {
        event.attempt = 2;
    }
    shown.run(1, vec![second]).await;
    assert_eq!(shown.run_status().await, "running");
    assert_eq!(shown.text("SELECT due FROM tasks WHERE task = 1").await, ["null"]);

    let caught = ErrorCaught { task: TaskId(1), error: failure() };
    shown.run(1, vec![fault(3), RunEvent::ErrorCaught(caught), task_completed(1)]).await;
    let error: Value =
        serde_json::from_str(&shown.text("SELECT error FROM tasks WHERE task = 1").await[0]).unwrap();
    assert_eq!((error["status"].as_u64(), error["detail"].as_str()), (Some(503), Some("no route")));
    assert_eq!(
        shown.text("SELECT status FROM tasks ORDER BY task").await,
        ["completed", "faulted", "faulted"]
    );
}

#[tokio::test]
async fn the_end_of_a_run_closes_what_was_open_and_a_skipped_task_has_a_row() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    let skipped = TaskSkipped {
        task: TaskId(3),
        parent: None,
        name: "maybe".into(),
        reference: "/do/2/maybe".into(),
        kind: TaskKind::Set,
        iteration: None,
        attempt: 1,
        output: json!(1),
    };
    let cancelled =
        TaskCancelled { task: TaskId(2), reason: openclaw_model::event::run::CancelReason::LostRace };
    shown
        .run(
            1,
            vec![
                started("w"),
                running(),
                task(1, None, TaskKind::Fork, Work::Branches { count: 2, compete: true }),
                task(2, Some(1), TaskKind::Set, Work::Steps),
                RunEvent::TaskCancelled(cancelled),
                RunEvent::TaskSkipped(skipped),
                RunEvent::Faulted(openclaw_model::event::run::RunFaulted { error: failure() }),
            ],
        )
        .await;
    assert_eq!(shown.run_status().await, "faulted");
    assert_eq!(
        shown.text("SELECT status FROM tasks ORDER BY task").await,
        ["cancelled", "cancelled", "skipped"]
    );
    assert_eq!(shown.text("SELECT tasks || '' FROM runs").await, ["3"]);
    assert!(shown.text("SELECT 'open' FROM tasks WHERE ended_at IS NULL").await.is_empty());
}

#[tokio::test]
async fn a_session_keeps_its_messages_and_state_over_its_end_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    shown.scribe.session("alice", 3);
    let stream = StreamId::session(&SessionId::new("alice").unwrap());
    let on = |event: SessionEvent| (stream.clone(), Event::Session(event));
    let set =
        |key: &str, value: Value| on(SessionEvent::StateChanged(StateChanged { key: key.into(), value }));
    shown.scribe.command(
        "token:a",
        vec![set("mood", json!("good")), set("gone", json!(1)), set("gone", Value::Null)],
    );
    shown.flush().await;
    shown.scribe.command("token:a", vec![on(SessionEvent::Ended(SessionEnded { reason: "done".into() }))]);
    shown.flush().await;
    assert_eq!(
        shown.text("SELECT status || messages || input_tokens || end_reason FROM sessions").await,
        ["ended933done"]
    );
    shown.scribe.command("token:a", vec![on(session_started()), set("mood", Value::Null)]);
    shown.flush().await;
    assert_eq!(
        shown.text("SELECT status || messages || coalesce(end_reason, '-') FROM sessions").await,
        ["active9-"]
    );
    assert!(shown.text("SELECT name FROM session_state").await.is_empty());
    let directions = shown.text("SELECT direction FROM messages ORDER BY key LIMIT 3").await;
    assert_eq!(directions, ["received", "agent", "sent"]);
}

#[tokio::test]
async fn a_workflow_has_a_row_per_version_and_can_be_retired() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    shown.scribe.workflow("w", "1.0.0");
    shown.scribe.workflow("w", "1.1.0");
    shown.flush().await;
    let stream = StreamId::new(StreamKind::Workflow, "test/w").unwrap();
    let retired = WorkflowEvent::Retired(WorkflowRetired { version: "1.0.0".into() });
    shown.scribe.command("token:a", vec![(stream, Event::Workflow(retired))]);
    shown.flush().await;
    let rows =
        shown.text("SELECT version || ' ' || tasks || ' ' || (retired_at IS NULL) FROM workflows").await;
    assert_eq!(rows, ["1.0.0 3 0", "1.1.0 3 1"]);
}

#[tokio::test]
async fn the_audit_index_has_every_event_and_who_caused_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(directory.path()).await;
    for number in 1..=20 {
        shown.scribe.run(run_id(number), "w", 10);
    }
    shown.flush().await;
    let head = shown.scribe.log.clone();
    let head = openclaw_log::EventLog::head(&head).position;
    assert_eq!(head, Position(20 * 23));
    let sql = "SELECT count(*) || ' ' || max(position) || ' ' || sum(version) FROM events";
    assert_eq!(shown.text(sql).await, [format!("460 460 {}", 20 * (23 * 24 / 2))]);
    let actors = "SELECT l.text || ' ' || count(*) FROM events e JOIN labels l ON l.id = e.actor GROUP BY l.text ORDER BY l.text";
    assert_eq!(shown.text(actors).await[0].split(' ').next(), Some("runtime"));
    assert_eq!(shown.text("SELECT sum(events) || '' FROM event_minutes").await, ["460"]);
    let statuses: Vec<_> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
    assert_eq!(statuses.len(), 7);
}
