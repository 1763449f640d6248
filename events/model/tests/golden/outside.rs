//! Schedules, webhooks and published events.

use openclaw_model::{
    Digest, Event, Position, RunId, Timestamp,
    event::{PublishedEvent, ScheduleEvent, WebhookEvent, published::*, schedule::*, webhook::*},
};
use serde_json::json;

fn schedules() -> Vec<(&'static str, ScheduleEvent)> {
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let due = Timestamp::from_micros(1_794_000_000_123_456);
    let active = |timetable, overlap, missed| {
        ScheduleEvent::Activated(ScheduleActivated {
            version: "1.0.0".into(),
            digest: Digest([0xab; 32]),
            timetable,
            overlap,
            missed,
            interests: Vec::new(),
            input: json!({ "n": 1 }),
        })
    };
    let cron = Timetable::Cron { expression: "0 6 * * *".into(), timezone: "Europe/Berlin".into() };
    let ticked = |run, skipped| ScheduleEvent::Ticked(ScheduleTicked { due, run, skipped, missed: 3 });
    vec![
        ("-every", active(Timetable::Every { millis: 60_000 }, Overlap::Allow, Missed::Latest)),
        ("-cron", active(cron, Overlap::Skip, Missed::All)),
        ("-after", active(Timetable::After { millis: 1_000 }, Overlap::Cancel, Missed::Skip)),
        ("-on", active(Timetable::On, Overlap::Allow, Missed::Latest)),
        ("", ScheduleEvent::Deactivated(ScheduleDeactivated {})),
        ("-run", ticked(Some(run), None)),
        ("-overlap", ticked(None, Some(Skipped::Overlap))),
        ("-missed", ticked(None, Some(Skipped::Missed))),
        (
            "",
            ScheduleEvent::EventConsumed(ScheduleEventConsumed {
                filter: 1,
                position: Position(77),
                event: Box::new(json!({ "type": "order.placed" })),
                keys: [("order".to_owned(), json!("o-1"))].into(),
            }),
        ),
        ("", ScheduleEvent::Triggered(ScheduleTriggered { run })),
        ("", ScheduleEvent::Paused(SchedulePaused { reason: Some("a deployment".into()) })),
        ("", ScheduleEvent::Resumed(ScheduleResumed {})),
    ]
}

fn webhooks() -> Vec<(&'static str, WebhookEvent)> {
    let position = Position(77);
    vec![
        (
            "",
            WebhookEvent::Registered(WebhookRegistered {
                url: "https://example.com/hook".into(),
                types: vec!["io.serverlessworkflow.*".into()],
                secret: "handle".into(),
                headers: [("X-Tenant".to_owned(), "t".to_owned())].into(),
                after: Position(12),
            }),
        ),
        ("", WebhookEvent::Removed(WebhookRemoved {})),
        ("", WebhookEvent::Advanced(WebhookAdvanced { through: position, delivered: 5 })),
        (
            "",
            WebhookEvent::DeadLettered(WebhookDeadLettered {
                position,
                event: json!({ "type": "t" }),
                attempts: 9,
                error: "503".into(),
                since: Timestamp::from_micros(1_794_000_000_123_456),
            }),
        ),
        ("", WebhookEvent::LetterClosed(WebhookLetterClosed { position, delivered: true })),
        ("", WebhookEvent::Redriven(WebhookRedriven { positions: vec![position] })),
    ]
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let published = PublishedEvent::Published(EventPublished { event: json!({ "type": "order.placed" }) });
    let schedules = schedules().into_iter().map(|(form, event)| (form, event.into()));
    let webhooks = webhooks().into_iter().map(|(form, event)| (form, event.into()));
    schedules.chain(webhooks).chain([("", published.into())]).collect()
}
