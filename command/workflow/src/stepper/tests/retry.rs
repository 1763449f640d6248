//! `run.retry` of a run that has faulted.

use super::*;

impl Bench {
    fn again(&mut self) {
        self.command(Command::Retry { task: None }).unwrap();
    }
}

#[test]
fn a_sequence_goes_on_with_the_task_that_failed() {
    let mut bench = run(json!([{ "a": shell("a") }, { "b": shell("b") }, { "c": shell("c") }]), json!({}));
    bench.reply("a", Ok(json!({ "from": "a" })));
    let keys = bench.commands();
    bench.reply("b", Err(broken()));
    assert_eq!(bench.state.status(), Status::Faulted);
    assert_eq!(pending(&bench.state), []);
    bench.again();
    assert_eq!(bench.commands(), keys, "the same effect under the same key");
    assert_eq!(*bench.state.tasks[&bench.open("b")].raw_input, json!({ "from": "a" }));
    bench.reply("b", Ok(json!("B")));
    bench.reply("c", Ok(json!("C")));
    assert_eq!(bench.output(), json!("C"));
}

#[test]
fn only_what_faulted_can_be_retried() {
    let mut bench = run(json!([{ "a": shell("a") }]), json!({}));
    assert_eq!(bench.command(Command::Retry { task: None }), Err(Rejection::NothingToRetry));
    bench.reply("a", Ok(json!(1)));
    assert_eq!(bench.command(Command::Retry { task: None }), Err(Rejection::NothingToRetry));
    let mut bench = run(json!([{ "a": shell("a") }]), json!({}));
    bench.command(Command::Cancel { reason: None, kill: false }).unwrap();
    assert_eq!(bench.command(Command::Retry { task: None }), Err(Rejection::NothingToRetry));
}

#[test]
fn a_loop_goes_on_with_the_item_that_failed() {
    let tasks = json!([{ "loop": { "for": { "in": "[10, 20, 30, 40]" }, "do": [
        { "mark": { "set": "${ . + [$item] }" } },
        { "call": { "run": { "shell": { "command": "call ${ $item }" } }, "output": { "as": "${ $task.input }" } } },
    ] } }]);
    let mut bench = run(tasks, json!([]));
    bench.reply("call 10", Ok(json!(1)));
    bench.reply("call 20", Ok(json!(1)));
    let keys = bench.commands();
    bench.reply("call 30", Err(broken()));
    bench.again();
    assert_eq!(bench.commands(), keys);
    bench.reply("call 30", Ok(json!(1)));
    bench.reply("call 40", Ok(json!(1)));
    assert_eq!(bench.output(), json!([10, 20, 30, 40]));
}

#[test]
fn a_loop_that_ran_out_of_time_goes_on_within_its_iteration() {
    let tasks = json!([{ "loop": {
        "for": { "in": "[1, 2, 3]" },
        "do": [{ "call": { "run": { "shell": { "command": "call ${ $item }" } }, "output": { "as": "${ $task.input + [$item] }" } } }],
        "timeout": { "after": { "seconds": 10 } },
    } }]);
    let mut bench = run(tasks, json!([]));
    bench.reply("call 1", Ok(json!(1)));
    let keys = bench.commands();
    bench.pass(10_000);
    assert_eq!(bench.error().status, 408);
    bench.pass(3_600_000);
    bench.again();
    assert_eq!(bench.commands(), keys, "what was under way is done again under its key");
    bench.reply("call 2", Ok(json!(1)));
    bench.reply("call 3", Ok(json!(1)));
    // The first task of an iteration has what the iteration before gave, also when it was stopped.
    assert_eq!(bench.output(), json!([1, 2, 3]));
}

#[test]
fn a_branch_that_failed_starts_again_and_the_others_go_on() {
    let mut bench = run(
        json!([{ "f": { "fork": { "branches": [
            { "a": { "do": [{ "a1": shell("a1") }, { "a2": shell("a2") }] } },
            { "b": shell("b") },
            { "c": shell("c") },
        ] } } }]),
        json!({}),
    );
    bench.reply("c", Ok(json!("C")));
    bench.reply("a1", Ok(json!("A1")));
    let keys = bench.commands();
    bench.reply("a2", Err(broken()));
    assert_eq!(bench.state.status(), Status::Faulted);
    bench.again();
    let mut now = bench.commands();
    now.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(now, keys, "a2 anew, and b as it was");
    bench.reply("b", Ok(json!("B")));
    bench.reply("a2", Ok(json!("A2")));
    assert_eq!(bench.output(), json!(["A2", "B", "C"]));
}

#[test]
fn an_effect_whose_output_could_not_be_used_is_not_repeated() {
    let mut task = shell("x");
    task["output"] = json!({ "schema": { "document": { "type": "number" } } });
    let mut bench = run(json!([{ "x": task }]), json!({}));
    bench.reply("x", Ok(json!("a text")));
    assert!(bench.error().r#type.ends_with("/validation"));
    bench.again();
    assert!(bench.commands().is_empty(), "its outcome is known");
    assert!(bench.error().r#type.ends_with("/validation"), "and it is judged as before");
}

#[test]
fn a_task_that_ran_out_of_time_has_all_of_it_again() {
    let mut task = shell("x");
    task["timeout"] = json!({ "after": { "seconds": 5 } });
    let mut bench = run(json!([{ "x": task }]), json!({}));
    bench.pass(5_000);
    assert_eq!(bench.error().status, 408);
    bench.pass(60_000);
    bench.again();
    assert_eq!(bench.due(), Some(bench.now.plus_millis(5_000)));
    bench.reply("x", Ok(json!("X")));
    assert_eq!(bench.output(), json!("X"));
}

#[test]
fn the_limit_of_an_attempt_begins_anew() {
    let tasks = json!([{ "t": {
        "try": [{ "a": shell("a") }, { "b": shell("b") }],
        "catch": { "errors": { "with": { "status": 500 } }, "retry": { "limit": { "attempt": { "duration": { "seconds": 10 } } } } },
    } }]);
    let mut bench = run(tasks, json!({}));
    bench.reply("a", Ok(json!({})));
    bench.pass(9_000);
    bench.reply("b", Err(broken()));
    assert_eq!(bench.state.status(), Status::Faulted);
    bench.pass(60_000);
    bench.again();
    assert_eq!(bench.due(), Some(bench.now.plus_millis(10_000)));
}

#[test]
fn a_run_may_fault_and_be_retried_again_and_again() {
    let mut bench = run(json!([{ "a": shell("a") }, { "b": shell("b") }]), json!({}));
    for _ in 0..3 {
        bench.reply("a", Err(broken()));
        bench.again();
    }
    bench.reply("a", Ok(json!(1)));
    bench.reply("b", Err(broken()));
    bench.again();
    bench.reply("b", Ok(json!(2)));
    assert_eq!(bench.output(), json!(2));
    assert_eq!(bench.count("run.faulted"), 4);
}

#[test]
fn an_error_that_was_handled_is_not_what_a_retry_goes_back_to() {
    let tasks = json!([
        { "t": { "try": [{ "a": shell("a") }], "catch": { "do": [{ "n": { "set": { "caught": true } } }] } } },
        { "b": shell("b") },
    ]);
    let mut bench = run(tasks, json!({}));
    bench.reply("a", Err(broken()));
    bench.reply("b", Err(broken()));
    bench.again();
    assert_eq!(bench.commands()[0].0, "b");
    assert_eq!(bench.commands().len(), 1);
}
