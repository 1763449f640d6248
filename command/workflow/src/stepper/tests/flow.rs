//! Tasks, their order and their data.

use openclaw_model::event::run::Work;

use super::*;

#[test]
fn set_and_nested_do_pass_data_on() {
    let bench = run(
        json!([{ "a": { "do": [
            { "red": { "set": { "colors": "${ .colors + [\"red\"] }" } } },
            { "green": { "set": { "colors": "${ .colors + [\"green\"] }" } } },
        ] } }]),
        json!({}),
    );
    assert_eq!(bench.output(), json!({ "colors": ["red", "green"] }));
}

#[test]
fn input_output_and_export_follow_the_data_flow() {
    let document = json!({
        "input": { "from": "${ .order }" },
        "output": { "as": "${ { total: .total, seen: $context.seen } }" },
        "do": [{ "price": {
            "input": { "from": "${ { count: .n } }" },
            "set": { "total": "${ .count * 1 + 2 }" },
            "output": { "as": "${ . + { raw: $task.input } }" },
            "export": { "as": "${ { seen: $output.raw } }" },
        } }],
    });
    let mut document = document;
    // `*` on what may be a string is not straight; the sum serves as well.
    document["do"][0]["price"]["set"]["total"] = json!("${ .count + 2 }");
    let mut bench = Bench::of(document, json!({ "order": { "n": 3 } }));
    bench.step(Stimulus::None);
    assert_eq!(bench.output(), json!({ "total": 5, "seen": { "n": 3 } }));
}

#[test]
fn a_schema_that_is_not_met_faults_with_a_validation_error() {
    let schema = json!({ "format": "json", "document": { "type": "object", "required": ["n"] } });
    let mut bench = Bench::of(
        json!({ "input": { "schema": schema }, "do": [{ "a": { "set": { "x": 1 } } }] }),
        json!({}),
    );
    bench.step(Stimulus::None);
    assert!(bench.error().r#type.ends_with("/validation"));
    assert_eq!(bench.error().status, 400);
    let bench = run(json!([{ "a": { "input": { "schema": schema }, "set": { "x": 1 } } }]), json!({}));
    assert_eq!(bench.error().instance.as_deref(), Some("/do/0/a"));
}

#[test]
fn switch_goes_where_the_first_case_that_holds_says_and_else_to_the_default() {
    let tasks = json!([
        { "choose": { "switch": [
            { "big": { "when": ".n > 10", "then": "large" } },
            { "other": { "then": "small" } },
        ] } },
        { "large": { "set": { "size": "large" }, "then": "end" } },
        { "small": { "set": { "size": "small" } } },
    ]);
    assert_eq!(run(tasks.clone(), json!({ "n": 11 })).output(), json!({ "size": "large" }));
    assert_eq!(run(tasks, json!({ "n": 1 })).output(), json!({ "size": "small" }));
}

#[test]
fn a_false_condition_skips_the_task_and_passes_its_input_on() {
    let bench = run(
        json!([{ "a": { "if": ".n > 1", "set": { "x": 1 } } }, { "b": { "if": ".n == 1", "set": "${ .n + 1 }" } }]),
        json!({ "n": 1 }),
    );
    assert_eq!(bench.output(), json!(2));
    assert_eq!(bench.names("run.task_skipped"), ["a"]);
}

#[test]
fn for_sees_item_and_index_and_hands_its_output_to_the_next_iteration() {
    let bench = run(
        json!([{ "loop": { "for": { "each": "color", "in": ".colors" }, "do": [{ "mark": { "set": {
            "processed": "${ { colors: (.processed.colors + [ $color ]), indexes: (.processed.indexes + [ $index ]) } }"
        } } }] } }]),
        json!({ "colors": ["red", "green", "blue"] }),
    );
    let expected = json!({ "processed": { "colors": ["red", "green", "blue"], "indexes": [0, 1, 2] } });
    assert_eq!(bench.output(), expected);
}

#[test]
fn for_ends_when_its_condition_does_not_hold_and_when_exit_leaves_it() {
    let counted = |extra: Value| {
        let mut task =
            json!({ "for": { "in": "[1, 2, 3, 4]" }, "do": [{ "add": { "set": "${ . + $item }" } }] });
        for (key, value) in extra.as_object().unwrap() {
            task[key] = value.clone();
        }
        run(json!([{ "loop": task }]), json!(0)).output()
    };
    assert_eq!(counted(json!({})), json!(10));
    assert_eq!(counted(json!({ "while": ". < 3" })), json!(3));
    let exit = json!({ "do": [{ "add": { "set": "${ . + $item }", "then": "exit" } }] });
    assert_eq!(counted(exit), json!(1));
    let empty = json!([{ "loop": { "for": { "in": ".none" }, "do": [{ "x": { "set": { "x": 1 } } }] } }]);
    assert_eq!(run(empty, json!({ "a": 1 })).output(), json!({ "a": 1 }));
}

#[test]
fn end_inside_a_loop_ends_the_whole_run() {
    let bench = run(
        json!([
            { "loop": { "for": { "in": "[1, 2]" }, "do": [{ "x": { "set": "${ $item }", "then": "end" } }] } },
            { "after": { "set": { "reached": true } } },
        ]),
        json!({}),
    );
    assert_eq!(bench.output(), json!(1));
}

#[test]
fn fork_gathers_the_outputs_in_order_of_declaration_whatever_ends_first() {
    let mut bench = run(
        json!([{ "all": { "fork": { "branches": [{ "a": shell("a") }, { "b": shell("b") }] } } }]),
        json!({}),
    );
    let effects = bench.effects();
    assert_eq!(effects.len(), 2);
    bench.answer(effects[1].0, Ok(json!("B")));
    bench.answer(effects[0].0, Ok(json!("A")));
    assert_eq!(bench.output(), json!(["A", "B"]));
}

#[test]
fn a_competing_fork_takes_the_first_and_cancels_the_others() {
    let mut bench = run(
        json!([{ "race": { "fork": { "compete": true, "branches": [{ "a": shell("a") }, { "b": shell("b") }] } } }]),
        json!({}),
    );
    let effects = bench.effects();
    bench.answer(effects[1].0, Ok(json!("B")));
    assert_eq!(bench.output(), json!("B"));
    assert_eq!(bench.count("run.task_cancelled"), 1);
    assert!(bench.effects().is_empty());
}

#[test]
fn a_branch_that_fails_takes_its_fork_down() {
    let mut bench = run(
        json!([{ "all": { "fork": { "branches": [{ "a": shell("a") }, { "b": shell("b") }] } } }]),
        json!({}),
    );
    let effects = bench.effects();
    bench.answer(effects[0].0, Err(broken()));
    assert_eq!(bench.error().status, 503);
    assert_eq!(bench.error().instance.as_deref(), Some("/do/0/all/fork/branches/0/a"));
    assert_eq!(bench.count("run.task_cancelled"), 1);
}

#[test]
fn a_fork_of_many_branches_is_started_over_several_steps() {
    let branches: Vec<Value> = (0..200).map(|n| json!({ format!("b{n}"): shell("x") })).collect();
    let bench = run(json!([{ "all": { "fork": { "branches": branches } } }]), json!({}));
    assert_eq!(bench.effects().len(), 200);
}

fn retrying(limit: u32, extra: Value) -> Value {
    let mut catch = json!({
        "errors": { "with": { "status": 503 } },
        "retry": { "delay": { "seconds": 1 }, "backoff": { "exponential": {} }, "limit": { "attempt": { "count": limit } } },
    });
    for (key, value) in extra.as_object().unwrap() {
        catch[key] = value.clone();
    }
    json!([{ "t": { "try": [{ "call": shell("call") }], "catch": catch } }])
}

#[test]
fn a_try_retries_with_growing_delays_and_the_same_key_and_then_gives_up() {
    let mut bench = run(retrying(3, json!({})), json!({}));
    let mut keys = Vec::new();
    for delay in [1_000, 2_000] {
        keys.push(key(&bench));
        let (task, _) = bench.effects()[0].clone();
        bench.answer(task, Err(broken()));
        assert_eq!(bench.state.status(), Status::Waiting);
        assert_eq!(bench.due(), Some(bench.now.plus_millis(delay)));
        bench.step(Stimulus::None);
        assert!(bench.effects().is_empty(), "before the delay is over nothing happens");
        bench.now = bench.now.plus_millis(delay);
        bench.step(Stimulus::None);
    }
    keys.push(key(&bench));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let (task, _) = bench.effects()[0].clone();
    bench.answer(task, Err(broken()));
    assert_eq!(bench.error().status, 503);
}

fn key(bench: &Bench) -> String {
    pending(&bench.state)
        .into_iter()
        .find_map(|work| match work {
            Pending::Effect { intent, .. } => Some(intent.key.clone()),
            _ => None,
        })
        .expect("an effect is pending")
}

#[test]
fn what_a_try_does_not_catch_goes_up_and_what_it_catches_runs_its_handler() {
    let handler = json!({ "do": [{ "handle": { "set": { "seen": "${ $error.status }" } } }] });
    let mut bench = Bench::new(retrying(1, handler.clone()), json!({}));
    bench.settle(|_| Err(broken()));
    assert_eq!(bench.output(), json!({ "seen": 503 }));
    let mut bench = Bench::new(retrying(1, handler), json!({}));
    bench.settle(|_| Err(error::runtime("other".into())));
    assert_eq!(bench.error().status, 500);
}

#[test]
fn raise_names_the_task_and_keeps_what_the_author_wrote() {
    let bench = run(
        json!([{ "raiseError": { "raise": { "error": {
            "status": 400, "type": "https://example.com/compliance", "title": "Compliance Error"
        } } } }]),
        json!({}),
    );
    let error = bench.error();
    assert_eq!((error.status, error.title.as_deref()), (400, Some("Compliance Error")));
    assert_eq!(error.instance.as_deref(), Some("/do/0/raiseError"));
}

#[test]
fn wait_ends_when_it_is_due_and_not_before() {
    let mut bench = run(json!([{ "w": { "wait": { "seconds": 5 } } }]), json!({ "a": 1 }));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.now = bench.now.plus_millis(4_999);
    bench.step(Stimulus::None);
    assert!(bench.state.end.is_none());
    bench.now = bench.now.plus_millis(1);
    bench.step(Stimulus::None);
    assert_eq!(bench.output(), json!({ "a": 1 }));
}

#[test]
fn a_task_and_a_run_that_take_too_long_fault_with_a_timeout() {
    let task = json!([{ "slow": { "do": [{ "x": shell("x") }], "timeout": { "after": { "seconds": 1 } } } }]);
    let mut bench = run(task, json!({}));
    bench.now = bench.now.plus_millis(1_000);
    bench.step(Stimulus::None);
    assert_eq!((bench.error().status, bench.error().instance.as_deref()), (408, Some("/do/0/slow")));
    let mut bench = Bench::of(
        json!({ "timeout": { "after": { "seconds": 1 } }, "do": [{ "x": shell("x") }] }),
        json!({}),
    );
    bench.step(Stimulus::None);
    bench.now = bench.now.plus_millis(1_000);
    bench.step(Stimulus::None);
    assert!(bench.error().r#type.ends_with("/timeout"));
    assert!(bench.effects().is_empty());
}

#[test]
fn cancel_closes_what_is_open() {
    let mut bench = run(json!([{ "d": { "do": [{ "x": shell("x") }] } }]), json!({}));
    bench.record(RunEvent::CancelRequested(openclaw_model::event::run::RunCancelRequested {
        reason: Some("enough".into()),
        kill: false,
    }));
    bench.step(Stimulus::None);
    assert_eq!(bench.state.end, Some(End::Cancelled(Some("enough".into()))));
    assert_eq!(bench.count("run.task_cancelled"), 2);
}

#[test]
fn emit_publishes_a_cloud_event_and_outputs_it() {
    let bench = run(
        json!([{ "e": { "emit": { "event": { "with": {
            "source": "https://s", "type": "t.v1", "data": { "greeting": "${ \"Hello \\(.name)\" }" }
        } } } } }]),
        json!({ "name": "Ada" }),
    );
    let event = bench.output();
    assert_eq!((&event["type"], &event["specversion"]), (&json!("t.v1"), &json!("1.0")));
    assert_eq!(event["data"], json!({ "greeting": "Hello Ada" }));
    assert!(event["id"].is_string() && event["time"].is_string());
    assert_eq!(bench.count("run.event_emitted"), 1);
}

#[test]
fn a_flow_that_goes_round_for_ever_ends_with_a_coded_error() {
    let mut bench = Bench::new(
        json!([{ "a": { "set": { "x": 1 } } }, { "b": { "set": { "x": 2 }, "then": "a" } }]),
        json!({}),
    );
    bench.limits = Limits { tasks: 1_000, ..Limits::default() };
    bench.step(Stimulus::None);
    assert!(bench.error().detail.as_deref().unwrap().starts_with("OC-RUN-005"), "{:?}", bench.error());
}

#[test]
fn rounds_and_iterations_have_keys_of_their_own() {
    let mut bench = Bench::new(
        json!([
            { "call": shell("x") },
            { "again": { "switch": [
                { "more": { "when": ". < 3", "then": "call" } },
                { "done": { "then": "loop" } },
            ] } },
            { "loop": { "for": { "in": "[1, 2]" }, "do": [{ "call": shell("y") }] } },
        ]),
        json!(0),
    );
    let mut round = 0;
    bench.settle(|_| {
        round += 1;
        Ok(json!(round))
    });
    let mut keys: Vec<_> = bench
        .history
        .iter()
        .filter_map(|event| match event {
            RunEvent::TaskStarted(data) => match &data.work {
                Work::Effect(intent) => Some(intent.key.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 5);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5);
}

#[test]
fn after_a_crash_what_may_be_repeated_is_and_what_may_not_suspends_the_run() {
    let task = |class: &str| {
        let mut task = shell("x");
        task["metadata"] = json!({ "effect": class });
        run(json!([{ "t": task }]), json!({}))
    };
    let mut bench = task("idempotent");
    bench.step(Stimulus::Recovered);
    assert_eq!(bench.count("run.effect_redispatched"), 1);
    assert_eq!(bench.effects().len(), 1);
    let mut bench = task("irreversible");
    bench.step(Stimulus::Recovered);
    assert_eq!(bench.state.status(), Status::Suspended);
    assert!(bench.effects().is_empty());
}
