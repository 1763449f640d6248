//! Cancelling with compensation, and killing.

use super::*;

/// A `try` of `tasks` that runs `undo` when the run is cancelled.
fn undone(tasks: Value, undo: Value) -> Value {
    json!({ "try": tasks, "catch": { "errors": { "with": { "type": error::CANCELLED } }, "do": undo } })
}

fn cancel(kill: bool) -> Command {
    Command::Cancel { reason: Some("enough".into()), kill }
}

fn cancelled(bench: &Bench) {
    assert_eq!(bench.state.end, Some(End::Cancelled(Some("enough".into()))));
    assert_eq!(pending(&bench.state), []);
}

#[test]
fn a_cancelled_run_compensates_from_the_inside_out_and_sees_why() {
    let inner = undone(json!([{ "x": shell("x") }]), json!([{ "undo": shell("inner ${ $error.detail }") }]));
    let outer = undone(
        json!([{ "done": shell("done") }, { "inner": inner }]),
        json!([{ "undo": shell("outer") }, { "note": { "set": { "undone": true } } }]),
    );
    let mut bench = run(json!([{ "outer": outer }, { "after": shell("after") }]), json!({}));
    bench.reply("done", Ok(json!({})));
    let (x, _) = bench.effects()[0].clone();
    bench.command(cancel(false)).unwrap();
    assert_eq!(bench.commands().len(), 1, "x is stopped");
    bench.answer(x, Ok(json!("late")));
    assert_eq!(bench.count("run.task_completed"), 1, "what x gave is of no interest any more");
    bench.reply("inner enough", Ok(json!({})));
    bench.reply("outer", Ok(json!({})));
    cancelled(&bench);
    assert!(bench.names("run.task_started").contains(&"note".to_owned()));
    assert!(!bench.names("run.task_started").contains(&"after".to_owned()));
}

#[test]
fn a_compensation_waits_calls_tries_again_and_keeps_its_limits() {
    let undo = json!([
        { "pause": { "wait": { "seconds": 5 } } },
        { "insist": {
            "try": [{ "call": shell("call") }],
            "catch": { "retry": { "delay": { "seconds": 2 }, "limit": { "attempt": { "count": 2 } } } },
        } },
        { "slow": { "run": { "shell": { "command": "slow" } }, "timeout": { "after": { "seconds": 3 } } } },
        { "never": shell("never") },
    ]);
    // The limits of what is being cancelled do not hold for its compensation.
    let mut task = undone(json!([{ "x": shell("x") }]), undo);
    task["timeout"] = json!({ "after": { "seconds": 1 } });
    let mut bench =
        Bench::of(json!({ "timeout": { "after": { "seconds": 2 } }, "do": [{ "t": task }] }), json!({}));
    bench.step(Stimulus::None);
    bench.command(cancel(false)).unwrap();
    assert_eq!(bench.due(), Some(bench.now.plus_millis(5_000)));
    bench.pass(5_000);
    bench.reply("call", Err(broken()));
    assert_eq!(bench.due(), Some(bench.now.plus_millis(2_000)));
    bench.pass(2_000);
    bench.reply("call", Ok(json!({})));
    assert_eq!(bench.due(), Some(bench.now.plus_millis(3_000)));
    bench.pass(3_000);
    // A compensation that fails is over; the run is cancelled all the same.
    cancelled(&bench);
}

#[test]
fn branches_compensate_each_for_itself() {
    let branch = |name: &str| json!({ name: undone(json!([{ "x": shell(name) }]), json!([{ "undo": shell(&format!("undo {name}")) }])) });
    let mut bench = run(
        json!([{ "f": { "fork": { "branches": [branch("a"), branch("b"), { "c": shell("c") }] } } }]),
        json!({}),
    );
    bench.command(cancel(false)).unwrap();
    let mut commands: Vec<_> = bench.commands().into_iter().map(|(command, _)| command).collect();
    commands.sort();
    assert_eq!(commands, ["undo a", "undo b"]);
    bench.reply("undo b", Err(broken()));
    assert!(bench.state.end.is_none());
    bench.reply("undo a", Ok(json!({})));
    cancelled(&bench);
}

#[test]
fn what_does_not_name_the_cancellation_does_not_catch_it() {
    let tasks = json!([{ "t": { "try": [{ "x": shell("x") }], "catch": { "do": [{ "n": shell("n") }] } } }]);
    let mut bench = run(tasks, json!({}));
    bench.command(cancel(false)).unwrap();
    cancelled(&bench);
}

#[test]
fn kill_stops_at_once_also_in_the_middle_of_a_compensation() {
    let task = undone(json!([{ "x": shell("x") }]), json!([{ "undo": shell("undo") }]));
    let mut bench = run(json!([{ "t": task.clone() }]), json!({}));
    bench.command(cancel(true)).unwrap();
    cancelled(&bench);
    assert_eq!(bench.count("run.error_caught"), 0);
    let mut bench = run(json!([{ "t": task }]), json!({}));
    bench.command(cancel(false)).unwrap();
    assert_eq!(bench.commands()[0].0, "undo");
    bench.command(Command::Cancel { reason: None, kill: true }).unwrap();
    cancelled(&bench);
    assert_eq!(bench.count("run.task_cancelled"), 3);
}

#[test]
fn a_run_that_has_not_begun_and_one_that_backs_off_are_cancelled() {
    let mut bench = Bench::new(json!([{ "x": shell("x") }]), json!({}));
    bench.command(cancel(false)).unwrap();
    cancelled(&bench);
    let mut tried = undone(json!([{ "x": shell("x") }]), json!([{ "undo": shell("undo") }]));
    tried["catch"]["errors"] = json!({ "with": { "type": error::CANCELLED } });
    let retried = json!({
        "try": [{ "t": tried }],
        "catch": { "retry": { "delay": { "seconds": 60 }, "limit": { "attempt": { "count": 3 } } } },
    });
    let mut bench = run(json!([{ "r": retried }]), json!({}));
    bench.reply("x", Err(broken()));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.command(cancel(false)).unwrap();
    cancelled(&bench);
}

#[test]
fn a_held_task_is_cancelled_and_a_compensation_is_never_held() {
    let mut undo = shell("undo");
    undo["metadata"] = json!({ "onFault": "pause" });
    let mut x = shell("x");
    x["metadata"] = json!({ "onFault": "pause" });
    let mut bench = run(json!([{ "t": undone(json!([{ "x": x }]), json!([{ "undo": undo }])) }]), json!({}));
    bench.reply("x", Err(broken()));
    assert_eq!(bench.state.status(), Status::Suspended);
    bench.command(cancel(false)).unwrap();
    bench.reply("undo", Err(broken()));
    cancelled(&bench);
}
