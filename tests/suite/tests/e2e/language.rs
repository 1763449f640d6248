//! The language: flow, data, errors and time.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{wait, workflow},
};
use serde_json::{Value, json};

/// Runs the tasks on a server of their own, and answers the run.
async fn run(tasks: Value, input: Value) -> Value {
    run_document(workflow("language", tasks), input).await
}

async fn run_document(document: Value, input: Value) -> Value {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let run = server.run(document, input).await;
    server.terminate().await;
    run
}

fn completed(run: &Value) -> &Value {
    assert_eq!(run["status"], "completed", "{run}");
    &run["output"]
}

#[tokio::test]
async fn data_flows_through_input_output_and_export() {
    let mut document = workflow(
        "data",
        json!([
            { "one": {
                "input": { "from": "${ .order }" },
                "set": { "total": "${ .price * .count }" },
                "output": { "as": "${ { total, paid: false } }" },
                "export": { "as": "${ { receipt: .total } }" },
            } },
            { "two": { "set": { "receipt": "${ $context.receipt }", "total": "${ .total }", "run": "${ $workflow.id != null }" } } },
        ]),
    );
    document["input"] = json!({ "from": "${ { order: .raw } }" });
    document["output"] = json!({ "as": "${ { final: . } }" });
    let run = run_document(document, json!({ "raw": { "price": 3, "count": 4 } })).await;
    assert_eq!(completed(&run), &json!({ "final": { "receipt": 12, "total": 12, "run": true } }));
}

#[tokio::test]
async fn an_input_that_does_not_fit_its_schema_faults_the_run() {
    let mut document = workflow("strict", json!([{ "a": { "set": { "a": 1 } } }]));
    document["input"] =
        json!({ "schema": { "format": "json", "document": { "type": "object", "required": ["name"] } } });
    let run = run_document(document, json!({ "nam": "Ada" })).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(400)), "{run}");
    assert!(run["error"]["type"].as_str().unwrap().ends_with("/errors/validation"));
}

#[tokio::test]
async fn a_switch_leads_to_the_first_case_that_holds() {
    let tasks = json!([
        { "choose": { "switch": [
            { "big": { "when": ".n > 100", "then": "large" } },
            { "odd": { "when": ".n % 2 == 1", "then": "strange" } },
            { "other": { "then": "plain" } },
        ] } },
        { "large": { "set": { "is": "large" }, "then": "end" } },
        { "strange": { "set": { "is": "odd" }, "then": "exit" } },
        { "plain": { "set": { "is": "plain" } } },
    ]);
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for (n, expected) in [(101, "large"), (7, "odd"), (8, "plain")] {
        let output = server.output(workflow("choose", tasks.clone()), json!({ "n": n })).await;
        assert_eq!(output, json!({ "is": expected }), "{n}");
    }
    server.terminate().await;
}

#[tokio::test]
async fn a_jump_back_makes_a_loop_and_a_false_condition_skips() {
    let tasks = json!([
        { "count": { "set": { "n": "${ (.n // 0) + 1 }" } } },
        { "again": { "switch": [{ "few": { "when": ".n < 5", "then": "count" } }, { "enough": { "then": "skipped" } }] } },
        { "skipped": { "if": ".n > 100", "set": { "n": -1 } } },
        { "last": { "set": { "n": "${ .n }", "done": true } } },
    ]);
    assert_eq!(completed(&run(tasks, json!({})).await), &json!({ "n": 5, "done": true }));
}

#[tokio::test]
async fn a_for_hands_each_item_on_until_its_condition_is_false() {
    let tasks = json!([
        { "sum": {
            "for": { "each": "number", "at": "place", "in": ".numbers" },
            "while": ".sum < 10 or .sum == null",
            "do": [{ "add": { "set": {
                "numbers": "${ .numbers }", "sum": "${ (.sum // 0) + $number }", "places": "${ (.places // []) + [$place] }",
            } } }],
        } },
        { "show": { "set": { "sum": "${ .sum }", "places": "${ .places }" } } },
    ]);
    let run = run(tasks, json!({ "numbers": [4, 5, 6, 7] })).await;
    assert_eq!(completed(&run), &json!({ "sum": 15, "places": [0, 1, 2] }));
}

#[tokio::test]
async fn a_fork_gathers_its_branches_in_order_and_a_race_has_one_winner() {
    let tasks = json!([{ "both": { "fork": { "branches": [
        { "slow": { "do": [{ "nap": wait(150) }, { "say": { "set": { "is": "slow" } } }] } },
        { "fast": { "set": { "is": "fast" } } },
    ] } } }]);
    assert_eq!(completed(&run(tasks, json!({})).await), &json!([{ "is": "slow" }, { "is": "fast" }]));

    let race = json!([{ "race": { "fork": { "compete": true, "branches": [
        { "never": { "do": [{ "sleep": wait(3_600_000) }, { "say": { "set": { "is": "never" } } }] } },
        { "soon": { "do": [{ "nap": wait(50) }, { "say": { "set": { "is": "soon" } } }] } },
    ] } } }]);
    assert_eq!(completed(&run(race, json!({})).await), &json!({ "is": "soon" }));
}

#[tokio::test]
async fn an_error_is_raised_caught_and_told_with_its_place() {
    let raise = json!({ "raise": { "error": {
        "type": "https://suite.test/errors/broke", "status": 402, "title": "Broke", "detail": "${ \"missing \" + .sum }",
    } } });
    let run_of = run(json!([{ "outer": { "do": [{ "fail": raise }] } }]), json!({ "sum": "12" })).await;
    assert_eq!(run_of["status"], "faulted");
    let error = &run_of["error"];
    assert_eq!(error["type"], "https://suite.test/errors/broke");
    assert_eq!(
        (&error["status"], &error["title"], &error["detail"]),
        (&json!(402), &json!("Broke"), &json!("missing 12"))
    );
    assert_eq!(error["instance"], "/do/0/outer/do/0/fail");

    let caught = json!([{ "careful": {
        "try": [{ "fail": raise }, { "not": { "set": { "reached": true } } }],
        "catch": { "errors": { "with": { "status": 402 } }, "as": "problem",
            "do": [{ "mend": { "set": { "said": "${ $problem.detail }" } } }] },
    } }]);
    assert_eq!(completed(&run(caught.clone(), json!({ "sum": "7" })).await), &json!({ "said": "missing 7" }));

    let mut other = caught;
    other[0]["careful"]["catch"]["errors"]["with"]["status"] = json!(403);
    assert_eq!(run(other, json!({ "sum": "7" })).await["error"]["status"], 402, "only what fits is caught");
}

#[tokio::test]
async fn a_step_that_fails_twice_is_retried_and_its_key_stays_the_same() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let counting = Counting::start().await;
    counting.fail("/flaky", 2, 503);
    let retry = json!({ "delay": { "milliseconds": 10 }, "backoff": { "exponential": {} }, "limit": { "attempt": { "count": 5 } } });
    let tasks = json!([{ "persist": {
        "try": [{ "call": { "call": "http", "with": { "method": "post", "endpoint": counting.url("/flaky"), "body": { "a": 1 } } } }],
        "catch": { "errors": { "with": { "status": 503 } }, "retry": retry },
    } }]);
    let run = server.run(workflow("flaky", tasks.clone()), json!({})).await;
    assert_eq!(completed(&run)["count"], 3);
    let keys: Vec<_> = counting.calls_of("/flaky").into_iter().map(|call| call.key.unwrap()).collect();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "one key for all attempts: {keys:?}");

    counting.fail("/flaky", 50, 503);
    let hopeless = server.run(workflow("flaky", tasks), json!({})).await;
    assert_eq!(
        (&hopeless["status"], &hopeless["error"]["status"]),
        (&json!("faulted"), &json!(503)),
        "{hopeless}"
    );
    assert_eq!(counting.calls_of("/flaky").len(), 3 + 5, "five attempts, the first included");
    let history = server.terminate().await;
    let retried = history.0.iter().filter(|entry| entry.r#type == "run.task_retried");
    let attempts: Vec<u64> = retried.map(|entry| entry.data["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [2, 3, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_emitted_event_is_the_output_and_in_the_log() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let with = json!({ "source": "https://suite.test", "type": "test.suite.greeted.v1", "data": { "to": "${ .name }" } });
    let document = workflow("emit", json!([{ "tell": { "emit": { "event": { "with": with } } } }]));
    let event = server.output(document, json!({ "name": "Ada" })).await;
    assert_eq!((&event["type"], &event["data"]), (&json!("test.suite.greeted.v1"), &json!({ "to": "Ada" })));
    assert!(event["id"].is_string() && event["time"].is_string() && event["specversion"] == "1.0", "{event}");
    let history = server.terminate().await;
    let emitted: Vec<_> = history.0.iter().filter(|entry| entry.r#type == "run.event_emitted").collect();
    assert!(emitted.len() == 1 && emitted[0].data["event"] == event, "{emitted:?}");
}

#[tokio::test]
async fn time_limits_end_tasks_and_runs_and_can_be_caught() {
    let limited =
        json!([{ "nap": { "wait": { "hours": 1 }, "timeout": { "after": { "milliseconds": 100 } } } }]);
    let run_of = run(limited.clone(), json!({})).await;
    assert_eq!((&run_of["status"], &run_of["error"]["status"]), (&json!("faulted"), &json!(408)), "{run_of}");

    let caught = json!([{ "careful": {
        "try": limited,
        "catch": { "errors": { "with": { "status": 408 } }, "do": [{ "mend": { "set": { "late": true } } }] },
    } }]);
    assert_eq!(completed(&run(caught, json!({})).await), &json!({ "late": true }));

    let mut document = workflow("limited", json!([{ "nap": wait(3_600_000) }]));
    document["timeout"] = json!({ "after": "PT0.1S" });
    let run_of = run_document(document, json!({})).await;
    assert_eq!((&run_of["status"], &run_of["error"]["status"]), (&json!("faulted"), &json!(408)), "{run_of}");
}

#[tokio::test]
async fn a_failing_expression_faults_with_its_place() {
    let run =
        run(json!([{ "bad": { "set": { "x": "${ .name | tonumber }" } } }]), json!({ "name": "Ada" })).await;
    assert_eq!(
        (&run["status"], &run["error"]["instance"]),
        (&json!("faulted"), &json!("/do/0/bad")),
        "{run}"
    );
    assert!(run["error"]["type"].as_str().unwrap().ends_with("/errors/expression"), "{run}");
}
