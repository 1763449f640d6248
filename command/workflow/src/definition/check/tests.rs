use serde_json::json;

use super::*;

const HEAD: &str = "document: { dsl: '1.0.3', namespace: n, name: a, version: '1.0.0' }\n";

/// Code, line and pointer of everything that is found in a document with this below its head.
fn found(rest: &str) -> Vec<(&'static str, u64, String)> {
    let problems = check(&format!("{HEAD}{rest}"), Format::Yaml, None);
    problems.into_iter().map(|problem| (problem.code, problem.line.unwrap(), problem.path)).collect()
}

fn paths(rest: &str) -> Vec<String> {
    found(rest).into_iter().map(|(_, _, path)| path).collect()
}

#[test]
fn a_task_behind_one_that_always_leaves_is_unreachable() {
    let rest = "do:\n- a: { set: { x: 1 }, then: c }\n- b: { set: { x: 2 } }\n- c: { set: { x: 3 } }\n";
    assert_eq!(found(rest), [("OC-WF-050", 4, "/do/1/b".to_owned())]);
}

#[test]
fn a_condition_a_missing_default_case_and_a_directive_each_open_a_way() {
    for rest in [
        "do:\n- a: { if: .x, set: { x: 1 }, then: end }\n- b: { set: { x: 2 } }\n",
        "do:\n- a: { switch: [ one: { when: .x, then: end } ] }\n- b: { set: { x: 2 } }\n",
        "do:\n- a: { set: { x: 1 }, then: c }\n- b: { set: { x: 2 }, then: end }\n- c: { set: { x: 3 }, then: b }\n",
        "do:\n- a: { for: { in: .x }, do: [ q: { raise: { error: { type: t, status: 1 } } } ] }\n- b: { set: { x: 2 } }\n",
        "do:\n- a: { try: [ q: { raise: { error: { type: t, status: 1 } } } ], catch: { as: e } }\n- b: { set: { x: 2 } }\n",
        "do:\n- a: { do: [ q: { set: { x: 1 }, then: exit } ] }\n- b: { set: { x: 2 } }\n",
    ] {
        assert_eq!(paths(rest), Vec::<String>::new(), "{rest}");
    }
}

#[test]
fn what_never_comes_to_its_end_leads_nowhere() {
    for (rest, unreachable) in [
        ("do:\n- a: { raise: { error: { type: t, status: 1 } } }\n- b: { set: { x: 2 } }\n", "/do/1/b"),
        ("do:\n- a: { do: [ q: { set: { x: 1 }, then: end } ] }\n- b: { set: { x: 2 } }\n", "/do/1/b"),
        (
            "do:\n- a: { switch: [ one: { when: .x, then: c }, two: { then: c } ] }\n- b: { set: { x: 2 } }\n- c: { set: { x: 3 } }\n",
            "/do/1/b",
        ),
        (
            "do:\n- a: { fork: { branches: [ p: { set: { x: 1 } }, q: { set: { x: 1 }, then: end } ] } }\n- b: { set: { x: 2 } }\n",
            "/do/1/b",
        ),
        (
            "do:\n- a: { try: [ q: { set: { x: 1 }, then: end } ], catch: { do: [ r: { set: { x: 1 }, then: end } ] } }\n- b: { set: { x: 2 } }\n",
            "/do/1/b",
        ),
        (
            "do:\n- a: { for: { in: .x }, do: [ q: { set: { x: 1 }, then: exit }, r: { set: { x: 1 } } ] }\n",
            "/do/0/a/do/1/r",
        ),
        (
            "use: { functions: { f: { do: [ q: { set: { x: 1 }, then: end }, r: { set: { x: 1 } } ] } } }\ndo:\n- a: { call: f }\n",
            "/use/functions/f/do/1/r",
        ),
    ] {
        assert_eq!(paths(rest), [unreachable], "{rest}");
    }
}

#[test]
fn a_directive_out_of_its_scope_is_told_where_its_target_is() {
    let rest = "do:\n- a: { set: { x: 1 }, then: inner }\n- b: { do: [ inner: { set: { x: 1 } } ] }\n";
    let problems = check(&format!("{HEAD}{rest}"), Format::Yaml, None);
    assert_eq!((problems[0].code, problems[0].line, problems[0].column), ("OC-WF-030", Some(3), Some(29)));
    let advice = problems[0].suggestion.as_deref().unwrap();
    assert!(advice.contains("`inner` is a task of /do/1/b/do;") && advice.contains("(a, b)"), "{advice}");
}

#[test]
fn a_mistake_hides_no_other() {
    let rest =
        "do:\n- a: { sett: { x: 1 }, if: '.x |', then: nowhere, output: { as: 5 } }\n- b: { set: {} }\n";
    let mut codes: Vec<_> = found(rest).into_iter().map(|(code, ..)| code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["OC-WF-011", "OC-WF-012", "OC-WF-013", "OC-WF-030", "OC-WF-032"]);
}

const SCHEMA: &str = "{ document: { type: object, required: [ n ], properties: { n: { type: integer, minimum: 3 } }, additionalProperties: false } }";

#[test]
fn data_that_its_schema_refuses_is_found_wherever_they_meet() {
    for (rest, path) in [
        (format!("- a: {{ set: {{ n: 2 }}, output: {{ schema: {SCHEMA} }} }}"), "/do/0/a/set/n"),
        (
            format!("- a: {{ set: {{ m: 2 }}, output: {{ as: {{ n: x }}, schema: {SCHEMA} }} }}"),
            "/do/0/a/output/as/n",
        ),
        (
            format!("- a: {{ set: {{ m: 2 }}, export: {{ as: {{ n: x }}, schema: {SCHEMA} }} }}"),
            "/do/0/a/export/as/n",
        ),
        (
            format!(
                "- a: {{ set: {{ n: 1 }} }}\n- b: {{ input: {{ schema: {SCHEMA} }}, set: {{ ok: true }} }}"
            ),
            "/do/0/a/set/n",
        ),
        (
            format!(
                "- a: {{ input: {{ from: {{ n: 1 }} }}, do: [ b: {{ input: {{ schema: {SCHEMA} }}, set: {{ ok: true }} }} ] }}"
            ),
            "/do/0/a/input/from/n",
        ),
    ] {
        let rest = format!("do:\n{rest}\n");
        let found = found(&rest);
        assert_eq!(
            found.iter().map(|(code, _, path)| (*code, &**path)).collect::<Vec<_>>(),
            [("OC-WF-051", path)],
            "{rest}"
        );
    }
    let arguments = format!(
        "use: {{ functions: {{ f: {{ input: {{ schema: {SCHEMA} }}, set: {{ x: 1 }} }} }} }}\ndo:\n- a: {{ call: f, with: {{ n: 1 }} }}\n"
    );
    assert_eq!(paths(&arguments), ["/do/0/a/with/n"]);
    let result = format!("output: {{ schema: {SCHEMA} }}\ndo:\n- a: {{ set: {{ n: 1 }} }}\n");
    assert_eq!(paths(&result), ["/do/0/a/set/n"]);
}

#[test]
fn data_that_may_become_right_is_left_to_the_run() {
    let some = "{ document: { anyOf: [ { properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } } } ] } }";
    for rest in [
        format!("- a: {{ set: {{ n: '${{ .x }}' }}, output: {{ schema: {SCHEMA} }} }}"),
        format!(
            "- a: {{ set: {{ n: 1 }} }}\n- b: {{ if: .x, input: {{ schema: {SCHEMA} }}, set: {{ ok: true }} }}"
        ),
        "- a: { set: { n: 1 }, then: end }".to_owned(),
        format!("- a: {{ set: {{ a: 3, b: '${{ .x }}' }}, output: {{ schema: {some} }} }}"),
    ] {
        let rest = format!("do:\n{rest}\n");
        assert_eq!(paths(&rest), Vec::<String>::new(), "{rest}");
    }
    let loose = format!(
        "evaluate: {{ mode: loose }}\ndo:\n- a: {{ set: {{ n: .x }}, output: {{ schema: {SCHEMA} }} }}\n"
    );
    assert_eq!(paths(&loose), Vec::<String>::new());
    // What is missing stays missing, whatever the other parts become.
    let rest = format!("do:\n- a: {{ set: {{ m: '${{ .x }}' }}, output: {{ schema: {SCHEMA} }} }}\n");
    assert_eq!(paths(&rest).len(), 2, "{rest}: `n` is missing and `m` is not allowed");
}

#[test]
fn secrets_have_to_be_listed_and_to_exist() {
    let document = json!({
        "use": {
            "secrets": ["token", "gone"],
            "authentications": { "a": { "basic": { "use": "tokn" } }, "b": { "bearer": { "use": "token" } } },
        },
        "do": [{ "call": { "set": {
            "a": "${ $secrets.token + $secrets[\"other one\"] }", "b": "$secrets.plain.text", "c": "x ${ $secrets.c }",
        } } }],
    });
    let existing = BTreeSet::from(["token".to_owned()]);
    let mut found = Found::default();
    secrets::check(&document, Some(&existing), &mut found);
    let problems = found.0;
    let found: Vec<_> = problems.iter().map(|problem| (problem.code, &*problem.path)).collect();
    assert_eq!(
        found,
        [
            ("OC-WF-052", "/do/0/call/set/a"),
            ("OC-WF-052", "/do/0/call/set/c"),
            ("OC-WF-052", "/use/authentications/a/basic/use"),
            ("OC-WF-053", "/use/secrets/1"),
        ]
    );
    assert!(problems[2].suggestion.as_deref().unwrap().contains("`token`"));
}

/// Quadratic work would show: the runner stops a test that takes minutes.
#[test]
fn of_a_hostile_document_a_hundred_problems_are_told_and_no_more_are_looked_for() {
    let size = |tasks: usize, write: fn(usize) -> String| {
        let rest: String = (0..tasks).map(write).collect();
        let text = format!("{HEAD}do:\n{rest}");
        assert!(text.len() <= crate::definition::MAX_TEXT_BYTES, "{}", text.len());
        let problems = check(&text, Format::Yaml, None);
        assert!(!problems.is_empty() && problems.len() <= MAX_PROBLEMS);
        assert!(problems.iter().all(|problem| problem.line.is_some()));
    };
    size(9_000, |index| format!("- t{index}: {{ set: {{ x: 1 }}, then: nowhere }}\n"));
    size(8_000, |index| format!("- t{index}: {{ set: {{ x: 1 }}, then: end }}\n"));
    size(8_000, |index| format!("- t{index}: {{ set: {{ x: '${{ $secrets.s{index} }}' }} }}\n"));
    let numbers: String = (0..20_000).map(|index| format!("x{index}, ")).collect();
    let strings = "{ items: { maxLength: 1 } }";
    let text = format!(
        "{HEAD}do:\n- a: {{ set: {{ l: [ {numbers} ] }}, output: {{ schema: {{ document: {{ properties: {{ l: {strings} }} }} }} }} }}\n"
    );
    assert_eq!(check(&text, Format::Yaml, None).len(), MAX_PROBLEMS);
}
