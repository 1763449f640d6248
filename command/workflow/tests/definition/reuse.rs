//! `use.extensions` and `use.secrets`.

use openclaw_workflow::definition::{Body, Extended, Task};
use serde_json::{Value, json};

use crate::{codes, document, load, one};

fn extended(extensions: Value, tasks: Value) -> Value {
    let mut document = document(tasks);
    document["use"] = json!({ "extensions": extensions });
    document
}

fn parts(task: &Task) -> &Extended {
    match &task.body {
        Body::Extended(extended) => extended,
        other => panic!("{other:?}"),
    }
}

fn log() -> Value {
    json!([{ "x": { "set": { "x": 1 } } }])
}

#[test]
fn tasks_of_a_kind_are_extended_and_keep_their_names_and_places() {
    let extensions = json!([
        { "one": { "extend": "set", "when": "$task.set != null", "before": log() } },
        { "two": { "extend": "all", "before": log(), "after": log() } },
        { "three": { "extend": "call", "after": log() } },
    ]);
    let definition = load(extended(
        extensions,
        json!([{ "a": { "if": ".n == 1", "set": { "y": 1 }, "timeout": { "after": "PT1S" }, "then": "end" } }]),
    ));
    let task = &definition.tasks.0[0];
    assert_eq!((task.name.as_str(), task.reference.as_str()), ("a", "/do/0/a/extended"));
    assert!(task.condition.is_some() && task.timeout.is_none());
    let parts = parts(task);
    let references: Vec<&str> = parts.children().map(|child| child.reference.as_str()).collect();
    assert_eq!(references, ["/do/0/a/before/one", "/do/0/a/before/two", "/do/0/a", "/do/0/a/after/two"]);
    assert!(parts.before[0].condition.is_some() && parts.before[1].condition.is_none());
    assert!(parts.task.condition.is_none() && parts.task.timeout.is_some());
    let Body::Advice(tasks) = &parts.before[0].body else { panic!() };
    assert!(matches!(tasks.0[0].body, Body::Set(_)), "tasks of extensions are not extended");
    assert_eq!(tasks.0[0].reference, "/do/0/a/before/one/0/x");
}

#[test]
fn nested_tasks_and_tasks_of_functions_are_extended_too() {
    let mut source = extended(
        json!([{ "log": { "extend": "run", "before": log() } }]),
        json!([
            { "d": { "do": [{ "r": { "run": { "shell": { "command": "x" } } } }] } },
            { "f": { "call": "work" } },
        ]),
    );
    source["use"]["functions"] = json!({ "work": { "run": { "shell": { "command": "y" } } } });
    let definition = load(source);
    let Body::Do(tasks) = &definition.tasks.0[0].body else { panic!("composites are not of the kind") };
    assert_eq!(parts(&tasks.0[0]).task.reference, "/do/0/d/do/0/r");
    let Body::Do(tasks) = &definition.tasks.0[1].body else { panic!("a call is not of the kind") };
    assert_eq!(parts(&tasks.0[0]).task.reference, "/do/1/f/call");
}

#[test]
fn extensions_that_make_no_sense_are_refused() {
    let set = || json!([{ "a": { "set": { "y": 1 } } }]);
    for (extension, code, path) in [
        (json!({ "before": log() }), "OC-WF-011", "/use/extensions/0/e"),
        (json!({ "extend": "everything", "before": log() }), "OC-WF-013", "/use/extensions/0/e/extend"),
        (json!({ "extend": "all" }), "OC-WF-011", "/use/extensions/0/e"),
        (json!({ "extend": "call", "before": [] }), "OC-WF-013", "/use/extensions/0/e/before"),
        (json!({ "extend": "call", "when": "(", "after": log() }), "OC-WF-032", "/use/extensions/0/e/when"),
        (
            json!({ "extend": "set", "befor": log(), "after": log() }),
            "OC-WF-010",
            "/use/extensions/0/e/befor",
        ),
        (
            json!({ "extend": "all", "after": [{ "x": { "set": { "x": "${ $item }" } } }] }),
            "OC-WF-034",
            "/use/extensions/0/e/after/0/x/set/x",
        ),
    ] {
        let found = codes(extended(json!([{ "e": extension }]), set()));
        assert_eq!(found, one(code, path), "{extension}");
    }
    let twice =
        json!([{ "e": { "extend": "run", "after": log() } }, { "e": { "extend": "run", "after": log() } }]);
    assert_eq!(codes(extended(twice, set())), one("OC-WF-022", "/use/extensions/1/e"));
}

#[test]
fn extensions_count_where_they_are_used() {
    let many: Vec<Value> = (0..200).map(|n| json!({ format!("x{n}"): { "set": { "x": 1 } } })).collect();
    let tasks: Vec<Value> = (0..100).map(|n| json!({ format!("t{n}"): { "set": { "x": 1 } } })).collect();
    let extensions = json!([{ "e": { "extend": "set", "before": many } }]);
    assert_eq!(codes(extended(extensions, Value::Array(tasks))), one("OC-WF-005", ""));
}

#[test]
fn secrets_are_used_by_the_names_that_are_listed() {
    let using = |text: &str| {
        let mut source = document(json!([{ "a": { "set": { "x": text } } }]));
        source["use"] = json!({ "secrets": ["apiKey", "my key"] });
        source
    };
    let definition = load(using("${ $secrets.apiKey.token + $secrets[\"my key\"] }"));
    assert_eq!(definition.secrets.iter().collect::<Vec<_>>(), ["apiKey", "my key"]);
    assert_eq!(codes(using("${ $secrets.apikey }")), one("OC-WF-052", "/do/0/a/set/x"));
    let found = crate::problems(using("${ $secrets.apikey }"));
    assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `apiKey`?"));
    load(using("${ $secrets[.which] }"));
}
