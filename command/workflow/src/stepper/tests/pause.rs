//! `run.pause` and `run.resume`.

use super::*;

fn pause() -> Command {
    Command::Pause { reason: Some("a deployment".into()) }
}

#[test]
fn what_is_under_way_is_recorded_and_nothing_new_begins() {
    let mut bench = run(json!([{ "a": shell("a") }, { "b": shell("b") }]), json!({}));
    let (task, _) = bench.effects()[0].clone();
    bench.command(pause()).unwrap();
    assert_eq!(bench.state.status(), Status::Suspended);
    assert_eq!(pending(&bench.state), []);
    bench.answer(task, Ok(json!({ "a": 1 })));
    assert_eq!(bench.count("run.task_completed"), 1);
    assert_eq!(bench.count("run.task_started"), 1);
    bench.command(Command::Resume).unwrap();
    bench.reply("b", Ok(json!("B")));
    assert_eq!(bench.output(), json!("B"));
    assert_eq!(bench.command(Command::Resume), Err(Rejection::Final(Status::Completed)));
}

#[test]
fn an_error_that_comes_while_paused_is_handled_afterwards() {
    let tasks = json!([{ "t": { "try": [{ "a": shell("a") }], "catch": { "do": [{ "n": { "set": { "caught": true } } }] } } }]);
    let mut bench = run(tasks, json!({}));
    let (task, _) = bench.effects()[0].clone();
    bench.command(pause()).unwrap();
    bench.answer(task, Err(broken()));
    assert_eq!(bench.count("run.error_caught"), 0);
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.output(), json!({ "caught": true }));
}

#[test]
fn limits_do_not_run_while_paused_and_waits_do() {
    let document = json!({
        "timeout": { "after": { "seconds": 100 } },
        "do": [{ "f": {
            "fork": { "branches": [{ "x": shell("x") }, { "w": { "wait": { "seconds": 10 } } }] },
            "timeout": { "after": { "seconds": 20 } },
        } }],
    });
    let mut bench = Bench::of(document, json!({}));
    bench.step(Stimulus::None);
    bench.pass(5_000);
    bench.command(pause()).unwrap();
    bench.pass(3_600_000);
    assert!(bench.state.end.is_none(), "no limit runs out");
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.count("run.task_completed"), 1, "the wait is over");
    assert_eq!(bench.due(), Some(bench.now.plus_millis(15_000)), "15 of 20 s of the task are left");
    bench.pass(15_000);
    assert_eq!(bench.error().status, 408);
}

#[test]
fn attempts_have_the_time_that_was_left() {
    let tasks = json!([{ "t": {
        "try": [{ "a": shell("a") }, { "b": shell("b") }],
        "catch": { "retry": { "limit": { "attempt": { "duration": { "seconds": 10 } } } } },
    } }]);
    let mut bench = run(tasks, json!({}));
    bench.pass(4_000);
    bench.command(pause()).unwrap();
    bench.pass(60_000);
    bench.command(Command::Resume).unwrap();
    bench.reply("a", Ok(json!({})));
    assert_eq!(bench.due(), Some(bench.now.plus_millis(6_000)));
}

#[test]
fn a_paused_run_can_be_cancelled() {
    let mut bench = run(json!([{ "a": shell("a") }]), json!({}));
    bench.command(pause()).unwrap();
    bench.command(Command::Cancel { reason: None, kill: false }).unwrap();
    assert_eq!(bench.state.status(), Status::Cancelled);
}
