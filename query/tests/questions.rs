//! Questions over HTTP and what they are answered.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use common::{
    PATIENCE, Served, code,
    history::{run_id, started, task_started},
};
use openclaw_model::{
    Event, SessionId, StreamId,
    event::{RunEvent, SessionEvent, session::StateChanged},
};
use serde_json::{Value, json};

mod common;

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let sdl = openclaw_query::sdl();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is told by its environment to write the golden file"
    )]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &sdl).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert!(
        golden == sdl,
        "query/schema.graphql is old; run this test with UPDATE_GOLDEN=1 and look at the difference"
    );
}

fn ids(connection: &Value) -> Vec<String> {
    let nodes = connection["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_run_through_all_rows_once_in_both_directions_while_rows_are_added() {
    let mut served = Served::new().await;
    let add = |served: &mut Served, numbers: std::ops::RangeInclusive<u64>| {
        numbers.for_each(|number| served.scribe.run(run_id(number), "w", 1));
    };
    add(&mut served, 1..=25);
    served.flush().await;
    let newest_first: Vec<String> = (1..=25).rev().map(|number| run_id(number).to_string()).collect();

    let query = "query($after: String) { runs(first: 10, after: $after) { nodes { id } totalCount
                 pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let (mut seen, mut after, mut first_page) = (Vec::new(), Value::Null, Value::Null);
    for round in 0..3 {
        let answer = served.ask(query, json!({ "after": after })).await;
        let runs = &answer["data"]["runs"];
        seen.extend(ids(runs));
        assert_eq!(runs["pageInfo"]["hasNextPage"], json!(round < 2), "{runs}");
        assert_eq!(runs["pageInfo"]["hasPreviousPage"], json!(round > 0), "{runs}");
        after = runs["pageInfo"]["endCursor"].clone();
        if round == 0 {
            assert_eq!(runs["totalCount"], 25);
            first_page = runs["pageInfo"]["endCursor"].clone();
            // New rows come before the first page and move nothing.
            add(&mut served, 26..=40);
            served.flush().await;
        }
    }
    assert_eq!(seen, newest_first);

    // Backwards from the end of the first page: the nine before it, in the same order.
    let query = "query($before: String) { runs(last: 9, before: $before) { nodes { id }
                 pageInfo { hasNextPage hasPreviousPage } } }";
    let answer = served.ask(query, json!({ "before": first_page })).await;
    assert_eq!(ids(&answer["data"]["runs"]), newest_first[..9]);
    assert_eq!(answer["data"]["runs"]["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": true }));
}

#[tokio::test]
async fn cursors_stay_good_over_a_rebuild() {
    let mut served = Served::new().await;
    (1..=5).for_each(|number| served.scribe.run(run_id(number), "w", 1));
    served.flush().await;
    let page = served.data("{ runs(first: 2) { pageInfo { endCursor } } }").await;
    let query = "query($after: String) { runs(first: 2, after: $after) { nodes { id } } }";
    let variables = json!({ "after": page["runs"]["pageInfo"]["endCursor"] });
    let before = served.ask(query, variables.clone()).await;
    served.views.rebuild().await.unwrap();
    assert_eq!(served.ask(query, variables).await["data"], before["data"]);
}

#[tokio::test]
async fn a_run_has_its_tasks_events_data_and_definition() {
    let mut served = Served::new().await;
    served.scribe.workflow("w", "1.0.0");
    served.scribe.run(run_id(1), "w", 2);
    served.flush().await;
    let query = format!(
        r#"{{ run(id: "{}") {{
            status workflow {{ namespace name version inline }} taskCount durationMs input output error {{ title }}
            firstPosition position version actor definition
            tasks(first: 1) {{ totalCount nodes {{ id task name kind status attempt dispatches input output run {{ id }} }} }}
            events(last: 1) {{ totalCount edges {{ node {{ type position stream version actor data }} }} }}
        }} }}"#,
        run_id(1)
    );
    let run = &served.data(&query).await["run"];
    assert_eq!(run["status"], "completed");
    assert_eq!(
        run["workflow"],
        json!({ "namespace": "test", "name": "w", "version": "1.0.0", "inline": false })
    );
    assert_eq!(
        (&run["firstPosition"], &run["position"], &run["version"]),
        (&json!("2"), &json!("8"), &json!(7))
    );
    assert_eq!((&run["taskCount"], &run["durationMs"]), (&json!(2), &json!(6)));
    assert_eq!(run["output"], json!({ "tasks": 2 }));
    assert_eq!(run["definition"]["document"]["name"], "w");
    let task = &run["tasks"]["nodes"][0];
    assert_eq!(run["tasks"]["totalCount"], 2);
    assert_eq!(
        (&task["kind"], &task["status"], &task["dispatches"]),
        (&json!("run"), &json!("completed"), &json!(1))
    );
    assert_eq!((&task["output"]["lines"], &task["run"]["id"]), (&json!(4711), &json!(run_id(1).to_string())));
    let event = &run["events"]["edges"][0]["node"];
    assert_eq!(run["events"]["totalCount"], 7);
    assert_eq!(
        (&event["type"], &event["position"], &event["actor"]),
        (&json!("run.completed"), &json!("8"), &json!("runtime"))
    );
    assert_eq!(event["data"]["output"]["tasks"], 2);

    let missing = served
        .data(&format!(
            r#"{{ run(id: "{}") {{ id }} task(runId: "{}", task: 9) {{ id }} }}"#,
            run_id(9),
            run_id(1)
        ))
        .await;
    assert_eq!(missing, json!({ "run": null, "task": null }));
}

#[tokio::test]
async fn an_inline_definition_comes_from_the_log() {
    let mut served = Served::new().await;
    let RunEvent::Started(mut inline) = started("w") else { panic!("it starts") };
    inline.definition = Some(json!({ "do": [{ "only": { "set": { "x": 1 } } }] }));
    let stream = StreamId::run(run_id(1));
    served.scribe.command("token:a", vec![(stream, Event::Run(RunEvent::Started(inline)))]);
    served.flush().await;
    let run = served.data("{ runs { nodes { definition workflow { inline } } } }").await;
    assert_eq!(run["runs"]["nodes"][0]["definition"], json!({ "do": [{ "only": { "set": { "x": 1 } } }] }));
    assert_eq!(run["runs"]["nodes"][0]["workflow"]["inline"], true);
}

#[tokio::test]
async fn filters_narrow_every_list() {
    let mut served = Served::new().await;
    served.scribe.workflow("w", "1.9.0");
    served.scribe.workflow("w", "1.10.0");
    for number in 1..=6 {
        served.scribe.run(run_id(number), if number % 2 == 0 { "even" } else { "odd" }, 1);
    }
    let stream = StreamId::run(run_id(7));
    let open = vec![started("odd"), common::history::running(), task_started(1)];
    served
        .scribe
        .command("token:b", open.into_iter().map(|event| (stream.clone(), Event::Run(event))).collect());
    served.scribe.session("alice", 2);
    served.scribe.session("bob", 1);
    served.flush().await;

    let count = |answer: Value, field: &str| answer[field]["nodes"].as_array().unwrap().len();
    let cases = [
        ("runs(filter: { name: \"even\" }) { nodes { id } }", "runs", 3),
        ("runs(filter: { status: [running] }) { nodes { id } }", "runs", 1),
        ("runs(filter: { status: [completed, running], actor: \"token:b\" }) { nodes { id } }", "runs", 1),
        ("runs(filter: { startedAt: { to: \"2000-01-01T00:00:00Z\" } }) { nodes { id } }", "runs", 0),
        ("runs(filter: { status: [completed, completed], name: \"odd\" }) { nodes { id } }", "runs", 3),
        ("runs(filter: { status: [] }) { nodes { id } }", "runs", 0),
        (
            "runs(filter: { startedAt: { from: \"2026-11-24T08:00:00.008Z\", to: \"2026-11-24T08:00:00.017Z\" } }) { nodes { id } }",
            "runs",
            2,
        ),
        ("runs(filter: { startedAt: { from: \"2030-01-01T00:00:00Z\" } }) { nodes { id } }", "runs", 0),
        ("tasks(filter: { status: [running] }) { nodes { id } }", "tasks", 1),
        ("tasks(filter: { status: [running, completed], kind: [\"run\"] }) { nodes { id } }", "tasks", 7),
        ("tasks(filter: { kind: [\"wait\"] }) { nodes { id } }", "tasks", 0),
        ("sessions(filter: { peer: \"alice\", status: [active] }) { nodes { id } }", "sessions", 2),
        (
            "messages(filter: { sessionId: \"alice\", direction: [agent] }) { nodes { position } }",
            "messages",
            2,
        ),
        ("messages(filter: { text: \"OF BOB\" }) { nodes { position } }", "messages", 3),
        ("messages(filter: { text: \"100%\" }) { nodes { position } }", "messages", 0),
        ("workflows(filter: { namespace: \"test\", retired: false }) { nodes { version } }", "workflows", 2),
        (
            "events(filter: { type: [\"run.started\", \"session.started\"] }) { nodes { position } }",
            "events",
            9,
        ),
        (
            "events(filter: { type: [\"run.started\"], actor: \"token:b\" }) { nodes { position } }",
            "events",
            1,
        ),
        (
            "events(filter: { type: [\"run.started\", \"run.started\"], correlation: \"00000000-0000-0003-0000-000000000000\" }) { nodes { position } }",
            "events",
            1,
        ),
        (
            "events(filter: { stream: \"session/bob\", type: [\"session.started\", \"session.message_sent\"], actor: \"token:bench\" }) { nodes { position } }",
            "events",
            2,
        ),
        ("events(filter: { type: [] }) { nodes { position } }", "events", 0),
        ("events(filter: { stream: \"session/bob\" }, order: ASC) { nodes { position } }", "events", 4),
        ("events(from: \"3\", to: \"5\") { nodes { position } }", "events", 3),
    ];
    for (query, field, expected) in cases {
        assert_eq!(count(served.data(&format!("{{ {query} }}")).await, field), expected, "{query}");
    }
    let latest =
        served.data(r#"{ workflow(namespace: "test", name: "w") { version taskCount title } }"#).await;
    assert_eq!(latest["workflow"], json!({ "version": "1.10.0", "taskCount": 3, "title": "T" }));
    let ordered = served
        .data(r#"{ events(filter: { type: ["run.completed", "run.started"] }, first: 3, order: ASC) { nodes { position } } }"#)
        .await;
    assert_eq!(
        ordered["events"]["nodes"],
        json!([{ "position": "3" }, { "position": "7" }, { "position": "8" }])
    );
}

#[tokio::test]
async fn a_session_shows_messages_and_state() {
    let mut served = Served::new().await;
    served.scribe.session("alice", 2);
    let stream = StreamId::session(&SessionId::new("alice").unwrap());
    let set = |key: &str| {
        let event = SessionEvent::StateChanged(StateChanged { key: key.into(), value: json!({ "k": key }) });
        (stream.clone(), Event::Session(event))
    };
    served.scribe.command("token:a", vec![set("b"), set("a")]);
    served.flush().await;
    let query = r#"{ session(id: "alice") { status channel peer messageCount usage { inputTokens outputTokens }
        state { key value } one: state(keys: ["b"]) { key }
        messages(first: 2) { totalCount nodes { direction messageId content model usage { outputTokens } session { id } } } } }"#;
    let session = &served.data(query).await["session"];
    assert_eq!((&session["status"], &session["messageCount"]), (&json!("active"), &json!(6)));
    assert_eq!(session["usage"], json!({ "inputTokens": 22, "outputTokens": 14 }));
    assert_eq!(
        session["state"],
        json!([{ "key": "a", "value": { "k": "a" } }, { "key": "b", "value": { "k": "b" } }])
    );
    assert_eq!(session["one"], json!([{ "key": "b" }]));
    let messages = &session["messages"];
    assert_eq!(messages["totalCount"], 6);
    assert_eq!(messages["nodes"][0]["direction"], "received");
    assert_eq!(
        messages["nodes"][1],
        json!({ "direction": "agent", "messageId": null, "content": "message 0 of alice",
        "model": "scripted/one", "usage": { "outputTokens": 7 }, "session": { "id": "alice" } })
    );
}

#[tokio::test]
async fn a_question_can_demand_a_position_and_is_never_answered_from_before_it() {
    let mut served = Served::new().await;
    served.scribe.run(run_id(1), "w", 1);
    let head = served.flush().await;
    let query = "query($at: Position, $ms: Long) { runs(minPosition: $at, timeoutMs: $ms) { nodes { id } position } }";
    let answer = served.ask(query, json!({ "at": head.to_string(), "ms": 0 })).await;
    assert_eq!(answer["data"]["runs"]["position"], json!(head.to_string()));

    let answer = served.ask(query, json!({ "at": "99", "ms": 20 })).await;
    assert_eq!(answer["data"], Value::Null);
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["wanted"]), (&json!("CONSISTENCY_TIMEOUT"), &json!("99")));
    assert_eq!((&extensions["position"], &extensions["status"]), (&json!(head.to_string()), &json!("FRESH")));
    assert_eq!(
        code(&served.ask("{ runs(minPosition: \"1\", timeoutMs: 10001) { position } }", json!({})).await),
        "BAD_ARGUMENT"
    );

    // A question that waits is answered by what it waited for.
    served.scribe.run(run_id(2), "w", 1);
    let wanted = json!({ "at": (head.0 + 5).to_string(), "ms": 10_000 });
    let router = served.router.clone();
    let (answer, _) = tokio::join!(common::ask(&router, query, wanted), served.scribe.flush());
    assert_eq!(answer["data"]["runs"]["nodes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_answer_says_how_current_it_is() {
    let mut served = Served::new().await;
    served.scribe.run(run_id(1), "w", 1);
    let head = served.flush().await.to_string();
    let answer = served
        .ask("{ freshness { status position head } projection { status lag failure { code } } server { version head writable } }", json!({}))
        .await;
    assert_eq!(answer["data"]["freshness"], json!({ "status": "FRESH", "position": head, "head": head }));
    assert_eq!(answer["data"]["projection"], json!({ "status": "FRESH", "lag": 0, "failure": null }));
    assert_eq!(answer["data"]["server"], json!({ "version": "0.0.0-test", "head": head, "writable": true }));
    assert_eq!(answer["extensions"], json!({ "position": head, "status": "FRESH" }));

    // A poison event: what is shown stays, and the answer says so.
    served.scribe.session("bad", 1);
    served.scribe.tamper(|recorded| recorded.event_type = "session.unheard_of".into());
    served.scribe.flush().await;
    let mut news = served.views.watch();
    let failed = news.wait_for(|progress| progress.status.as_str() == "FAILED");
    tokio::time::timeout(PATIENCE, failed).await.unwrap().unwrap();
    let answer = served
        .ask("{ projection { status failure { code position } } runs { nodes { id } } }", json!({}))
        .await;
    assert_eq!(answer["data"]["projection"]["failure"], json!({ "code": "OC-PRJ-001", "position": "7" }));
    assert_eq!(answer["data"]["runs"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(answer["extensions"], json!({ "position": "6", "status": "FAILED" }));
    let began = tokio::time::Instant::now();
    assert_eq!(
        code(&served.ask("{ runs(minPosition: \"9\", timeoutMs: 10000) { position } }", json!({})).await),
        "CONSISTENCY_TIMEOUT"
    );
    assert!(began.elapsed() < Duration::from_secs(5), "there is nothing to wait for");
}

#[tokio::test]
async fn stats_count_runs_durations_and_minutes() {
    let mut served = Served::new().await;
    for number in 1..=4 {
        served.scribe.run(run_id(number), if number == 4 { "other" } else { "w" }, 10);
    }
    served.flush().await;
    let stats = &served
        .data("{ stats { position runsByStatus { status runs } taskDurations { namespace name samples p50Ms p95Ms maxMs }
                eventsPerMinute { minute events } } }")
        .await["stats"];
    assert_eq!(stats["position"], "92");
    let by_status = stats["runsByStatus"].as_array().unwrap();
    assert_eq!(by_status.len(), 7);
    assert_eq!(by_status.iter().find(|one| one["status"] == "completed").unwrap()["runs"], 4);
    let durations = stats["taskDurations"].as_array().unwrap();
    assert_eq!(
        durations[1],
        json!({ "namespace": "test", "name": "w", "samples": 30, "p50Ms": 1, "p95Ms": 1, "maxMs": 1 })
    );
    let minutes = stats["eventsPerMinute"].as_array().unwrap();
    assert_eq!(minutes.len(), 60);
    assert_eq!(minutes[59], json!({ "minute": "2026-11-24T08:00:00.000000Z", "events": 92 }));
    assert!(minutes[..59].iter().all(|minute| minute["events"] == 0));
}

#[tokio::test]
async fn an_event_is_read_from_the_log_by_its_position() {
    let mut served = Served::new().await;
    served.scribe.run(run_id(1), "w", 1);
    served.flush().await;
    let event = served.data("{ event(position: 1) { type schema at actor command correlation causation data } none: event(position: \"99\") { id } }").await;
    assert_eq!(event["event"]["type"], "run.started");
    assert_eq!(event["event"]["data"]["workflow"]["name"], "w");
    assert_eq!(event["event"]["command"], "00000000000000000000000000000001");
    assert_eq!(event["none"], Value::Null);
}

#[tokio::test]
async fn what_was_shown_is_still_read_when_the_worker_has_stopped() {
    let mut served = Served::new().await;
    served.scribe.run(run_id(1), "w", 1);
    served.flush().await;
    served.projector.stop().await;
    let answer = common::ask(&served.router, "{ runs { nodes { id } } }", json!({})).await;
    assert_eq!(ids(&answer["data"]["runs"]), [run_id(1).to_string()]);
}
