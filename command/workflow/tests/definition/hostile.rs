//! Documents that are meant to hurt are refused within the limits, whatever their size.

use std::fmt::Write as _;

use openclaw_workflow::definition::{self, Format, MAX_DEPTH, MAX_TEXT_BYTES};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{codes, document, one};

fn first_code(text: &str) -> &'static str {
    let problems = definition::load(text, Format::Auto).expect_err("it is refused");
    assert!(problems[0].message.len() < 500, "{problems:?}");
    problems[0].code
}

#[test]
fn too_much_text_is_refused_before_it_is_parsed() {
    assert_eq!(first_code(&"[".repeat(MAX_TEXT_BYTES + 1)), "OC-WF-001");
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(first_code(&format!("{{\"a\":{}", "[".repeat(100_000))), "OC-WF-003");
    let json = format!("{{\"a\":{}{}}}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert_eq!(first_code(&json), "OC-WF-003");
    assert_eq!(definition::load(&"[".repeat(100_000), Format::Yaml).unwrap_err()[0].line, Some(1));
    let block: String = (0..100).fold(String::new(), |mut text, depth| {
        let _ = writeln!(text, "{}a:", " ".repeat(depth));
        text
    });
    assert_eq!(first_code(&block), "OC-WF-003");
    let value = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(codes(value), one("OC-WF-003", ""));
}

#[test]
fn yaml_aliases_cannot_multiply() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(laughs, "a{level}: &a{level} [{items}]");
    }
    assert_eq!(first_code(&laughs), "OC-WF-004");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 5_000].join(", "));
    assert_eq!(first_code(&long), "OC-WF-004");
}

#[test]
fn the_number_of_tasks_is_limited_also_through_functions() {
    let tasks: Vec<Value> = (0..10_001).map(|n| json!({ format!("t{n}"): { "set": { "x": 1 } } })).collect();
    assert_eq!(codes(document(Value::Array(tasks))), one("OC-WF-005", ""));
    let mut bomb = document(json!([{ "a": { "call": "f0" } }]));
    for level in 0..30 {
        let next = format!("f{}", level + 1);
        bomb["use"]["functions"][format!("f{level}")] =
            json!({ "do": [{ "a": { "call": next } }, { "b": { "call": next } }] });
    }
    bomb["use"]["functions"]["f30"] = json!({ "set": { "x": 1 } });
    assert_eq!(codes(bomb), one("OC-WF-005", ""));
}

#[test]
fn large_components_cannot_be_multiplied_by_use() {
    let mut bomb =
        document(Value::Array((0..5_000).map(|n| json!({ format!("t{n}"): { "call": "big" } })).collect()));
    bomb["use"] = json!({ "functions": { "big": { "set": { "x": "x".repeat(100_000) } } } });
    assert_eq!(codes(bomb), one("OC-WF-005", ""));
    let mut bomb = document(Value::Array(
        (0..5_000).map(|n| json!({ format!("t{n}"): { "raise": { "error": "big" } } })).collect(),
    ));
    bomb["use"] = json!({ "errors": { "big": { "type": "x", "status": 1, "title": "x".repeat(100_000) } } });
    assert_eq!(codes(bomb), one("OC-WF-005", ""));
}

#[test]
fn schemas_that_multiply_are_refused() {
    let mut defs = json!({ "d20": { "type": "string" } });
    for level in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs[format!("d{level}")] = json!({ "allOf": [next, next] });
    }
    let mut bomb = document(json!([{ "a": { "set": { "x": 1 } } }]));
    bomb["input"] = json!({ "schema": { "document": { "$ref": "#/$defs/d0", "$defs": defs } } });
    assert_eq!(codes(bomb), one("OC-WF-023", "/input/schema/document"));
    let mut regex = document(json!([{ "a": { "set": { "x": 1 } } }]));
    regex["input"] = json!({ "schema": { "document": { "pattern": "((a{1000}){1000}){1000}" } } });
    assert_eq!(codes(regex), one("OC-WF-023", "/input/schema/document"));
}

#[test]
fn many_mistakes_in_a_large_document_are_cut_short() {
    let tasks: Vec<Value> = (0..9_000)
        .map(|n| json!({ format!("t{n}"): { "set": { "x": "${ nothing }" }, "then": format!("s{n}") } }))
        .collect();
    assert_eq!(codes(document(Value::Array(tasks))).len(), definition::MAX_PROBLEMS);
}

#[test]
fn names_are_data_and_nothing_else() {
    let definition = crate::load(document(json!([
        { "__proto__": { "set": { "x": 1 } } },
        { "a/b~c": { "set": { "x": 1 } } },
        { "аdmin": { "set": { "x": 1 } } },
        { "admin": { "set": { "x": 1 } } },
    ])));
    assert_eq!(definition.tasks.0[1].reference, "/do/1/a~1b~0c");
    let long = "x".repeat(129);
    assert_eq!(codes(document(json!([{ long: { "set": { "x": 1 } } }]))), one("OC-WF-013", "/do/0"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_loaded_or_refused_and_nothing_else(text in "(?s).{0,300}") {
        let _ = definition::load(&text, Format::Yaml);
        let _ = definition::load(&text, Format::Json);
    }

    #[test]
    fn arbitrary_values_in_place_of_a_task_are_loaded_or_refused(
        field in prop::sample::select(vec![
            "set", "switch", "for", "do", "fork", "try", "catch", "raise", "wait", "emit", "call", "with", "run",
            "listen", "foreach", "schedule", "if", "input", "output", "export", "timeout", "then", "metadata", "while",
        ]),
        other in prop::sample::select(vec!["set", "for", "try", "call", "run", "wait"]),
        value in arbitrary_json(),
    ) {
        let mut task = json!({ other: { "x": 1 } });
        task[field] = value.clone();
        let _ = definition::from_value(document(json!([{ "a": task }])));
        let mut top = document(json!([{ "a": { "set": { "x": 1 } } }]));
        top[if field == "set" { "use" } else { field }] = value;
        let _ = definition::from_value(top);
    }
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(\\$\\{)?[ -~]{0,12}\\}?".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "a",
        "in",
        "each",
        "error",
        "errors",
        "branches",
        "shell",
        "script",
        "command",
        "with",
        "document",
        "schema",
        "seconds",
        "after",
        "event",
        "functions",
        "retries",
        "set",
        "to",
        "any",
        "until",
        "correlate",
        "extensions",
        "extend",
        "before",
        "authentication",
        "oauth2",
        "endpoint",
        "container",
        "cron",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}
