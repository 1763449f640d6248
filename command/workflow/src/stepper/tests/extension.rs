//! Tasks of extensions around other tasks.

use super::*;

fn extended(extension: Value, tasks: Value) -> Bench {
    let mut bench =
        Bench::of(json!({ "use": { "extensions": [{ "ext": extension }] }, "do": tasks }), json!({ "n": 1 }));
    bench.step(Stimulus::None);
    bench
}

#[test]
fn tasks_before_and_after_see_the_data_and_leave_it_alone() {
    let mut bench = extended(
        json!({
            "extend": "set",
            "before": [{ "log": shell("before ${ $task.reference } ${ .n }") }],
            "after": [{ "log": shell("after ${ $task.name } ${ .m } ${ $task.output.m } ${ $task.input.n }") }],
        }),
        json!([{ "a": { "set": { "m": "${ .n + 1 }" }, "output": { "as": "${ { m: (.m + 1) } }" } } }]),
    );
    bench.reply("before /do/0/a 1", Ok(json!("dropped")));
    bench.reply("after a 3 3 1", Ok(json!("dropped")));
    assert_eq!(bench.output(), json!({ "m": 3 }));
    assert_eq!(bench.names("run.task_started"), ["a", "ext", "log", "a", "ext", "log"]);
}

#[test]
fn exit_before_stands_in_for_the_task() {
    let mock = json!({
        "extend": "call",
        "when": "$task.call == \"http\" and ($task.with.endpoint | startswith(\"https://mocked\"))",
        "before": [{ "mock": { "set": { "content": "fake" }, "then": "exit" } }],
    });
    let call = |endpoint: Value| {
        json!([
            { "get": { "call": "http", "with": { "method": "get", "endpoint": endpoint } } },
            { "next": { "set": { "got": "${ . }" } } },
        ])
    };
    let bench = extended(mock.clone(), call(json!("https://mocked.example.com/1")));
    assert_eq!(bench.output(), json!({ "got": { "content": "fake" } }));
    let bench = extended(mock.clone(), call(json!("https://real.example.com/1")));
    assert!(matches!(bench.effects()[0].1, Request::Http(_)));
    let bench = extended(mock, call(json!({ "uri": "https://mocked.example.com/1" })));
    assert!(matches!(bench.effects()[0].1, Request::Http(_)), "a condition that fails does not hold");
    let instead = bench.names("run.task_skipped");
    assert_eq!(instead, ["ext"]);
}

#[test]
fn exit_after_replaces_what_the_task_gave() {
    let bench = extended(
        json!({ "extend": "set", "after": [{ "wrap": { "set": { "wrapped": "${ . }" }, "then": "exit" } }] }),
        json!([{ "a": { "set": { "x": 1 } } }]),
    );
    assert_eq!(bench.output(), json!({ "wrapped": { "x": 1 } }));
}

#[test]
fn directives_of_the_extended_task_hold_after_the_extension() {
    let log = json!({ "extend": "all", "before": [{ "b": { "set": { "b": 1 } } }], "after": [{ "a": { "set": { "a": 1 } } }] });
    let bench = extended(
        log.clone(),
        json!([
            { "choose": { "switch": [{ "there": { "then": "there" } }] } },
            { "skipped": { "set": { "wrong": true } } },
            { "there": { "set": { "right": true }, "then": "end" } },
            { "never": { "set": { "wrong": true } } },
        ]),
    );
    assert_eq!(bench.output(), json!({ "right": true }));
    let nested = json!([
        { "d": { "do": [{ "x": { "set": { "x": 1 }, "then": "exit" } }, { "y": { "set": { "y": 1 } } }] } },
        { "z": { "if": ".n == 2", "set": { "z": 1 } } },
    ]);
    let bench = extended(log, nested);
    assert_eq!(bench.output(), json!({ "x": 1 }));
    assert_eq!(bench.names("run.task_skipped"), ["z"], "what is skipped is skipped as a whole");
}

#[test]
fn branches_of_a_fork_are_extended_and_keep_their_places() {
    let mut bench = extended(
        json!({ "extend": "run", "before": [{ "b": { "set": { "b": 1 } } }] }),
        json!([{ "f": { "fork": { "branches": [{ "x": shell("x") }, { "y": shell("y") }] } } }]),
    );
    bench.reply("y", Ok(json!("Y")));
    bench.reply("x", Err(broken()));
    assert_eq!(bench.error().instance.as_deref(), Some("/do/0/f/fork/branches/0/x"));
    bench.command(Command::Retry { task: None }).unwrap();
    assert_eq!(bench.commands().len(), 1);
    bench.reply("x", Ok(json!("X")));
    assert_eq!(bench.output(), json!(["X", "Y"]));
}

#[test]
fn an_error_of_an_extension_is_an_error_of_the_task() {
    let mut bench = extended(
        json!({ "extend": "set", "before": [{ "check": shell("check") }] }),
        json!([{ "t": {
            "try": [{ "a": { "set": { "x": 1 } } }],
            "catch": { "do": [{ "note": { "set": { "status": "${ $error.status }" } } }] },
        } }]),
    );
    bench.reply("check", Err(broken()));
    // The task that handles the error is extended as well.
    bench.reply("check", Ok(json!({})));
    assert_eq!(bench.output(), json!({ "status": 503 }));
}
