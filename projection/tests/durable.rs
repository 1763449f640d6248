//! Decisions, schedules, webhooks and published events: their rows, made step by step, over a restart, and rebuilt.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::Arc;

use common::{
    PATIENCE,
    history::{Scribe, run_id, running, started, task},
    rows::dump,
};
use openclaw_log::MemoryLog;
use openclaw_model::{
    ApprovalId, Digest, Event, Position, StreamId, StreamKind, TaskId, Timestamp,
    event::{
        ApprovalEvent, PublishedEvent, RunEvent, ScheduleEvent, WebhookEvent,
        approval::{
            ApprovalEscalated, ApprovalRequest, ApprovalRequested, ApprovalResolved, ApprovalVoided,
            ApprovalVoted, Choice, Deadline, DeadlineOutcome, Deciders, Resolved, Vote,
        },
        published::EventPublished,
        run::{EventEmitted, ParentTask, TaskKind, Work},
        schedule::{
            Missed, Overlap, ScheduleActivated, SchedulePaused, ScheduleTicked, ScheduleTriggered, Skipped,
            Timetable,
        },
        webhook::{
            WebhookAdvanced, WebhookDeadLettered, WebhookLetterClosed, WebhookRedriven, WebhookRegistered,
        },
    },
};
use openclaw_projection::{Projector, Status, Views};
use serde_json::{Value, json};
use sqlx::Row as _;

mod common;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

/// Applies one event at a time, the projector stopped and started between them, and checks that a rebuild gives the same
/// rows. Returns what a statement gives at the end.
async fn rows(events: Vec<(StreamId, Event)>, sql: &'static str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::new(MemoryLog::new());
    for event in events {
        scribe.command("token:a", vec![event]);
        let head = scribe.flush().await;
        let projector = Projector::start(Arc::new(scribe.log.clone()), directory.path()).await.unwrap();
        projector.views().reach(head, PATIENCE).await.unwrap();
        projector.stop().await;
    }
    let projector = Projector::start(Arc::new(scribe.log.clone()), directory.path()).await.unwrap();
    let views = projector.views();
    let live = dump(&views).await;
    views.rebuild().await.unwrap();
    assert_eq!(dump(&views).await, live);
    let texts = texts(&views, sql).await;
    projector.stop().await;
    texts
}

async fn texts(views: &Views, sql: &'static str) -> Vec<String> {
    let mut reader = views.reader().await.unwrap();
    let rows = sqlx::query(sql).fetch_all(&mut *reader).await.unwrap();
    rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_else(|| "null".into())).collect()
}

fn request(subject: Value, deciders: Deciders) -> ApprovalEvent {
    ApprovalEvent::Requested(ApprovalRequested {
        task: ParentTask { run: run_id(1), task: TaskId(1), close: Default::default() },
        request: ApprovalRequest {
            approval: ApprovalId([7; 16]),
            title: "Refund?".into(),
            details: json!({ "customer": "alice" }),
            subject,
            digest: Digest([1; 32]),
            choices: vec![Choice { name: "approve".into(), title: None, schema: None }],
            deciders,
            quorum: 2,
            deadline: Some(Deadline { due: at(50), outcome: DeadlineOutcome::Deny }),
        },
    })
}

fn vote(by: &str) -> ApprovalEvent {
    let vote = Vote {
        by: by.into(),
        choice: "approve".into(),
        answer: json!({ "amount": 7 }),
        comment: None,
        at: at(3),
    };
    ApprovalEvent::Voted(ApprovalVoted { vote })
}

fn of_approval(events: Vec<ApprovalEvent>) -> Vec<(StreamId, Event)> {
    let stream = StreamId::approval(ApprovalId([7; 16]));
    events.into_iter().map(|event| (stream.clone(), Event::Approval(event))).collect()
}

fn deciders(assignees: &[&str], roles: &[&str]) -> Deciders {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Deciders { assignees: own(assignees), roles: own(roles) }
}

#[tokio::test]
async fn an_approval_that_is_asked_anew_counts_the_votes_since_and_keeps_the_older_ones() {
    let events = of_approval(vec![
        request(json!({ "amount": 5 }), deciders(&["alice"], &[])),
        vote("alice"),
        request(json!({ "amount": 7 }), deciders(&["alice"], &["manager"])),
        vote("alice"),
        ApprovalEvent::Escalated(ApprovalEscalated { to: deciders(&["bob"], &[]), due: at(90) }),
        vote("bob"),
        ApprovalEvent::Resolved(ApprovalResolved {
            choice: Some("approve".into()),
            answer: json!({ "amount": 7 }),
            how: Resolved::Votes,
        }),
    ]);
    let sql = "SELECT a.state || ' ' || a.round || ' ' || a.votes || ' ' || a.escalated || ' ' || (a.due / 1000000) \
               || ' ' || a.choice || ' ' || a.how || ' ' || a.subject || ' ' || a.answer || ' ' || \
               (SELECT count(*) FROM approval_votes v WHERE v.approval = a.key) || ' ' || \
               (SELECT group_concat(kind || ':' || name, ',') FROM approval_deciders d \
                WHERE d.approval = a.key AND d.round = a.round) FROM approvals a";
    let expected = r#"resolved 2 2 1 90 approve votes {"amount":7} {"amount":7} 3 assignee:alice,assignee:bob,role:manager"#;
    assert_eq!(rows(events, sql).await, [expected]);
}

#[tokio::test]
async fn an_approval_that_is_void_says_why_and_one_for_all_names_nobody() {
    let voided = ApprovalEvent::Voided(ApprovalVoided { reason: "the run was cancelled".into() });
    let events = of_approval(vec![request(json!(1), Deciders::default()), voided]);
    let sql = "SELECT state || ' ' || reason || ' ' || (SELECT kind FROM approval_deciders) FROM approvals";
    assert_eq!(rows(events, sql).await, ["voided the run was cancelled anybody"]);
}

#[tokio::test]
async fn a_schedule_shows_its_last_tick_and_counts_what_it_started_and_passed_over() {
    let stream = StreamId::new(StreamKind::Schedule, "test/nightly").unwrap();
    let activated = |version: &str, timetable| {
        ScheduleEvent::Activated(ScheduleActivated {
            version: version.into(),
            digest: Digest([3; 32]),
            timetable,
            overlap: Overlap::Skip,
            missed: Missed::Latest,
            input: json!({ "n": 1 }),
            interests: Vec::new(),
        })
    };
    let tick = |due, run, skipped, missed| {
        ScheduleEvent::Ticked(ScheduleTicked { due: at(due), run, skipped, missed })
    };
    let events = vec![
        activated("1.0.0", Timetable::Every { millis: 60_000 }),
        tick(60, Some(run_id(1)), None, 3),
        tick(120, None, Some(Skipped::Overlap), 0),
        ScheduleEvent::Paused(SchedulePaused { reason: Some("holiday".into()) }),
        activated("1.1.0", Timetable::On),
        ScheduleEvent::Triggered(ScheduleTriggered { run: run_id(2) }),
    ];
    let events = events.into_iter().map(|event| (stream.clone(), Event::Schedule(event))).collect();
    let sql = "SELECT namespace || '/' || name || ' ' || version || ' ' || active || ' ' || runs || ' ' || skipped || ' ' \
               || coalesce(last_due, '-') || ' ' || hex(last_run) || ' ' || pause_reason || ' ' || timetable \
               || ' ' || interests FROM schedules";
    let run = run_id(2).0.simple().to_string().to_uppercase();
    let expected = format!(r#"test/nightly 1.1.0 1 2 4 - {run} holiday {{"type":"on"}} []"#);
    assert_eq!(rows(events, sql).await, [expected]);
}

fn of_webhook(events: Vec<WebhookEvent>) -> Vec<(StreamId, Event)> {
    let stream = StreamId::new(StreamKind::Webhook, "audit").unwrap();
    events.into_iter().map(|event| (stream.clone(), Event::Webhook(event))).collect()
}

fn registered() -> WebhookEvent {
    WebhookEvent::Registered(WebhookRegistered {
        url: "https://a.test/hook".into(),
        types: vec!["io.serverlessworkflow.*".into()],
        secret: "webhooks/audit".into(),
        headers: Default::default(),
        after: Position(1),
    })
}

fn dead(position: u64, attempts: u32) -> WebhookEvent {
    WebhookEvent::DeadLettered(WebhookDeadLettered {
        position: Position(position),
        event: json!({ "id": position }),
        attempts,
        error: format!("refused {attempts} times"),
        since: at(9),
    })
}

fn closed(position: u64, delivered: bool) -> WebhookEvent {
    WebhookEvent::LetterClosed(WebhookLetterClosed { position: Position(position), delivered })
}

#[tokio::test]
async fn dead_letters_stay_in_the_list_until_they_are_closed_and_come_back_as_new_ones() {
    let events = of_webhook(vec![
        registered(),
        WebhookEvent::Advanced(WebhookAdvanced { through: Position(20), delivered: 4 }),
        dead(7, 5),
        dead(9, 5),
        WebhookEvent::Redriven(WebhookRedriven { positions: vec![Position(7)] }),
        dead(7, 10),
        closed(9, false),
        WebhookEvent::Redriven(WebhookRedriven { positions: Vec::new() }),
        closed(7, true),
        dead(9, 3),
    ]);
    let sql = "SELECT l.position || ' ' || l.state || ' ' || l.attempts || ' ' || l.error || ' ' || (l.redriven_at IS NULL) \
               || (l.closed_at IS NULL) || ' ' || w.delivered || ' ' || w.dead || ' ' || w.through \
               FROM dead_letters l JOIN webhooks w ON w.key = l.webhook ORDER BY l.key";
    assert_eq!(
        rows(events, sql).await,
        [
            "7 delivered 10 refused 10 times 00 4 1 20",
            "9 dropped 5 refused 5 times 10 4 1 20",
            "9 open 3 refused 3 times 11 4 1 20",
        ]
    );
}

#[tokio::test]
async fn published_events_come_from_outside_and_from_runs_but_not_from_copied_histories() {
    let event =
        |id: &str| json!({ "id": id, "source": "/shop", "type": "order.placed", "specversion": "1.0" });
    let outside = StreamId::new(StreamKind::Event, "00ff").unwrap();
    let published = PublishedEvent::Published(EventPublished { event: event("1") });
    let emitted = RunEvent::EventEmitted(EventEmitted { task: TaskId(1), event: event("2") });
    let first = [started("w"), running(), task(1, None, TaskKind::Emit, Work::Steps), emitted];
    let RunEvent::Started(mut fork) = started("w") else { panic!("it starts") };
    fork.fork = Some(openclaw_model::event::run::ForkOrigin {
        run: run_id(1),
        at: openclaw_model::Version(4),
        context: None,
    });
    let copy = [RunEvent::Started(fork)].into_iter().chain(first[1..].iter().cloned());
    let of = |id, events: Vec<RunEvent>| {
        events.into_iter().map(move |event| (StreamId::run(run_id(id)), Event::Run(event)))
    };
    let mut events = vec![(outside, Event::Published(published))];
    events.extend(of(1, first.to_vec()));
    events.extend(of(2, copy.collect()));
    let sql = "SELECT p.id || ' ' || p.type || ' ' || p.source || ' ' || coalesce(s.name, 'outside') \
               FROM published_events p LEFT JOIN streams s ON s.key = p.run ORDER BY p.key";
    let shown = rows(events, sql).await;
    assert_eq!(
        shown,
        ["1 order.placed /shop outside".to_owned(), format!("2 order.placed /shop run/{}", run_id(1))]
    );
}

#[tokio::test]
async fn a_dead_letter_that_is_closed_without_being_there_is_poison() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::new(MemoryLog::new());
    for event in of_webhook(vec![registered(), closed(3, true)]) {
        scribe.command("token:a", vec![event]);
    }
    scribe.flush().await;
    let projector = Projector::start(Arc::new(scribe.log.clone()), directory.path()).await.unwrap();
    let Status::Failed(failure) = common::rows::settled(&projector.views()).await else {
        panic!("it went on")
    };
    assert_eq!((failure.code(), failure.position()), ("OC-PRJ-001", Position(2)), "{failure}");
    projector.stop().await;
}
