//! Tasks that act on the world: processes, HTTP calls, child runs, commands.

use openclaw_suite::{
    Server,
    counting::Counting,
    documents::{shell, workflow},
};
use serde_json::{Value, json};

use super::commands::processes_with;

#[tokio::test]
async fn a_command_line_runs_in_the_sandbox_on_the_workspace_of_its_run() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let tasks = json!([
        { "write": { "run": { "shell": {
            "command": "printf '%s' \"$GREETING, $1\" > note; ls /root 2>/dev/null | wc -l",
            "arguments": ["${ .name }"], "environment": { "GREETING": "Hello" },
        } }, "output": { "as": "${ { hidden: (. | tonumber) } }" } } },
        { "read": { "run": { "shell": { "command": "cat note; echo oops >&2; exit 3" }, "return": "all" } } },
    ]);
    let output = server.output(workflow("shell", tasks), json!({ "name": "Ada" })).await;
    assert_eq!(output, json!({ "code": 3, "stdout": "Hello, Ada", "stderr": "oops\n" }));

    let other = server.output(workflow("shell", json!([{ "look": shell("ls -A") }])), json!({})).await;
    assert_eq!(other, "", "another run has another workspace");

    let failed =
        server.run(workflow("shell", json!([{ "fail": shell("echo why >&2; exit 4") }])), json!({})).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["instance"]),
        (&json!("faulted"), &json!("/do/0/fail")),
        "{failed}"
    );
    assert!(failed["error"]["detail"].as_str().unwrap().contains("why"), "{failed}");
    server.terminate().await;
}

#[tokio::test]
async fn processes_see_neither_the_network_nor_the_servers_secrets() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let counting = Counting::start().await;
    let address = counting.url("/leak");
    let port = address.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let code = format!(
        "import os, socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), 2)\n    print('connected', end='')\n\
         except OSError:\n    print('refused', end='')\nprint(' ' + str(os.path.exists('{}')), end='')\nprint(' ' + \
         str(sorted(name for name in os.environ if 'OPENCLAW' in name)), end='')",
        data.path().join("token").display()
    );
    let tasks = json!([{ "probe": { "run": { "script": { "language": "python", "code": code } } } }]);
    assert_eq!(server.output(workflow("probe", tasks), json!({})).await, "refused False []");
    assert!(counting.calls().is_empty());
    server.terminate().await;
}

#[tokio::test]
async fn scripts_run_in_python_and_in_javascript_where_they_are_installed() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let script = |language: &str, code: &str| {
        let script = json!({ "language": language, "code": code, "arguments": ["${ .n }"] });
        workflow(
            "script",
            json!([{ "compute": { "run": { "script": script }, "output": { "as": "${ fromjson }" } } }]),
        )
    };
    let python = script("python", "import sys, json\nprint(json.dumps({'square': int(sys.argv[1]) ** 2}))");
    assert_eq!(server.output(python, json!({ "n": 7 })).await, json!({ "square": 49 }));
    let javascript =
        script("javascript", "console.log(JSON.stringify({ cube: Number(process.argv[2]) ** 3 }))");
    let run = server.run(javascript, json!({ "n": 3 })).await;
    if std::path::Path::new("/usr/bin/node").exists() {
        assert_eq!(run["output"], json!({ "cube": 27 }), "{run}");
    } else {
        assert!(run["error"]["detail"].as_str().unwrap().contains("OC-SBX-002"), "{run}");
    }
    server.terminate().await;
}

#[tokio::test]
async fn a_time_limit_kills_the_process_and_all_it_started() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let mut task = shell("sleep 7392 & sleep 7392");
    task["timeout"] = json!({ "after": { "milliseconds": 700 } });
    let run = server.run(workflow("stuck", json!([{ "stuck": task }])), json!({})).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(408)), "{run}");
    openclaw_suite::eventually("the end of the tree", async || (processes_with("7392") == 0).then_some(()))
        .await;
    server.terminate().await;
}

#[tokio::test]
async fn http_calls_carry_their_data_and_an_idempotency_key() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let counting = Counting::start().await;
    counting.body("/pets/7", json!({ "name": "Rex" }));
    let tasks = json!([
        { "get": { "call": "http", "with": {
            "method": "get", "endpoint": counting.url("/pets/{id}"), "query": { "fields": "name" } } } },
        { "post": { "call": "http", "with": {
            "method": "post", "endpoint": counting.url("/greet"), "body": { "to": "${ .name }" }, "output": "response" } } },
    ]);
    let output = server.output(workflow("http", tasks), json!({ "id": 7 })).await;
    assert_eq!(
        (&output["statusCode"], &output["content"]["received"]),
        (&json!(200), &json!({ "to": "Rex" })),
        "{output}"
    );
    let calls = counting.calls();
    let seen: Vec<(&str, &str, &str)> =
        calls.iter().map(|call| (call.method.as_str(), call.path.as_str(), call.query.as_str())).collect();
    assert_eq!(seen, [("GET", "/pets/7", "fields=name"), ("POST", "/greet", "")]);
    let keys: Vec<&String> = calls.iter().filter_map(|call| call.key.as_ref()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");

    counting.fail("/gone", 1, 404);
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": counting.url("/gone") } });
    let failed = server.run(workflow("http", json!([{ "gone": call }])), json!({})).await;
    assert_eq!((&failed["status"], &failed["error"]["status"]), (&json!("faulted"), &json!(404)), "{failed}");
    let history = server.terminate().await;
    let dispatched = history.dispatches();
    assert!(counting.by_key().iter().all(|(key, count)| dispatched[key] == *count), "{dispatched:?}");
}

#[tokio::test]
async fn a_child_run_is_waited_for_or_left_to_itself() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let child = workflow("child", json!([{ "double": { "set": { "n": "${ .n * 2 }" } } }]));
    server.rpc("workflow.register", json!({ "definition": child })).await.unwrap();
    let call = |input: Value, wait: bool| {
        let child = json!({ "namespace": "default", "name": "child", "version": "1.0.0", "input": input });
        workflow("parent", json!([{ "delegate": { "run": { "workflow": child, "await": wait } } }]))
    };
    let run = server.run(call(json!({ "n": "${ .x }" }), true), json!({ "x": 21 })).await;
    assert_eq!(run["output"], json!({ "n": 42 }), "{run}");
    let left = server.run(call(json!({ "n": 1 }), false), json!({ "x": 1 })).await;
    assert_eq!(left["status"], "completed", "{left}");
    let bad = server.run(call(json!({ "n": {} }), true), json!({})).await;
    assert_eq!(bad["status"], "faulted", "the child's error is the parent's: {bad}");

    let query = "query($id: ID!, $at: Position) { run(id: $id, minPosition: $at) {
        children { nodes { status output parent { id } workflow { name } } } } }";
    let shown = server.query(query, json!({ "id": run["runId"], "at": run["position"] })).await;
    let children = shown["run"]["children"]["nodes"].as_array().unwrap();
    assert_eq!(children.len(), 1);
    assert_eq!((&children[0]["output"], &children[0]["parent"]["id"]), (&json!({ "n": 42 }), &run["runId"]));
    openclaw_suite::eventually("the end of all runs", async || {
        let stats = server.query("{ stats { runsByStatus { status runs } } }", json!({})).await;
        let count = |status: &str| {
            let all = stats["stats"]["runsByStatus"].as_array().unwrap();
            all.iter().find(|entry| entry["status"] == status).unwrap()["runs"].as_u64().unwrap()
        };
        (count("completed") == 4 && count("faulted") == 2).then_some(())
    })
    .await;
    server.terminate().await;
}

#[tokio::test]
async fn a_workflow_drives_a_session_through_the_same_door() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let tasks = json!([
        { "open": { "call": "session.create", "with": { "sessionId": "${ .id }" } } },
        { "say": { "call": "session.message", "with": { "sessionId": "${ .sessionId }", "content": "Hello" } } },
    ]);
    let run = server.run(workflow("talk", tasks), json!({ "id": "talk-1" })).await;
    assert_eq!(run["status"], "completed", "{run}");
    let query = "query($at: Position) { session(id: \"talk-1\", minPosition: $at) { messages { nodes { content } } } }";
    let shown = server.query(query, json!({ "at": run["position"] })).await;
    assert_eq!(shown["session"]["messages"]["nodes"], json!([{ "content": "Hello" }]));
    server.terminate().await;
}
