//! Questions about durable work: waits, decisions, effects, the past, and comparing runs.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use common::{
    Served, code,
    history::{effect, run_id, running, started, task, task_completed},
};
use openclaw_model::{
    ApprovalId, Digest, Event, Position, StreamId, StreamKind, TaskId, Timestamp, Version,
    event::{
        ApprovalEvent, RunEvent, ScheduleEvent, WebhookEvent,
        approval::{ApprovalRequest, ApprovalRequested, Choice, Deciders},
        run::{
            Concurrency, EffectClass, EffectUnknown, ForkOrigin, Intent, Interest, ParentTask, Request,
            RunCompleted, RunForked, RunPaused, TaskCompleted, TaskFaulted, TaskHeld, TaskKind, TaskRetried,
            Work, WorkflowError,
        },
        schedule::{Missed, Overlap, ScheduleActivated, Timetable},
        webhook::{WebhookDeadLettered, WebhookRegistered},
    },
};
use serde_json::{Value, json};

mod common;

/// The clock of [`Served`] stands 30 s after the first event.
fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(common::history::EPOCH + second * 1_000_000)
}

fn error() -> WorkflowError {
    WorkflowError { r#type: "urn:test".into(), status: 503, title: None, detail: None, instance: None }
}

fn write(served: &mut Served, run: u64, events: Vec<RunEvent>) -> Position {
    let stream = StreamId::run(run_id(run));
    let events = events.into_iter().map(|event| (stream.clone(), Event::Run(event))).collect();
    served.scribe.command("runtime", events)
}

fn begun(change: impl FnOnce(&mut openclaw_model::event::run::RunStarted)) -> RunEvent {
    let RunEvent::Started(mut event) = started("w") else { panic!("it starts") };
    change(&mut event);
    RunEvent::Started(event)
}

fn completed(number: u32, output: Value) -> RunEvent {
    let RunEvent::TaskCompleted(event) = task_completed(number) else { panic!("it completes") };
    RunEvent::TaskCompleted(TaskCompleted { output, ..event })
}

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
    let intent = Intent { key, class: EffectClass::Keyed, request, inquiry: None };
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
async fn a_run_is_shown_as_it_was_at_every_position() {
    let mut served = Served::new().await;
    let mut then = Vec::new();
    let query = |position: Option<Position>| {
        let as_of = position.map(|position| format!(", asOf: \"{position}\"")).unwrap_or_default();
        format!(
            "{{ run(id: \"{}\"{as_of}) {{ status taskCount version position output error {{ status }} input actor endedAt
             tasks {{ totalCount nodes {{ task status path due output effect {{ state }} run {{ status }} }} pageInfo {{ endCursor }} }}
             waits {{ nodes {{ kind due taskId }} }} effects {{ nodes {{ effect {{ state }} }} }}
             timeline {{ nodes {{ what taskId name }} }} events {{ totalCount nodes {{ type data }} }} }} }}",
            run_id(1)
        )
    };
    let steps = [
        vec![started("w"), running()],
        vec![task(1, None, TaskKind::Wait, Work::Timer { due: at(5) })],
        vec![completed(1, json!("slept")), task(2, None, TaskKind::Call, effect())],
        vec![RunEvent::EffectUnknown(EffectUnknown { task: TaskId(2) })],
        vec![task_completed(2), RunEvent::Completed(RunCompleted { output: json!("done") })],
    ];
    for events in steps {
        write(&mut served, 1, events);
        let head = served.flush().await;
        then.push((head, served.data(&query(None)).await));
        // Something else happens in between.
        served.scribe.session(&format!("s{head}"), 1);
        served.flush().await;
    }
    for (position, shown) in &then {
        assert_eq!(served.data(&query(Some(*position))).await, *shown, "as of {position}");
    }
    assert_eq!(then[1].1["run"]["status"], "waiting");
    assert_eq!(then[3].1["run"]["status"], "suspended");
    let before = served.data(&format!("{{ run(id: \"{}\", asOf: \"0\") {{ id }} }}", run_id(1))).await;
    assert_eq!(before["run"], Value::Null, "there was no such run");
    let answer = served.ask(&query(Some(Position(9_999))), json!({})).await;
    assert_eq!(code(&answer), "BAD_ARGUMENT");
}

#[tokio::test]
async fn too_much_history_is_refused_with_a_code() {
    let mut served = Served::new().await;
    write(&mut served, 1, vec![started("w"), running()]);
    let large = json!("x".repeat(1 << 20));
    for number in 1..=17 {
        write(
            &mut served,
            1,
            vec![task(number, None, TaskKind::Set, Work::Steps), completed(number, large.clone())],
        );
    }
    let head = served.flush().await;
    let query = format!("{{ run(id: \"{}\", asOf: \"{head}\") {{ id }} }}", run_id(1));
    assert_eq!(code(&served.ask(&query, json!({})).await), "RUN_TOO_LARGE");
    let query = format!("{{ runDiff(a: \"{0}\", b: \"{0}\") {{ identical }} }}", run_id(1));
    let answer = served.ask(&query, json!({})).await;
    assert_eq!(code(&answer), "RUN_TOO_LARGE");
    assert_eq!(answer["errors"][0]["extensions"]["page"], "OC-QRY-012");
}

/// A run of three tasks, the second of which gives `second`; forked from run 1 behind the first if it is another one.
fn three(number: u64, second: Value, fork: bool) -> Vec<RunEvent> {
    let outer = || task(1, None, TaskKind::Do, Work::Steps);
    let step = |number: u32, parent| {
        let event = task(number, parent, TaskKind::Call, effect());
        let RunEvent::TaskStarted(mut event) = event else { panic!("it starts") };
        event.name = format!("step{number}");
        RunEvent::TaskStarted(event)
    };
    let mut events = vec![
        begun(|event| {
            let origin = ForkOrigin { run: run_id(1), at: Version(5), context: None };
            event.fork = fork.then_some(origin);
        }),
        running(),
        outer(),
        step(2, Some(1)),
        completed(2, json!("same")),
    ];
    if fork {
        events.push(RunEvent::Forked(RunForked { shift_ms: 0, context: None }));
    }
    events.extend([
        step(3, Some(1)),
        completed(3, second.clone()),
        completed(1, json!({ "of": second })),
        step(4, None),
        completed(4, json!(number)),
        RunEvent::Completed(RunCompleted { output: json!({ "number": number }) }),
    ]);
    events
}

const DIFF: &str = "query($a: ID!, $b: ID!) { runDiff(a: $a, b: $b) { identical sameDefinition inputChanged outputChanged
    commonTasks changedCount onlyInACount onlyInBCount firstDivergence { path difference a { task output } b { task output } }
    changed { path difference } onlyInA { path } onlyInB { path } } }";

#[tokio::test]
async fn two_runs_part_at_the_innermost_task_that_differs_first() {
    let mut served = Served::new().await;
    write(&mut served, 1, three(1, json!("x"), false));
    write(&mut served, 2, three(1, json!("x"), true));
    write(&mut served, 3, three(3, json!("y"), true));
    let mut shorter = three(1, json!("x"), false);
    shorter.truncate(6);
    shorter.push(RunEvent::TaskFaulted(TaskFaulted { task: TaskId(3), error: error(), raw_output: None }));
    write(&mut served, 4, shorter);
    served.flush().await;
    let diff = async |a: u64, b: u64| {
        let variables = json!({ "a": run_id(a).to_string(), "b": run_id(b).to_string() });
        served.ask(DIFF, variables).await["data"]["runDiff"].clone()
    };
    let same = diff(1, 2).await;
    assert_eq!(
        (&same["identical"], &same["commonTasks"], &same["firstDivergence"]),
        (&json!(true), &json!(4), &Value::Null)
    );

    let other = diff(1, 3).await;
    assert_eq!(
        (&other["identical"], &other["outputChanged"], &other["inputChanged"]),
        (&json!(false), &json!(true), &json!(false))
    );
    assert_eq!(
        other["firstDivergence"],
        json!({ "path": "/step1/step3", "difference": "output", "a": { "task": 3, "output": "x" }, "b": { "task": 3, "output": "y" } }),
        "not the task around it, which starts before and differs because of it"
    );
    assert_eq!(
        other["changed"],
        json!([{ "path": "/step1", "difference": "output" }, { "path": "/step1/step3", "difference": "output" },
            { "path": "/step4", "difference": "output" }])
    );

    let failed = diff(1, 4).await;
    assert_eq!(failed["firstDivergence"]["difference"], "error");
    assert_eq!((&failed["onlyInA"], &failed["onlyInBCount"]), (&json!([{ "path": "/step4" }]), &json!(0)));
    let swapped = diff(4, 1).await;
    assert_eq!((&swapped["onlyInB"], &swapped["onlyInACount"]), (&json!([{ "path": "/step4" }]), &json!(0)));
    let answer = served.ask(DIFF, json!({ "a": run_id(1).to_string(), "b": run_id(77).to_string() })).await;
    assert_eq!(code(&answer), "NOT_FOUND");
}

#[tokio::test]
async fn forks_and_children_lead_to_each_other() {
    let mut served = Served::new().await;
    write(&mut served, 1, three(1, json!("x"), false));
    write(&mut served, 2, three(2, json!("y"), true));
    let parent = ParentTask { run: run_id(1), task: TaskId(3), close: Default::default() };
    let head = write(&mut served, 3, vec![begun(|event| event.parent = Some(parent))]);
    served.flush().await;
    let query = |as_of: u64| {
        format!(
            "{{ origin: run(id: \"{}\") {{ forks {{ nodes {{ id }} }} children {{ nodes {{ id parent {{ id }} parentTask parentClose }} }} }}
             then: run(id: \"{}\", asOf: \"{as_of}\") {{ forks {{ nodes {{ id }} }} children {{ nodes {{ id }} }} }}
             fork: run(id: \"{}\") {{ copying forkVersion forkedFrom {{ id }} tasks {{ nodes {{ task copied }} }} }} }}",
            run_id(1), run_id(1), run_id(2)
        )
    };
    let data = served.data(&query(head.0 - 1)).await;
    assert_eq!(data["origin"]["forks"]["nodes"], json!([{ "id": run_id(2).to_string() }]));
    assert_eq!(
        data["origin"]["children"]["nodes"],
        json!([{ "id": run_id(3).to_string(), "parent": { "id": run_id(1).to_string() }, "parentTask": 3, "parentClose": "cancel" }])
    );
    assert_eq!(data["then"]["forks"]["nodes"], json!([{ "id": run_id(2).to_string() }]));
    assert_eq!(data["then"]["children"]["nodes"], json!([]), "it was started later");
    let fork = &data["fork"];
    assert_eq!((&fork["copying"], &fork["forkVersion"]), (&json!(false), &json!(5)));
    assert_eq!(fork["forkedFrom"]["id"], run_id(1).to_string());
    assert_eq!(
        fork["tasks"]["nodes"],
        json!([{ "task": 1, "copied": true }, { "task": 2, "copied": true }, { "task": 3, "copied": false },
            { "task": 4, "copied": false }])
    );
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
