//! What tasks ask for in `metadata.sandbox`, and what they get.

use openclaw_suite::{Options, Server, documents::workflow, eventually};
use serde_json::{Value, json};

use super::{fault, output, tool};

#[tokio::test]
async fn a_task_that_passes_what_it_asked_for_ends_with_the_limit_in_its_error() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let memory =
        "for i in 1 2 3; do dd if=/dev/zero of=/dev/null bs=40M count=1000000 & done; wait; sleep 20";
    for (sandbox, command, named, (kind, status)) in [
        (json!({ "wall": "PT1S" }), "sleep 50", "time: 1 s", ("timeout", 408)),
        (json!({ "cpuSeconds": 1 }), "while :; do :; done", "processor time: 1 s", ("runtime", 500)),
        (json!({ "memoryBytes": 100 << 20 }), memory, "memory: 104857600 bytes", ("runtime", 500)),
        (
            json!({ "processes": 9 }),
            "for i in 1 2 3 4 5 6 7 8 9; do sleep 20 & done; wait",
            "processes: 9",
            ("runtime", 500),
        ),
        (json!({ "outputBytes": 1000 }), "seq 100000; sleep 20", "output: 1000 bytes", ("runtime", 500)),
        (
            json!({ "fileBytes": 1 << 20 }),
            "exec head -c 3000000 /dev/zero > big",
            "the size of a file: 1048576 bytes",
            ("runtime", 500),
        ),
        (
            json!({ "workspaceBytes": 1 << 20 }),
            "head -c 3000000 /dev/zero > big; sleep 20",
            "the size of the workspace: 1048576 bytes",
            ("runtime", 500),
        ),
    ] {
        let ended = fault(&server, command, sandbox.clone()).await;
        assert_eq!((ended.0.as_str(), ended.1), (kind, status), "{sandbox}: {ended:?}");
        let expected = format!("OC-SBX-006: the process was killed, it passed its limit on {named}");
        assert!(ended.2.starts_with(&expected), "{sandbox}: {ended:?}");
    }
    // What a process may not have without ending is refused to it, and it says so.
    assert_eq!(output(&server, "ulimit -n", json!({ "openFiles": 33 })).await, "33\n");
    // The same commands are left alone where the task asks for nothing.
    assert_eq!(
        output(&server, "seq 1000 | tail -1; head -c 3000000 /dev/zero > big", json!({})).await,
        "1000\n"
    );
    server.terminate().await;
}

#[tokio::test]
async fn a_task_that_asks_for_more_than_the_server_allows_runs_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for (sandbox, named) in [
        (json!({ "level": "none" }), "level: none is more than relaxed"),
        (json!({ "level": "confined" }), "level: confined is more than relaxed"),
        (json!({ "wall": "PT5M1S" }), "wall"),
        (
            json!({ "memoryBytes": (512_u64 << 20) + 1 }),
            "memory_bytes: 536870913 bytes is more than 536870912 bytes",
        ),
        (json!({ "processes": u64::MAX }), "processes"),
        (json!({ "outputBytes": (1 << 20) + 1 }), "output_bytes"),
        (json!({ "readable": ["/root"] }), "readable: /root is more than nothing"),
        (json!({ "writable": ["/usr/local"] }), "writable: /usr/local is more than nothing"),
        (json!({ "level": "relaxed", "network": ["example.com:443"] }), "example.com:443"),
    ] {
        let ended = fault(&server, "echo ran > /proc/self/cwd/ran", sandbox.clone()).await;
        assert_eq!((ended.0.as_str(), ended.1), ("authorization", 403), "{sandbox}: {ended:?}");
        assert!(ended.2.starts_with("OC-SBX-005") && ended.2.contains(named), "{sandbox}: {ended:?}");
    }
    // A workspace is made for what is run, and nothing was.
    let made = std::fs::read_dir(data.path().join("workspaces")).map_or(0, Iterator::count);
    assert_eq!(made, 0);
    server.terminate().await;
}

#[tokio::test]
async fn a_server_gives_more_to_those_who_ask_and_only_up_to_its_most() {
    let data = tempfile::tempdir().unwrap();
    let options = Options::default().set("sandbox.open_files", 64).set("sandbox.most.open_files", 128);
    let server = Server::start(data.path(), options).await;
    assert_eq!(output(&server, "ulimit -n", json!({})).await, "64\n");
    assert_eq!(output(&server, "ulimit -n", json!({ "openFiles": 128 })).await, "128\n");
    let ended = fault(&server, "ulimit -n", json!({ "openFiles": 129 })).await;
    assert!(ended.2.contains("open_files: 129 is more than 128"), "{ended:?}");
    server.terminate().await;
}

#[tokio::test]
async fn nothing_is_unconfined_unless_the_task_asks_for_it_and_the_server_allows_it() {
    // What only an unconfined process reads: a file next to the data.
    let top = tempfile::tempdir().unwrap();
    let (data, outside) = (top.path().join("data"), top.path().join("outside"));
    std::fs::write(&outside, "seen").unwrap();
    let look = format!("cat {} || echo hidden", outside.display());
    let server = Server::start(&data, Options::default().set("sandbox.allow_none", true)).await;
    // The permission of the server changes nothing for tasks that do not ask.
    for sandbox in [json!({}), json!({ "level": "strict" }), json!({ "level": "relaxed" })] {
        assert_eq!(output(&server, &look, sandbox.clone()).await, "hidden\n", "{sandbox}");
    }
    // As a user of its own it may not pass a directory of root's, either: what tells is the view of the system.
    let view = "ls -d /etc/shadow || echo hidden";
    assert_eq!(output(&server, view, json!({})).await, "hidden\n");
    assert_eq!(output(&server, view, json!({ "level": "none" })).await, "/etc/shadow\n");
    // Limits hold all the same, and the run is marked.
    let ended = fault(&server, "sleep 50", json!({ "level": "none", "wall": "PT1S" })).await;
    assert!(ended.1 == 408 && ended.2.contains("OC-SBX-006"), "{ended:?}");
    let warnings = server.said().into_iter().filter(|line| line.contains("WARN") && line.contains("sandbox"));
    assert_eq!(warnings.count(), 2, "{:#?}", server.said());
    server.terminate().await;
}

#[tokio::test]
async fn a_bad_request_is_refused_with_the_document() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let document = workflow("tool", json!([{ "tool": tool("true", json!({ "memory": "1GiB" })) }]));
    let refused = server.rpc("run.start", json!({ "definition": document })).await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("OC-WF-010") && said.contains("/do/0/tool/metadata/sandbox/memory"), "{said}");
    server.terminate().await;
}

#[tokio::test]
async fn what_a_task_asked_for_is_in_the_log_and_holds_after_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let command = "[ -e again ] && ulimit -n && exit; touch again; sleep 50";
    let document = workflow("tool", json!([{ "tool": tool(command, json!({ "openFiles": 33 })) }]));
    let run = server.begin(document, Value::Null).await;
    let started = server.happened(&run, "run.task_started", 1).await;
    assert_eq!(started[0]["work"]["request"]["sandbox"], json!({ "open_files": 33 }), "{started:?}");
    let workspace = data.path().join("workspaces").join(&run);
    eventually("the first try", async || workspace.join("again").exists().then_some(())).await;
    let server = server.kill9_and_restart().await;
    assert_eq!(server.ended(&run).await["output"], "33\n");
    server.terminate().await;
}
