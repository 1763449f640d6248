//! Runs as they were, where they part, and what leads from one to another.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use common::{
    Served, code,
    history::{effect, run_id, running, started, task, task_completed},
    writing::{at, begun, completed, error, write},
};
use openclaw_model::{
    Position, TaskId, Version,
    event::{
        RunEvent,
        run::{EffectUnknown, ForkOrigin, ParentTask, RunCompleted, RunForked, TaskFaulted, TaskKind, Work},
    },
};
use serde_json::{Value, json};

mod common;

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
