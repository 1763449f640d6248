//! Questions about durable work: waits, decisions, effects, schedules, webhooks.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use common::{
    Served,
    history::{effect, run_id, running, started, task},
    writing::{at, begun, error, write},
};
use openclaw_model::{
    ApprovalId, Digest, Event, Position, StreamId, StreamKind, TaskId,
    event::{
        ApprovalEvent, RunEvent, ScheduleEvent, WebhookEvent,
        approval::{ApprovalRequest, ApprovalRequested, Choice, Deciders},
        run::{
            Concurrency, EffectClass, EffectUnknown, Intent, Interest, ParentTask, Request, RunPaused,
            TaskHeld, TaskKind, TaskRetried, Work,
        },
        schedule::{Missed, Overlap, ScheduleActivated, Timetable},
        webhook::{WebhookDeadLettered, WebhookRegistered},
    },
};
use serde_json::{Value, json};

mod common;

fn asks(approval: ApprovalId, roles: &[&str]) -> ApprovalRequest {
    ApprovalRequest {
        approval,
        title: "Refund?".into(),
        details: json!({ "customer": "alice" }),
        subject: json!({ "amount": 7 }),
        digest: Digest([1; 32]),
        choices: vec![Choice {
            name: "approve".into(),
            title: None,
            schema: Some(json!({ "type": "object" })),
        }],
        deciders: Deciders {
            assignees: Vec::new(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        },
        quorum: 1,
        deadline: None,
    }
}

fn approval_task(number: u32, approval: ApprovalId) -> RunEvent {
    let request = Request::Approval(asks(approval, &["manager"]));
    let key = approval.to_string();
    let intent = Intent { key, class: EffectClass::Keyed, request, inquiry: None, verdict: None };
    task(number, None, TaskKind::Call, Work::Effect(intent))
}

fn requested(served: &mut Served, id: u8, run: u64, roles: &[&str]) -> String {
    let approval = ApprovalId([id; 16]);
    let event = ApprovalEvent::Requested(ApprovalRequested {
        task: ParentTask { run: run_id(run), task: TaskId(4), close: Default::default() },
        request: asks(approval, roles),
    });
    served.scribe.command("runtime", vec![(StreamId::approval(approval), Event::Approval(event))]);
    approval.to_string()
}

/// A run that waits for many things at once.
fn waiting(served: &mut Served) {
    let interest = Interest([("type".to_owned(), "order.paid".to_owned())].into());
    write(
        served,
        1,
        vec![
            begun(|event| {
                event.labels.insert("team".into(), "a".into());
                event.concurrency = Some(Concurrency { key: "orders".into(), limit: 1 });
            }),
            running(),
            task(1, None, TaskKind::Try, Work::Steps),
            task(2, Some(1), TaskKind::Wait, Work::Timer { due: at(60) }),
            task(3, None, TaskKind::Listen, Work::Listen { interests: vec![interest] }),
            approval_task(4, ApprovalId([4; 16])),
            task(5, None, TaskKind::Call, effect()),
            task(6, None, TaskKind::Call, effect()),
            task(7, None, TaskKind::Try, Work::Steps),
            task(8, None, TaskKind::Call, effect()),
            RunEvent::EffectUnknown(EffectUnknown { task: TaskId(5) }),
            RunEvent::TaskHeld(TaskHeld { task: TaskId(6), error: error(), raw_output: None }),
            RunEvent::TaskRetried(TaskRetried { task: TaskId(7), attempt: 2, due: at(40), error: error() }),
            RunEvent::Paused(RunPaused { reason: Some("stocktaking".into()) }),
        ],
    );
    let key = Concurrency { key: "orders".into(), limit: 1 };
    write(served, 2, vec![begun(|event| event.concurrency = Some(key))]);
    write(served, 3, vec![begun(|event| event.not_before = Some(at(90)))]);
    write(served, 4, vec![begun(|event| event.not_before = Some(at(10)))]);
}

#[tokio::test]
async fn every_wait_has_a_reason_and_what_it_is_for() {
    let mut served = Served::new().await;
    waiting(&mut served);
    let approval = requested(&mut served, 4, 1, &["manager"]);
    served.flush().await;
    let data = served
        .data(
            "{ waits { nodes { kind runId taskId path due interests approvalId approval { title } reason error { status }
             concurrency { key limit running } task { name } run { status } } } }",
        )
        .await;
    let waits = data["waits"]["nodes"].as_array().unwrap();
    let kinds: Vec<&str> = waits.iter().map(|wait| wait["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "timer",
            "event",
            "approval",
            "unknown_effect",
            "held",
            "backoff",
            "effect",
            "paused",
            "concurrency",
            "start_time"
        ],
        "in the order in which the tasks were started; a start time that is over is none"
    );
    let first = |kind: &str| waits.iter().find(|wait| wait["kind"] == kind).unwrap();
    assert_eq!(first("timer")["path"], "/step1/step2");
    assert_eq!(
        (&first("timer")["due"], &first("timer")["task"]["name"]),
        (&json!(at(60).to_string()), &json!("step2"))
    );
    assert_eq!(first("event")["interests"], json!([{ "type": "order.paid" }]));
    assert_eq!(first("approval")["approvalId"], approval);
    assert_eq!(first("approval")["approval"]["title"], "Refund?");
    assert_eq!(
        (&first("held")["error"]["status"], &first("backoff")["error"]["status"]),
        (&json!(503), &json!(503))
    );
    assert_eq!(
        (&first("paused")["reason"], &first("paused")["taskId"]),
        (&json!("stocktaking"), &Value::Null)
    );
    assert_eq!(first("paused")["run"]["status"], "suspended");
    assert_eq!(first("concurrency")["concurrency"], json!({ "key": "orders", "limit": 1, "running": 1 }));
    assert_eq!(first("concurrency")["runId"], run_id(2).to_string());

    let count = |data: &Value| data["waits"]["nodes"].as_array().unwrap().len();
    for (arguments, expected) in [
        ("kind: [timer, backoff]", 2),
        ("kind: held", 1),
        ("dueBefore: \"2026-11-24T08:00:50Z\"", 1),
        ("dueBefore: \"2026-11-24T08:00:59.999999Z\", kind: timer", 0),
        ("dueBefore: \"2026-11-24T08:01:00Z\", kind: timer", 1),
        ("kind: []", 0),
        ("kind: child", 0),
    ] {
        let data = served.data(&format!("{{ waits({arguments}) {{ nodes {{ kind }} }} }}")).await;
        assert_eq!(count(&data), expected, "{arguments}");
    }
    let id = run_id(1);
    let own = served
        .data(&format!("{{ run(id: \"{id}\") {{ waits(kind: [timer, paused]) {{ nodes {{ kind }} }} }} }}"))
        .await;
    assert_eq!(own["run"]["waits"]["nodes"], json!([{ "kind": "timer" }, { "kind": "paused" }]));
}

#[tokio::test]
async fn pages_of_waits_follow_each_other_over_their_kinds() {
    let mut served = Served::new().await;
    waiting(&mut served);
    served.flush().await;
    let all = served.data("{ waits { nodes { position } } }").await["waits"]["nodes"].clone();
    let query = "query($after: String) { waits(first: 3, after: $after) { nodes { position } pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = served.ask(query, json!({ "after": after })).await;
        let page = &answer["data"]["waits"];
        seen.extend(page["nodes"].as_array().unwrap().clone());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(json!(seen), all);
}

#[tokio::test]
async fn the_inbox_shows_what_somebody_may_decide() {
    let mut served = Served::new().await;
    write(&mut served, 1, vec![started("w"), running(), approval_task(1, ApprovalId([4; 16]))]);
    let for_managers = requested(&mut served, 4, 1, &["manager"]);
    let for_all = requested(&mut served, 5, 1, &[]);
    let for_lawyers = requested(&mut served, 6, 1, &["lawyer"]);
    served.flush().await;
    for (arguments, expected) in [
        ("state: open", vec![&for_lawyers, &for_all, &for_managers]),
        ("state: open, role: \"manager\"", vec![&for_all, &for_managers]),
        ("assignee: \"alice\", role: [\"manager\", \"lawyer\"]", vec![&for_lawyers, &for_all, &for_managers]),
        ("assignee: \"alice\"", vec![&for_all]),
        ("state: resolved", vec![]),
    ] {
        let data = served.data(&format!("{{ approvals({arguments}) {{ nodes {{ id }} }} }}")).await;
        let ids: Vec<&str> = data["approvals"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{arguments}");
    }
    let query = format!(
        "{{ approval(id: \"{for_managers}\") {{ title details subject digest quorum state runId taskId choices {{ name schema }}
         deciders {{ assignees roles anybody }} votes {{ nodes {{ by }} }} run {{ id }} version }} missing: approval(id: \"{}\") {{ id }} }}",
        ApprovalId([9; 16])
    );
    let data = served.data(&query).await;
    assert_eq!(
        data["approval"],
        json!({ "title": "Refund?", "details": { "customer": "alice" }, "subject": { "amount": 7 },
            "digest": "01".repeat(32), "quorum": 1, "state": "open", "runId": run_id(1).to_string(), "taskId": 4,
            "choices": [{ "name": "approve", "schema": { "type": "object" } }],
            "deciders": { "assignees": [], "roles": ["manager"], "anybody": false }, "votes": { "nodes": [] },
            "run": { "id": run_id(1).to_string() }, "version": 1 })
    );
    assert_eq!(data["missing"], Value::Null);
}

#[tokio::test]
async fn the_ledger_tells_effects_by_state_and_a_try_its_attempts() {
    let mut served = Served::new().await;
    waiting(&mut served);
    served.scribe.run(run_id(9), "w", 3);
    served.flush().await;
    let count = async |arguments: &str| {
        let query = format!("{{ effects{arguments} {{ nodes {{ effect {{ state }} task {{ task }} }} }} }}");
        served.data(&query).await["effects"]["nodes"].as_array().unwrap().len()
    };
    for (arguments, expected) in [
        ("", 7),
        ("(state: unknown)", 1),
        ("(state: [failed, succeeded])", 4),
        ("(state: [intended], kind: \"approval\")", 1),
        ("(state: [])", 0),
    ] {
        assert_eq!(count(arguments).await, expected, "{arguments}");
    }
    let query = format!(
        "{{ task(runId: \"{0}\", task: 7) {{ retries attempts(first: 2) {{ nodes {{ attempt next error {{ status }} }} }} }}
            run(id: \"{0}\") {{ effects(first: 2, state: [unknown]) {{ nodes {{ effect {{ key class kind dispatches }} task {{ name }} }} }}
              labels {{ name value }} tasks(first: 10, filter: {{ topLevel: true }}) {{ nodes {{ task children(first: 10) {{ nodes {{ path parent {{ task }} }} }} }} }} }}
            labelled: runs(filter: {{ labels: [{{ name: \"team\", value: \"a\" }}] }}) {{ nodes {{ id }} }}
            other: runs(filter: {{ labels: [{{ name: \"team\" }}, {{ name: \"area\" }}] }}) {{ nodes {{ id }} }} }}",
        run_id(1)
    );
    let data = served.data(&query).await;
    assert_eq!(
        data["task"],
        json!({ "retries": 1, "attempts": { "nodes": [{ "attempt": 1, "next": at(40).to_string(), "error": { "status": 503 } }] } })
    );
    let run = &data["run"];
    assert_eq!(
        run["effects"]["nodes"],
        json!([{ "effect": { "key": "00112233445566778899aabbccddeeff", "class": "irreversible", "kind": "process",
            "dispatches": 1 }, "task": { "name": "step5" } }])
    );
    assert_eq!(run["labels"], json!([{ "name": "team", "value": "a" }]));
    let top = run["tasks"]["nodes"].as_array().unwrap();
    assert_eq!(top.len(), 7);
    assert_eq!(top[0]["children"]["nodes"], json!([{ "path": "/step1/step2", "parent": { "task": 1 } }]));
    assert_eq!(data["labelled"]["nodes"], json!([{ "id": run_id(1).to_string() }]));
    assert_eq!(data["other"]["nodes"], json!([]));
}

#[tokio::test]
async fn schedules_and_webhooks_are_listed_with_what_came_of_them() {
    let mut served = Served::new().await;
    let schedule = StreamId::new(StreamKind::Schedule, "test/w").unwrap();
    let activated = ScheduleEvent::Activated(ScheduleActivated {
        version: "1.0.0".into(),
        digest: Digest([3; 32]),
        timetable: Timetable::Every { millis: 60_000 },
        overlap: Overlap::Allow,
        missed: Missed::All,
        input: Value::Null,
        interests: Vec::new(),
    });
    served.scribe.command("runtime", vec![(schedule, Event::Schedule(activated))]);
    let trigger = openclaw_model::event::run::Trigger { schedule: "test/w".into(), due: Some(at(60)) };
    write(&mut served, 1, vec![begun(|event| event.trigger = Some(trigger))]);
    let webhook = StreamId::new(StreamKind::Webhook, "audit").unwrap();
    let registered = WebhookEvent::Registered(WebhookRegistered {
        url: "https://a.test/hook".into(),
        types: vec!["*".into()],
        secret: "webhooks/audit".into(),
        headers: Default::default(),
        after: Position(0),
    });
    let dead = WebhookEvent::DeadLettered(WebhookDeadLettered {
        position: Position(2),
        event: json!({ "id": "2" }),
        attempts: 5,
        error: "refused".into(),
        since: at(1),
    });
    let events = [registered, dead].into_iter().map(|event| (webhook.clone(), Event::Webhook(event)));
    served.scribe.command("token:a", events.collect());
    served.flush().await;
    let data = served
        .data(
            "{ schedules(first: 9) { nodes { namespace name active timetable overlap missed lastTick { at } runs(first: 9) { nodes { scheduleDue } } } }
             webhooks(first: 9) { nodes { name url types through deadLetterCount deadLetters(first: 9, state: open) { nodes {
               eventPosition attempts reason state cloudEvent } } } } }",
        )
        .await;
    assert_eq!(
        data["schedules"]["nodes"],
        json!([{ "namespace": "test", "name": "w", "active": true, "timetable": { "type": "every", "millis": 60_000 },
            "overlap": "allow", "missed": "all", "lastTick": null, "runs": { "nodes": [{ "scheduleDue": at(60).to_string() }] } }])
    );
    assert_eq!(
        data["webhooks"]["nodes"],
        json!([{ "name": "audit", "url": "https://a.test/hook", "types": ["*"], "through": "0", "deadLetterCount": 1,
            "deadLetters": { "nodes": [{ "eventPosition": "2", "attempts": 5, "reason": "refused", "state": "open",
                "cloudEvent": { "id": "2" } }] } }])
    );
}
