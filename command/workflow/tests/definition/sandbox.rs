//! `metadata.sandbox`: what a task's process asks of the sandbox.

use openclaw_model::event::run::{NetworkRequest, SandboxLevel, SandboxRequest};
use openclaw_workflow::definition::Body;
use serde_json::{Value, json};

use crate::{codes, document, load, one, problems};

const PLACE: &str = "/do/0/tool/metadata/sandbox";

fn asking(sandbox: &Value) -> Value {
    document(json!([{
        "tool": { "run": { "shell": { "command": "true" } }, "metadata": { "sandbox": sandbox } },
    }]))
}

/// What is read of a good one.
fn read(sandbox: &Value) -> SandboxRequest {
    let definition = load(asking(sandbox));
    let Body::Process(process) = &definition.tasks.0[0].body else { panic!("a process") };
    process.sandbox.clone().expect("it asks")
}

#[test]
fn everything_that_may_be_asked_for_is_read() {
    let asked = read(&json!({
        "level": "relaxed",
        "readable": ["/srv/models", "/opt/a..b"],
        "writable": ["/srv/out"],
        "network": ["api.example.com:443"],
        "secrets": ["token"],
        "wall": "PT1M30S",
        "cpuSeconds": 1,
        "memoryBytes": 2,
        "processes": 3,
        "fileBytes": 4,
        "openFiles": 5,
        "outputBytes": 6,
        "workspaceBytes": 7,
        "workspaceFiles": u64::MAX,
    }));
    let network = vec![NetworkRequest { destination: "api.example.com:443".into(), credential: None }];
    let expected = SandboxRequest {
        level: Some(SandboxLevel::Relaxed),
        readable: vec!["/srv/models".into(), "/opt/a..b".into()],
        writable: vec!["/srv/out".into()],
        wall_ms: Some(90_000),
        cpu_seconds: Some(1),
        memory_bytes: Some(2),
        processes: Some(3),
        file_bytes: Some(4),
        open_files: Some(5),
        output_bytes: Some(6),
        workspace_bytes: Some(7),
        workspace_files: Some(u64::MAX),
        secrets: vec!["token".into()],
        network,
    };
    assert_eq!(asked, expected);
}

#[test]
fn every_level_has_its_word_and_a_time_may_be_an_object() {
    for (word, level) in [
        ("none", SandboxLevel::None),
        ("confined", SandboxLevel::Confined),
        ("relaxed", SandboxLevel::Relaxed),
        ("strict", SandboxLevel::Strict),
    ] {
        let asked = SandboxRequest { level: Some(level), ..SandboxRequest::default() };
        assert_eq!(read(&json!({ "level": word })), asked);
    }
    let asked = SandboxRequest { wall_ms: Some(1500), ..SandboxRequest::default() };
    assert_eq!(read(&json!({ "wall": { "seconds": 1, "milliseconds": 500 } })), asked);
    assert_eq!(read(&json!({})), SandboxRequest::default());
}

#[test]
fn a_task_without_it_asks_for_nothing() {
    let definition = load(document(json!([{ "tool": { "run": { "shell": { "command": "true" } } } }])));
    let Body::Process(process) = &definition.tasks.0[0].body else { panic!("a process") };
    assert_eq!(process.sandbox, None);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_where_it_stands() {
    let limits = [
        "cpuSeconds",
        "memoryBytes",
        "processes",
        "fileBytes",
        "openFiles",
        "outputBytes",
        "workspaceBytes",
        "workspaceFiles",
    ];
    for limit in limits {
        for amount in [json!(0), json!(-1), json!(1.5), json!("1"), json!("1GiB"), json!(null), json!(1e30)] {
            let found = codes(asking(&json!({ limit: amount })));
            assert_eq!(found, one("OC-WF-012", &format!("{PLACE}/{limit}")), "{limit}: {amount}");
        }
    }
    for (sandbox, path) in [
        (json!("strict"), ""),
        (json!(null), ""),
        (json!([]), ""),
        (json!({ "level": true }), "/level"),
        (json!({ "readable": "/srv" }), "/readable"),
        (json!({ "readable": ["/srv", 1] }), "/readable/1"),
        (json!({ "writable": { "0": "/srv" } }), "/writable"),
        (json!({ "network": "a:1" }), "/network"),
        (json!({ "network": [7] }), "/network/0"),
        (json!({ "secrets": "token" }), "/secrets"),
        (json!({ "secrets": ["token", null] }), "/secrets/1"),
        (json!({ "wall": 5 }), "/wall"),
    ] {
        let found = codes(asking(&sandbox));
        assert_eq!(found, one("OC-WF-012", &format!("{PLACE}{path}")), "{sandbox}");
    }
}

#[test]
fn a_value_that_no_server_could_grant_is_refused_where_it_stands() {
    for (sandbox, path) in [
        (json!({ "level": "Strict" }), "/level"),
        (json!({ "level": "" }), "/level"),
        (json!({ "readable": ["srv"] }), "/readable/0"),
        (json!({ "readable": ["/srv", "/srv/../etc"] }), "/readable/1"),
        (json!({ "readable": [""] }), "/readable/0"),
        (json!({ "writable": ["~/out"] }), "/writable/0"),
        (json!({ "writable": ["/srv/.."] }), "/writable/0"),
        (json!({ "wall": "PT0S" }), "/wall"),
        (json!({ "wall": { "seconds": 0 } }), "/wall"),
        (json!({ "wall": "soon" }), "/wall"),
        // What a process may use is known before anything is computed.
        (json!({ "wall": "${ .time }" }), "/wall"),
    ] {
        let found = codes(asking(&sandbox));
        assert_eq!(found, one("OC-WF-013", &format!("{PLACE}{path}")), "{sandbox}");
    }
}

#[test]
fn an_unknown_name_is_refused_and_what_was_meant_is_said() {
    for (name, near) in [
        ("memory", None),
        ("memoryByte", Some("memoryBytes")),
        ("memory_bytes", Some("memoryBytes")),
        ("lvel", Some("level")),
        ("allowNone", None),
    ] {
        let found = problems(asking(&json!({ name: 1 })));
        assert_eq!(found.len(), 1, "{found:?}");
        let problem = &found[0];
        assert_eq!((problem.code, problem.path.as_str()), ("OC-WF-010", &*format!("{PLACE}/{name}")));
        let suggestion = problem.suggestion.as_deref().expect("advice");
        match near {
            Some(near) => assert_eq!(suggestion, format!("did you mean `{near}`?")),
            None => assert!(suggestion.contains("level"), "{suggestion}"),
        }
    }
}

#[test]
fn every_problem_of_a_request_is_reported_at_once() {
    let sandbox = json!({ "level": "mild", "memoryBytes": "1", "processes": 0, "wall": "PT0S", "colour": 1 });
    let mut found = codes(asking(&sandbox));
    found.sort();
    let mut expected = [
        ("OC-WF-010", "colour"),
        ("OC-WF-012", "memoryBytes"),
        ("OC-WF-012", "processes"),
        ("OC-WF-013", "level"),
        ("OC-WF-013", "wall"),
    ]
    .map(|(code, name)| (code, format!("{PLACE}/{name}")));
    expected.sort();
    assert_eq!(found, expected);
}
