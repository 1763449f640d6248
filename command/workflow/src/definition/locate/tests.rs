use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::definition::load;

/// The rest of `text` from `mark` on.
fn text_at(text: &str, mark: Mark) -> &str {
    let line_start: usize = text.split_inclusive('\n').take(mark.line as usize - 1).map(str::len).sum();
    let line = &text[line_start..];
    let offset: usize = line.chars().take(mark.column as usize - 1).map(char::len_utf8).sum();
    &line[offset..]
}

fn at(text: &str, path: &str) -> (Option<String>, String) {
    let source = Source::read(text, Format::Auto).expect("the text is a document");
    let place = source.place(path).unwrap_or_else(|| panic!("{path} is in the document"));
    let line = |mark: Mark| text_at(text, mark).lines().next().unwrap_or_default().to_owned();
    (place.key.map(line), line(place.value))
}

#[test]
fn places_are_found_in_every_style_of_yaml() {
    let text = concat!(
        "# a comment\n",
        "document: { dsl: '1.0.0', \"the name\": x }\n",
        "do:\n",
        "  - first:\n",
        "      set: &shared\n",
        "        ünïcode: [ a, {b: deep} ]\n",
        "        code: |\n",
        "          many\n",
        "          lines\n",
        "  - second:\n",
        "      set: *shared\n",
        "  - ? odd\n",
        "    : folded: >-\n",
        "        words\n",
    );
    assert_eq!(at(text, ""), (None, "document: { dsl: '1.0.0', \"the name\": x }".into()));
    assert_eq!(at(text, "/document/the name"), (Some("\"the name\": x }".into()), "x }".into()));
    assert_eq!(at(text, "/do/0/first/set/ünïcode/1/b"), (Some("b: deep} ]".into()), "deep} ]".into()));
    assert_eq!(at(text, "/do/0/first/set/code"), (Some("code: |".into()), "many".into()));
    assert_eq!(at(text, "/do/1/second/set"), (Some("set: *shared".into()), "*shared".into()));
    assert_eq!(at(text, "/do/1/second/set/ünïcode/0"), (None, "a, {b: deep} ]".into()));
    assert_eq!(at(text, "/do/2/odd/folded"), (Some("folded: >-".into()), "words".into()));
}

#[test]
fn places_are_found_in_json() {
    let text =
        "{\n  \"do\": [ { \"a/b\\n\": {\"\\ud83d\\ude00\": -1.5e3} } ],\n\t\"x\": [ ], \"ü\": null\n}\n";
    assert_eq!(at(text, "/do/0").1, "{ \"a/b\\n\": {\"\\ud83d\\ude00\": -1.5e3} } ],");
    assert_eq!(at(text, "/do/0/a~1b\n").0.unwrap(), "\"a/b\\n\": {\"\\ud83d\\ude00\": -1.5e3} } ],");
    assert_eq!(at(text, "/do/0/a~1b\n/😀").1, "-1.5e3} } ],");
    assert_eq!(at(text, "/x").1, "[ ], \"ü\": null");
    assert_eq!(at(text, "/ü"), (Some("\"ü\": null".into()), "null".into()));
}

#[test]
fn a_problem_points_at_the_key_of_what_should_not_be_there_and_at_the_value_of_what_is_wrong() {
    let text = concat!(
        "document: { dsl: '1.0.3', namespace: n, name: a, version: '1.0.0' }\n",
        "do:\n",
        "  - one:\n",
        "      wait: { secs: 3 }\n",
        "      then: nowhere\n",
        "  - two: {}\n",
    );
    let mut found: Vec<_> = load(text, Format::Auto)
        .unwrap_err()
        .into_iter()
        .map(|problem| (problem.code, problem.line.unwrap(), problem.column.unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("OC-WF-010", 4, 15), ("OC-WF-011", 6, 5), ("OC-WF-030", 5, 13)]);
}

#[test]
fn a_problem_without_a_place_of_its_own_stands_at_the_next_one_above() {
    let text = "document: { dsl: '1.0.3', namespace: n, name: a, version: '1.0.0' }\n";
    let problems = load(text, Format::Auto).unwrap_err();
    assert_eq!((problems[0].line, problems[0].column), (Some(1), Some(1)), "{problems:?}");
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::from),
        "[a-z~/: #\"'é😀-]{0,8}".prop_map(Value::String),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let name = "[a-z~/: é😀]{1,6}";
    let value = scalar().prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((name, inner), 0..5)
                .prop_map(|entries| Value::Object(Map::from_iter(entries))),
        ]
    });
    prop::collection::vec((name, value), 1..5).prop_map(|entries| Value::Object(Map::from_iter(entries)))
}

/// Writes `value` as YAML: block style down to `flow` levels, flow style below; scalars quoted or plain by their text.
fn write(value: &Value, indent: usize, flow: usize, into: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if flow > 0 && !map.is_empty() => {
            for (key, item) in map {
                into.push_str(&format!("{pad}{}:", json!(key)));
                write_below(item, indent, flow, into);
            }
        }
        Value::Array(items) if flow > 0 && !items.is_empty() => {
            for item in items {
                into.push_str(&format!("{pad}-"));
                write_below(item, indent, flow, into);
            }
        }
        other => into.push_str(&format!("{pad}{other}\n")),
    }
}

fn write_below(item: &Value, indent: usize, flow: usize, into: &mut String) {
    let blocks = flow > 1
        && match item {
            Value::Object(map) => !map.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::String(text) => {
                let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
                if plain && !matches!(text.as_str(), "true" | "false" | "null") {
                    into.push_str(&format!(" |-\n{}{text}\n", "  ".repeat(indent + 1)));
                    return;
                }
                false
            }
            _ => false,
        };
    if blocks {
        into.push('\n');
        write(item, indent + 1, flow - 1, into);
    } else {
        into.push(' ');
        into.push_str(&item.to_string());
        into.push('\n');
    }
}

/// Compares what stands at each place of `value` with the value.
fn compare(text: &str, source: &Source, path: &str, value: &Value) -> Result<(), TestCaseError> {
    let place = source.place(path).ok_or_else(|| TestCaseError::fail(format!("{path} is not found")))?;
    let here = text_at(text, place.value);
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                let path = crate::definition::reader::join(path, key);
                let mark = source.place(&path).and_then(|place| place.key);
                let mark = mark.ok_or_else(|| TestCaseError::fail(format!("{path} has no key")))?;
                prop_assert!(text_at(text, mark).starts_with(&json!(key).to_string()), "{path} in {text}");
                compare(text, source, &path, item)?;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                compare(text, source, &format!("{path}/{index}"), item)?;
            }
        }
        scalar => {
            // A text in block style stands where its first line begins.
            let block = scalar.as_str().is_some_and(|text| !text.is_empty() && here.starts_with(text));
            prop_assert!(block || here.starts_with(&scalar.to_string()), "{path} is at {here:?} in {text}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_stands_at_a_place_is_the_value_that_the_pointer_names(
        document in document(),
        shared in document(),
        flow in 1_usize..6,
    ) {
        let mut yaml = String::from("\"Shared\": &shared\n");
        write(&shared, 1, flow, &mut yaml);
        write(&document, 0, flow, &mut yaml);
        yaml.push_str("\"Again\": *shared\n");
        let source = Source::read(&yaml, Format::Yaml);
        let source = source.ok_or_else(|| TestCaseError::fail(format!("not read: {yaml}")))?;
        compare(&yaml, &source, "", &document)?;
        compare(&yaml, &source, "/Shared", &shared)?;
        // An alias stands where it is used, and what is in it where it was written.
        compare(&yaml, &source, "/Again", &shared)?;
        let again = source.place("/Again").map(|place| text_at(&yaml, place.value));
        prop_assert_eq!(again, Some("*shared\n"));

        let pretty = serde_json::to_string_pretty(&document).expect("a JSON value serialises");
        let source = Source::read(&pretty, Format::Json);
        let source = source.ok_or_else(|| TestCaseError::fail(format!("not read: {pretty}")))?;
        compare(&pretty, &source, "", &document)?;
    }
}
