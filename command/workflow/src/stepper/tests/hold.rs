//! `metadata.onFault: pause`: a task that failed waits for somebody to decide.

use super::*;

fn held(extra: Value) -> Bench {
    let mut task = shell("x");
    task["metadata"] = json!({ "onFault": "pause" });
    for (key, value) in extra.as_object().unwrap() {
        task[key] = value.clone();
    }
    let tasks = json!([{ "t": {
        "try": [{ "before": shell("before") }, { "x": task }],
        "catch": { "do": [{ "note": { "set": { "caught": "${ $error.status }" } } }] },
    } }]);
    let mut bench = run(tasks, json!({}));
    bench.reply("before", Ok(json!({ "n": 1 })));
    bench
}

#[test]
fn a_held_task_suspends_the_run_whatever_would_catch_its_error() {
    let mut bench = held(json!({}));
    bench.reply("x", Err(broken()));
    assert_eq!(bench.state.status(), Status::Suspended);
    assert_eq!(pending(&bench.state), [], "nothing is owed but a decision");
    assert_eq!((bench.count("run.task_held"), bench.count("run.error_caught")), (1, 0));
}

#[test]
fn a_held_task_that_is_retried_starts_anew_with_its_input_and_its_key() {
    let mut bench = held(json!({}));
    let first = bench.commands();
    bench.reply("x", Err(broken()));
    bench.pass(60_000);
    let task = bench.open("x");
    bench.command(Command::Retry { task: Some(task) }).unwrap();
    assert_eq!(bench.commands(), first);
    assert_eq!(*bench.state.tasks[&bench.open("x")].raw_input, json!({ "n": 1 }));
    bench.reply("x", Err(broken()));
    assert_eq!(bench.count("run.task_held"), 2, "it is held each time");
    bench.command(Command::Retry { task: None }).unwrap();
    bench.reply("x", Ok(json!({ "done": true })));
    assert_eq!(bench.output(), json!({ "done": true }));
    assert_eq!(bench.names("run.task_started").iter().filter(|name| *name == "before").count(), 1);
}

#[test]
fn a_held_task_that_is_resumed_lets_its_error_go_on() {
    let mut bench = held(json!({}));
    bench.reply("x", Err(broken()));
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.output(), json!({ "caught": 503 }));
}

#[test]
fn a_task_that_is_held_for_its_time_limit_stays_held_and_has_all_of_it_again() {
    let mut bench = held(json!({ "timeout": { "after": { "seconds": 5 } } }));
    bench.pass(5_000);
    assert_eq!(bench.count("run.task_held"), 1);
    assert_eq!(bench.due(), None, "the time that is over is not due again");
    bench.pass(5_000);
    assert_eq!(bench.count("run.task_held"), 1);
    bench.command(Command::Retry { task: None }).unwrap();
    assert_eq!(bench.due(), Some(bench.now.plus_millis(5_000)));
    bench.reply("x", Ok(json!(1)));
    assert_eq!(bench.output(), json!(1));
}

#[test]
fn an_effect_is_not_repeated_when_only_what_came_after_it_failed() {
    let schema = json!({ "document": { "type": "number" } });
    let mut bench = held(json!({ "output": { "schema": schema } }));
    bench.reply("x", Ok(json!("raw")));
    assert_eq!(bench.count("run.task_held"), 1);
    bench.command(Command::Retry { task: None }).unwrap();
    assert!(bench.commands().is_empty(), "its outcome is known");
    assert_eq!(bench.count("run.task_held"), 2);
}

#[test]
fn a_fork_that_is_held_keeps_what_its_branches_gave() {
    let mut bench = run(
        json!([{ "f": {
            "fork": { "branches": [{ "a": shell("a") }, { "b": shell("b") }, { "c": shell("c") }] },
            "metadata": { "onFault": "pause" },
        } }]),
        json!({}),
    );
    let keys = bench.commands();
    bench.reply("a", Ok(json!("A")));
    bench.reply("b", Err(broken()));
    assert_eq!(bench.state.status(), Status::Suspended);
    bench.command(Command::Retry { task: None }).unwrap();
    assert_eq!(bench.commands(), keys[1..], "b failed, c was stopped with it; both keep their keys");
    bench.reply("c", Ok(json!("C")));
    bench.reply("b", Ok(json!("B")));
    assert_eq!(bench.output(), json!(["A", "B", "C"]));
}

#[test]
fn two_held_branches_are_decided_on_one_by_one() {
    let held = |command: &str| {
        let mut task = shell(command);
        task["metadata"] = json!({ "onFault": "pause" });
        json!({ command: task })
    };
    let mut bench = run(json!([{ "f": { "fork": { "branches": [held("a"), held("b")] } } }]), json!({}));
    bench.reply("a", Err(broken()));
    bench.reply("b", Err(broken()));
    let (a, b) = (bench.open("a"), bench.open("b"));
    assert_eq!(bench.command(Command::Retry { task: Some(TaskId(99)) }), Err(Rejection::NothingToRetry));
    bench.command(Command::Retry { task: Some(a) }).unwrap();
    assert_eq!(bench.commands().len(), 1);
    assert!(bench.state.tasks.contains_key(&b), "b is held still");
    bench.command(Command::Retry { task: Some(b) }).unwrap();
    bench.reply("a", Ok(json!("A")));
    bench.reply("b", Ok(json!("B")));
    assert_eq!(bench.output(), json!(["A", "B"]));
}
