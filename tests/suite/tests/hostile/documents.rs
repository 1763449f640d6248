//! Workflow documents that mean harm.

use openclaw_suite::{Options, Server, documents::workflow};
use serde_json::{Value, json};

use super::{beside_others, unharmed};

/// A document as text, with these lines after its head.
fn yaml(rest: &str) -> String {
    format!("document:\n  dsl: '1.0.3'\n  namespace: suite\n  name: hostile\n  version: '1.0.0'\n{rest}\n")
}

#[tokio::test]
async fn documents_that_are_wrong_are_refused_with_the_place() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let nested = (0..300).fold("    set: { a: 1 }".to_owned(), |inner, level| {
        let inner: String = inner.lines().map(|line| format!("    {line}\n")).collect();
        format!("    do:\n      - t{level}:\n{inner}")
    });
    let aliases = {
        let mut text =
            "do:\n  - a:\n      set:\n        x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
                .to_owned();
        for level in 1..12 {
            let above = level - 1;
            text += &format!(
                "        x{level}: &x{level} [*x{above}, *x{above}, *x{above}, *x{above}, *x{above}, *x{above}, *x{above}, *x{above}]\n"
            );
        }
        text
    };
    let tasks = |tasks: Value| workflow("hostile", tasks);
    // Document, what its refusal has to name.
    let cases: Vec<(&str, Value, &str)> = vec![
        ("not yaml", json!("{ a: [ }"), ""),
        ("an alias bomb", json!(yaml(&aliases)), ""),
        ("deep nesting", json!(yaml(&format!("do:\n  - outer:\n  {nested}"))), ""),
        (
            "deep flow nesting",
            json!(yaml(&format!("do:\n  - a:\n      set: {}{}", "[".repeat(20_000), "]".repeat(20_000)))),
            "",
        ),
        ("a key twice", json!(yaml("do:\n  - a:\n      set: { a: 1 }\n      set: { a: 1 }")), ""),
        (
            "two documents",
            json!(format!("{}---\n{}", yaml("do:\n  - a:\n      set: { a: 1 }"), yaml("do: []"))),
            "",
        ),
        ("no tasks", tasks(json!([])), "/do"),
        ("an unknown field", tasks(json!([{ "a": { "set": { "a": 1 }, "colour": "red" } }])), "/do/0/a"),
        ("an unknown task", tasks(json!([{ "a": { "teleport": {} } }])), "/do/0/a"),
        ("an unknown call", tasks(json!([{ "a": { "call": "teleport" } }])), "/do/0/a"),
        ("two kinds", tasks(json!([{ "a": { "set": { "a": 1 }, "wait": { "seconds": 1 } } }])), "/do/0/a"),
        (
            "the same name twice",
            tasks(json!([{ "a": { "set": { "a": 1 } } }, { "a": { "set": { "a": 1 } } }])),
            "/do/1",
        ),
        (
            "a jump to nowhere",
            tasks(json!([{ "a": { "set": { "a": 1 }, "then": "nowhere" } }])),
            "/do/0/a/then",
        ),
        ("jq that is none", tasks(json!([{ "a": { "set": { "x": "${ .a | }" } } }])), "/do/0/a/set/x"),
        (
            "jq with an unknown function",
            tasks(json!([{ "a": { "set": { "x": "${ launch }" } } }])),
            "/do/0/a/set/x",
        ),
        (
            "jq that reads the environment",
            tasks(json!([{ "a": { "set": { "x": "${ input_filename }" } } }])),
            "/do/0/a/set/x",
        ),
        (
            "jq nested deep",
            tasks(
                json!([{ "a": { "set": { "x": format!("${{ {}1{} }}", "[".repeat(3_000), "]".repeat(3_000)) } } }]),
            ),
            "/do/0/a/set/x",
        ),
        (
            "a huge expression",
            tasks(json!([{ "a": { "set": { "x": format!("${{ {} 1 }}", "1 + ".repeat(20_000)) } } }])),
            "/do/0/a/set/x",
        ),
        ("a wait without a length", tasks(json!([{ "a": { "wait": "soon" } }])), "/do/0/a/wait"),
        ("a wait of ages", tasks(json!([{ "a": { "wait": { "days": 999_999_999 } } }])), "/do/0/a/wait"),
        (
            "a language from elsewhere",
            json!({ "document": { "dsl": "9.0.0", "namespace": "n", "name": "m", "version": "1.0.0" }, "do": [{ "a": { "set": { "a": 1 } } }] }),
            "/document/dsl",
        ),
        (
            "a version that is none",
            json!({ "document": { "dsl": "1.0.3", "namespace": "n", "name": "m", "version": "one" }, "do": [{ "a": { "set": { "a": 1 } } }] }),
            "/document/version",
        ),
        (
            "a name with a slash",
            json!({ "document": { "dsl": "1.0.3", "namespace": "n", "name": "../m", "version": "1.0.0" }, "do": [{ "a": { "set": { "a": 1 } } }] }),
            "/document/name",
        ),
        (
            "a schema that is none",
            json!({ "document": { "dsl": "1.0.3", "namespace": "n", "name": "m", "version": "1.0.0" },
            "input": { "schema": { "document": { "type": "no type" } } }, "do": [{ "a": { "set": { "a": 1 } } }] }),
            "/input/schema",
        ),
        (
            "a schema from elsewhere",
            json!({ "document": { "dsl": "1.0.3", "namespace": "n", "name": "m", "version": "1.0.0" },
            "input": { "schema": { "document": { "$ref": "file:///etc/passwd" } } }, "do": [{ "a": { "set": { "a": 1 } } }] }),
            "/input/schema",
        ),
        (
            "ten thousand wrong tasks",
            tasks(Value::Array((0..10_000).map(|n| json!({ format!("t{n}"): { "st": {} } })).collect())),
            "/do/0",
        ),
    ];
    for (what, definition, place) in cases {
        for method in ["workflow.register", "run.start"] {
            let call = server.rpc(method, json!({ "definition": definition }));
            let Err(error) = beside_others(&server, call).await else {
                panic!("{what} was taken by {method}")
            };
            let code = error["data"]["code"].as_str().unwrap_or_default();
            assert!(error["code"] == -32602 && code.starts_with("OC-WF-"), "{what}: {error}");
            let problems = error["data"]["problems"].as_array().unwrap_or_else(|| panic!("{what}: {error}"));
            let named =
                |problem: &Value| problem["path"].as_str().is_some_and(|path| path.starts_with(place));
            assert!(problems.iter().any(named), "{what}: {place} is not named in {error}");
            assert!(error.to_string().len() < 64 << 10, "{what}: the refusal is longer than its cause");
        }
    }
    unharmed(server).await;
}

#[tokio::test]
async fn expressions_without_end_are_ended_and_say_where() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let expressions = [
        "[repeat(.)]",
        "last(repeat(.))",
        "[range(1e12)]",
        "last(range(1e12))",
        "[limit(1e9; repeat(1))] | length",
        "def f: f; f",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "\"x\" * 1e9",
        "reduce range(60) as $i (\"x\"; . + .)",
        "[range(3e6)] | map([.]) | tostring",
        "until(false; . + 1)",
        "\"a\" * 1e5 | test(\"(a+)+$b\")",
        // Ten times itself, eight times: a hundred million laughs.
        "reduce range(8) as $i (\"lol\"; [., ., ., ., ., ., ., ., ., .] | add)",
        "[.[]?, recurse(.; true)] | length",
    ];
    let runs = async {
        let mut running = tokio::task::JoinSet::new();
        for expression in expressions {
            let caller = server.caller().clone();
            running.spawn(async move {
                let document = workflow(
                    "endless",
                    json!([{ "burn": { "set": { "x": format!("${{ {expression} }}") } } }]),
                );
                let params = json!({ "definition": document, "input": { "n": 1 }, "wait": "80s" });
                (expression, caller.call("run.start", &params, None).await.unwrap())
            });
        }
        running.join_all().await
    };
    for (expression, run) in beside_others(&server, runs).await {
        // What is refused before it runs is as good as what is stopped.
        let text = match run {
            Err(error) => error.to_string(),
            Ok(run) => {
                assert_eq!(run["status"], "faulted", "{expression}: {run}");
                assert_eq!(run["error"]["instance"], "/do/0/burn", "{expression}: {run}");
                assert!(
                    run["error"]["type"].as_str().unwrap().ends_with("/errors/expression"),
                    "{expression}: {run}"
                );
                run["error"]["detail"].as_str().unwrap_or_default().to_owned()
            }
        };
        assert!(text.contains("OC-WF-"), "{expression}: {text}");
    }
    unharmed(server).await;
}

#[tokio::test]
async fn flows_without_end_are_ended_and_say_where() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default().set("runtime.tasks_per_run", 1_500)).await;
    let cases = [
        json!([{ "a": { "set": { "a": 1 }, "then": "b" } }, { "b": { "set": { "a": 1 }, "then": "a" } }]),
        json!([{ "a": { "set": { "a": 1 }, "then": "a" } }]),
        json!([{ "in": { "do": [{ "a": { "set": { "a": 1 } } }, { "b": { "switch": [{ "c": { "when": ".a == 1", "then": "a" } }] } }] } }]),
        json!([{ "loop": { "for": { "in": "[range(100000)]" }, "do": [{ "a": { "set": { "a": 1 } } }] } }]),
        json!([{ "try": { "try": [{ "a": { "raise": { "error": { "type": "https://a.test/e", "status": 500 } } } }],
            "catch": { "retry": { "delay": { "milliseconds": 0 }, "limit": { "attempt": { "count": 100_000 } } } } } }]),
    ];
    for tasks in cases {
        let shown = tasks.to_string();
        let outcome = beside_others(
            &server,
            server.rpc(
                "run.start",
                json!({
            "definition": workflow("endless", tasks), "wait": "80s" }),
            ),
        )
        .await;
        let text = match outcome {
            Err(error) => error.to_string(),
            Ok(run) => {
                assert_eq!(run["status"], "faulted", "{shown}: {run}");
                assert!(run["error"]["instance"].is_string(), "{shown}: {run}");
                run["error"].to_string()
            }
        };
        assert!(text.contains("OC-"), "{shown}: {text}");
    }
    unharmed(server).await;
}

#[tokio::test]
async fn data_that_grows_without_end_is_stopped() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default().set("sandbox.wall", "2s")).await;
    let doubling = json!([
        { "begin": { "set": { "x": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" } } },
        { "double": { "set": { "x": "${ .x + .x }" } } },
        { "more": { "switch": [{ "always": { "when": ".x != null", "then": "double" } }, { "never": { "then": "end" } }] } },
    ]);
    let output = json!([{ "spill": { "run": { "shell": { "command": "yes" } } } }]);
    for tasks in [doubling, output] {
        let call =
            server.rpc("run.start", json!({ "definition": workflow("growing", tasks), "wait": "80s" }));
        let run = beside_others(&server, call).await.expect("it is not seen before it runs");
        assert_eq!(run["status"], "faulted", "{run}");
        assert!(run["error"]["detail"].is_string(), "{run}");
    }
    unharmed(server).await;
}

#[tokio::test]
async fn documents_that_are_larger_than_a_message_may_be_are_refused_for_that() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let many: Vec<Value> = (0..100_000).map(|n| json!({ format!("t{n}"): { "set": { "a": 1 } } })).collect();
    let long = json!([{ "a": { "set": { "x": "x".repeat(1 << 20) } } }]);
    for tasks in [Value::Array(many), long] {
        let call = server.rpc("workflow.register", json!({ "definition": workflow("large", tasks) }));
        let error = beside_others(&server, call).await.expect_err("it is too large");
        assert_eq!(
            (&error["code"], &error["data"]["code"]),
            (&json!(-32600), &json!("OC-RPC-002")),
            "{error}"
        );
    }
    unharmed(server).await;
}

#[tokio::test]
async fn names_that_look_alike_or_mean_something_elsewhere_are_names_or_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // The second of the first pair is Cyrillic, the second of the next one decomposed.
    for (one, other) in
        [("a", "\u{430}"), ("\u{e9}", "e\u{301}"), ("__proto__", "constructor"), ("a", "a\u{200b}")]
    {
        let tasks = json!([
            { one: { "set": { "x": 1 } } },
            { "jump": { "set": { "x": "${ .x + 1 }" }, "then": other } },
            { "skipped": { "set": { "x": 100 } } },
            { other: { "set": { "x": "${ .x + 1 }" } } },
        ]);
        let params = json!({ "definition": workflow("alike", tasks), "wait": "60s" });
        match beside_others(&server, server.rpc("run.start", params)).await {
            Ok(run) => {
                assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!({ "x": 3 })))
            }
            Err(error) => {
                let code = error["data"]["code"].as_str().unwrap_or_default();
                assert!(code.starts_with("OC-WF-"), "{one:?} {other:?}: {error}");
            }
        }
    }
    unharmed(server).await;
}
