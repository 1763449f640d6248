//! Every kind of mistake has a code and names its place.

use openclaw_workflow::definition::{self, Format, MAX_PROBLEMS};
use serde_json::{Value, json};

use crate::{codes, document, one, problems};

fn refuses(tasks: Value, code: &'static str, path: &str) {
    let found = codes(document(tasks.clone()));
    assert_eq!(found, one(code, path), "{tasks}");
}

#[test]
fn unknown_fields_are_refused_with_the_nearest_known_one() {
    let mut wrong = document(json!([{ "a": { "set": { "x": 1 }, "thne": "end" } }]));
    wrong["timeuot"] = json!({});
    let found = problems(wrong);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].code, found[0].path.as_str()), ("OC-WF-010", "/timeuot"));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `timeout`?"));
    assert_eq!((found[1].code, found[1].path.as_str()), ("OC-WF-010", "/do/0/a/thne"));
    assert_eq!(found[1].suggestion.as_deref(), Some("did you mean `then`?"));
}

#[test]
fn the_document_has_to_say_what_it_is() {
    assert_eq!(codes(json!({})), [("OC-WF-011", String::new()), ("OC-WF-011", String::new())]);
    let header = |field: &str, value: Value| {
        let mut wrong = document(json!([{ "a": { "set": { "x": 1 } } }]));
        wrong["document"][field] = value;
        codes(wrong)
    };
    assert_eq!(header("dsl", json!("2.0.0")), one("OC-WF-013", "/document/dsl"));
    assert_eq!(header("dsl", json!(1)), one("OC-WF-012", "/document/dsl"));
    assert_eq!(header("name", json!("a_b")), one("OC-WF-013", "/document/name"));
    assert_eq!(header("namespace", json!("-a")), one("OC-WF-013", "/document/namespace"));
    assert_eq!(header("version", json!("1.0")), one("OC-WF-013", "/document/version"));
    assert_eq!(header("tags", json!([])), one("OC-WF-012", "/document/tags"));
}

#[test]
fn tasks_have_exactly_one_kind_and_a_unique_name() {
    refuses(json!([]), "OC-WF-013", "/do");
    refuses(json!([{ "a": {} }]), "OC-WF-011", "/do/0/a");
    refuses(json!([{ "a": { "set": { "x": 1 }, "wait": { "seconds": 1 } } }]), "OC-WF-013", "/do/0/a");
    refuses(json!([{ "a": { "set": { "x": 1 } }, "b": { "set": { "x": 1 } } }]), "OC-WF-013", "/do/0");
    refuses(json!([{ "a": { "set": { "x": 1 } } }, { "a": { "set": { "x": 1 } } }]), "OC-WF-022", "/do/1/a");
    let found = problems(document(json!([{ "a": { "swich": [] } }])));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `switch`?"));
}

#[test]
fn flow_directives_lead_to_tasks_of_the_same_scope() {
    let inner = json!([
        { "outer": { "do": [{ "inner": { "set": { "x": 1 }, "then": "after" } }] } },
        { "after": { "set": { "x": 1 } } },
    ]);
    refuses(inner, "OC-WF-030", "/do/0/outer/do/0/inner/then");
    let found = problems(document(json!([
        { "choose": { "switch": [{ "x": { "then": "handel" } }] } },
        { "handle": { "set": { "x": 1 } } },
    ])));
    assert_eq!((found[0].code, found[0].path.as_str()), ("OC-WF-030", "/do/0/choose/switch/0/x/then"));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `handle`?"));
}

#[test]
fn a_pure_task_that_always_goes_back_to_itself_is_refused_and_a_conditional_loop_is_not() {
    refuses(json!([{ "a": { "set": { "x": 1 }, "then": "a" } }]), "OC-WF-031", "/do/0/a");
    refuses(json!([{ "a": { "switch": [{ "x": { "then": "a" } }] } }]), "OC-WF-031", "/do/0/a");
    crate::load(document(json!([{ "a": { "if": ".x < 3", "set": { "x": "${ .x + 1 }" }, "then": "a" } }])));
    crate::load(document(json!([
        { "a": { "set": { "x": 1 } } },
        { "b": { "switch": [{ "x": { "when": ".x > 1", "then": "a" } }, { "y": { "then": "end" } }] } },
    ])));
}

#[test]
fn a_switch_has_one_default_at_most() {
    let tasks = json!([{ "a": { "switch": [{ "x": { "then": "end" } }, { "y": { "then": "exit" } }] } }]);
    refuses(tasks, "OC-WF-022", "/do/0/a/switch/1/y");
}

#[test]
fn expressions_are_checked_where_they_stand() {
    let set = |text: &str| json!([{ "a": { "set": { "x": text } } }]);
    refuses(set("${ .a + }"), "OC-WF-032", "/do/0/a/set/x");
    refuses(set("${ .a"), "OC-WF-032", "/do/0/a/set/x");
    refuses(set("${ leng }"), "OC-WF-033", "/do/0/a/set/x");
    refuses(set("${ now }"), "OC-WF-033", "/do/0/a/set/x");
    refuses(set("${ $contxt.a }"), "OC-WF-034", "/do/0/a/set/x");
    refuses(set("${ $ENV.HOME }"), "OC-WF-034", "/do/0/a/set/x");
    refuses(set("${ $secrets.key }"), "OC-WF-052", "/do/0/a/set/x");
    refuses(json!([{ "a": { "if": "(", "set": { "x": 1 } } }]), "OC-WF-032", "/do/0/a/if");
    let found = problems(document(set("${ $contxt }")));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `$context`?"));
}

#[test]
fn variables_of_loops_and_caught_errors_are_known_inside_only() {
    let tasks = |inside: &str, after: &str| {
        document(json!([
            { "loop": {
                "for": { "each": "pet", "in": ".pets" }, "while": "$pet != null",
                "do": [{ "x": { "set": { "x": inside } } }],
            } },
            { "y": { "set": { "x": after } } },
        ]))
    };
    crate::load(tasks("${ [$pet, $index] }", "${ . }"));
    assert_eq!(codes(tasks("${ $item }", "${ . }")), one("OC-WF-034", "/do/0/loop/do/0/x/set/x"));
    assert_eq!(codes(tasks("${ . }", "${ $pet }")), one("OC-WF-034", "/do/1/y/set/x"));
    let catch = |when: &str| {
        let catch = json!({ "as": "e", "when": when, "do": [{ "y": { "set": { "x": "${ $e.status }" } } }] });
        document(json!([{ "t": { "try": [{ "x": { "set": { "x": 1 } } }], "catch": catch } }]))
    };
    crate::load(catch("$e.status == 503"));
    assert_eq!(codes(catch("$error.status == 503")), one("OC-WF-034", "/do/0/t/catch/when"));
}

#[test]
fn types_and_values_are_checked_with_their_exact_place() {
    let wait = |length: Value| json!([{ "a": { "wait": length } }]);
    refuses(wait(json!({ "seconds": 1, "second": 2 })), "OC-WF-010", "/do/0/a/wait/second");
    refuses(wait(json!({ "seconds": -1 })), "OC-WF-013", "/do/0/a/wait");
    refuses(wait(json!({})), "OC-WF-011", "/do/0/a/wait");
    refuses(wait(json!("-PT1S")), "OC-WF-013", "/do/0/a/wait");
    refuses(wait(json!("P11Y")), "OC-WF-013", "/do/0/a/wait");
    refuses(wait(json!({ "days": 4000 })), "OC-WF-013", "/do/0/a/wait");
    refuses(wait(json!(5)), "OC-WF-012", "/do/0/a/wait");
    refuses(json!([{ "a": { "set": 5 } }]), "OC-WF-012", "/do/0/a/set");
    refuses(json!([{ "a": { "set": {} } }]), "OC-WF-013", "/do/0/a/set");
    refuses(
        json!([{ "a": { "for": {}, "do": [{ "b": { "set": { "x": 1 } } }] } }]),
        "OC-WF-011",
        "/do/0/a/for",
    );
    let raise = |error: Value| json!([{ "a": { "raise": { "error": error } } }]);
    refuses(raise(json!({ "type": "x" })), "OC-WF-011", "/do/0/a/raise/error");
    refuses(raise(json!({ "type": "x", "status": 4.5 })), "OC-WF-013", "/do/0/a/raise/error/status");
    let http = |with: Value| json!([{ "a": { "call": "http", "with": with } }]);
    refuses(
        http(json!({ "method": "get", "endpoint": "file:///etc" })),
        "OC-WF-013",
        "/do/0/a/with/endpoint",
    );
    refuses(
        http(json!({ "method": "get", "endpoint": "http://x", "output": "rwa" })),
        "OC-WF-013",
        "/do/0/a/with/output",
    );
    refuses(
        http(json!({ "method": "get", "endpoint": "http://x", "headers": { "a": [] } })),
        "OC-WF-012",
        "/do/0/a/with/headers/a",
    );
    let retry = |retry: Value| json!([{ "t": { "try": [{ "x": { "set": { "x": 1 } } }], "catch": { "retry": retry } } }]);
    refuses(
        retry(json!({ "limit": { "attempt": { "count": 0 } } })),
        "OC-WF-013",
        "/do/0/t/catch/retry/limit/attempt/count",
    );
    refuses(retry(json!({ "backoff": {} })), "OC-WF-013", "/do/0/t/catch/retry/backoff");
    refuses(
        retry(json!({ "jitter": { "from": "PT2S", "to": "PT1S" } })),
        "OC-WF-013",
        "/do/0/t/catch/retry/jitter",
    );
    refuses(
        json!([{ "a": { "run": { "shell": { "command": "x" } }, "metadata": { "effect": "irreversable" } } }]),
        "OC-WF-013",
        "/do/0/a/metadata/effect",
    );
    refuses(
        json!([{ "a": { "emit": { "event": { "with": { "type": "t" } } } } }]),
        "OC-WF-011",
        "/do/0/a/emit/event/with",
    );
}

#[test]
fn references_lead_to_components() {
    refuses(json!([{ "a": { "raise": { "error": "gone" } } }]), "OC-WF-021", "/do/0/a/raise/error");
    refuses(json!([{ "a": { "set": { "x": 1 }, "timeout": "gone" } }]), "OC-WF-021", "/do/0/a/timeout");
    refuses(json!([{ "a": { "call": "gone" } }]), "OC-WF-021", "/do/0/a/call");
    let found = problems(document(json!([{ "a": { "call": "session.mesage" } }])));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `session.message`?"));
    let mut recursive = document(json!([{ "a": { "call": "f" } }]));
    recursive["use"] = json!({ "functions": {
        "f": { "do": [{ "x": { "call": "g" } }] },
        "g": { "call": "f" },
    } });
    assert_eq!(codes(recursive), one("OC-WF-024", "/use/functions/g/call"));
}

#[test]
fn what_this_version_does_not_carry_out_is_refused_by_name() {
    for call in ["asyncapi", "a2a", "mcp", "agent", "log:0.5.2@global", "https://x/y.yaml"] {
        refuses(json!([{ "a": { "call": call, "with": {} } }]), "OC-WF-020", "/do/0/a/call");
    }
    let authenticated = json!({ "uri": "http://x", "authentication": { "certificate": {} } });
    refuses(
        json!([{ "a": { "call": "http", "with": { "method": "get", "endpoint": authenticated } } }]),
        "OC-WF-020",
        "/do/0/a/with/endpoint/authentication/certificate",
    );
    let top = |field: &str, value: Value| {
        let mut wrong = document(json!([{ "a": { "set": { "x": 1 } } }]));
        wrong[field] = value;
        codes(wrong)
    };
    assert_eq!(top("evaluate", json!({ "language": "cel" })), one("OC-WF-020", "/evaluate/language"));
    assert_eq!(top("use", json!({ "catalogs": { "x": {} } })), one("OC-WF-020", "/use/catalogs"));
}

#[test]
fn schemas_and_scripts_come_from_files_and_not_from_the_web() {
    let source = json!({ "endpoint": "http://x/a.py" });
    refuses(
        json!([{ "a": { "run": { "script": { "language": "python", "source": source } } } }]),
        "OC-WF-026",
        "/do/0/a/run/script/source/endpoint",
    );
    let mut wrong = document(json!([{ "a": { "set": { "x": 1 } } }]));
    wrong["input"] = json!({ "schema": { "resource": { "endpoint": { "uri": "https://x/a.json" } } } });
    let found = problems(wrong);
    assert_eq!((found[0].code, found[0].path.as_str()), ("OC-WF-026", "/input/schema/resource/endpoint/uri"));
    assert!(found[0].suggestion.as_deref().unwrap().contains("file:///"));
    refuses(
        json!([{ "a": { "call": "openapi", "with": { "document": { "endpoint": "file:///a.json" }, "operationId": "x" } } }]),
        "OC-WF-025",
        "/do/0/a/with/document/endpoint",
    );
}

#[test]
fn schemas_are_compiled_and_stay_on_this_machine() {
    let schema = |schema: Value| {
        let mut wrong = document(json!([{ "a": { "set": { "x": 1 } } }]));
        wrong["input"] = json!({ "schema": { "document": schema } });
        codes(wrong)
    };
    let here = || one("OC-WF-023", "/input/schema/document");
    assert_eq!(schema(json!({ "type": "objekt" })), here());
    assert_eq!(schema(json!({ "$ref": "https://example.com/schema.json" })), here());
    assert_eq!(schema(json!({ "$ref": "#" })), here());
    assert_eq!(schema(json!({ "$ref": "#/$defs/gone" })), here());
    assert_eq!(schema(json!({ "pattern": "(" })), here());
}

#[test]
fn syntax_errors_have_line_and_column() {
    let found = definition::load("{\n  \"do\": [,]\n}", Format::Auto).unwrap_err();
    assert_eq!((found[0].code, found[0].line, found[0].column), ("OC-WF-002", Some(2), Some(10)));
    let found = definition::load("do:\n  - a: [1, 2\n", Format::Auto).unwrap_err();
    assert_eq!(found[0].code, "OC-WF-002");
    assert!(found[0].line.is_some_and(|line| line >= 2), "{found:?}");
    let found = definition::load("do: 1\ndo: 2\n", Format::Yaml).unwrap_err();
    assert_eq!(found[0].code, "OC-WF-002", "a key may be there once: {found:?}");
}

#[test]
fn all_problems_are_found_at_once_up_to_a_limit() {
    let tasks: Vec<Value> =
        (0..500).map(|n| json!({ format!("t{n}"): { "set": { "x": "${ nothing }" } } })).collect();
    assert_eq!(problems(document(Value::Array(tasks))).len(), MAX_PROBLEMS);
    let found = codes(document(json!([
        { "a": { "if": "(", "set": { "x": "${ ) }" }, "then": "gone", "timeout": { "after": "x" } } },
    ])));
    assert_eq!(found.len(), 4, "{found:?}");
}
