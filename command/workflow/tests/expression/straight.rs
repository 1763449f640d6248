//! Evaluating straight programs, here and as a worker does it.

use std::thread;

use openclaw_workflow::expression::{Expression, Failure, Local};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Variables, failure, local, parse, remote};

fn none() -> Variables {
    Variables::default()
}

#[test]
fn the_first_result_counts_and_no_result_is_null() {
    assert_eq!(local("1, 2", &json!(null), &none()).unwrap(), json!(1));
    assert_eq!(local("empty", &json!(null), &none()).unwrap(), Value::Null);
    assert_eq!(local(".missing.deeper", &json!({}), &none()).unwrap(), Value::Null);
}

#[test]
fn variables_come_from_the_scope() {
    let scope = Variables::of(&[("context", json!({ "a": 1 })), ("item", json!([2]))]);
    assert_eq!(local("[$item, $context.a]", &json!(null), &scope).unwrap(), json!([[2], 1]));
    assert_eq!(failure(local("$gone", &json!(null), &scope)), Some(Failure::UnknownVariable));
}

#[test]
fn failures_carry_a_code_and_the_expression() {
    let error = local(".a.b", &json!({ "a": "text" }), &none()).unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Jq));
    assert!(
        error.reason.contains("cannot index") && error.reason.contains("(in `.a.b`)"),
        "{}",
        error.reason
    );
    assert_eq!(failure(local("error(\"x\")", &json!(1), &none())), Some(Failure::Jq));
    assert_eq!(failure(local("1 / 0", &json!(null), &none())), Some(Failure::NotJson));
    assert_eq!(
        failure(local("{(1|tostring): 1} | {a: .} | {(.a): 1}", &json!(null), &none())),
        Some(Failure::NotJson)
    );
    let huge = json!("x".repeat(100_000));
    assert!(local(".a", &huge, &none()).unwrap_err().reason.len() < 1_000, "quoted values are cut");
}

#[test]
fn numbers_survive() {
    for number in
        ["9007199254740993", "18446744073709551615", "-9223372036854775808", "0.1", "1e300", "123456789.123"]
    {
        let value: Value = serde_json::from_str(number).unwrap();
        assert_eq!(local(".", &value, &none()).unwrap(), value, "{number}");
        assert_eq!(remote(".", &value, &none()).unwrap(), value, "{number}");
    }
    assert_eq!(local("6 / 2", &json!(null), &none()).unwrap().to_string(), "3");
    assert_eq!(local("7 / 2", &json!(null), &none()).unwrap().to_string(), "3.5");
    assert_eq!(local(". + 1", &json!(i64::MAX), &none()).unwrap(), json!(9_223_372_036_854_775_808_u64));
}

#[test]
fn results_cannot_grow_or_nest_without_end() {
    let deep = (0..90).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(failure(local("[[[[[[[[.]]]]]]]]", &deep, &none())), Some(Failure::TooLarge));
    let large = json!("x".repeat(200_000));
    let many = format!("[{}]", vec!["."; 50].join(", "));
    assert_eq!(failure(local(&many, &large, &none())), Some(Failure::TooLarge));
}

#[test]
fn the_largest_straight_programs_fit_a_small_stack() {
    let programs = [
        format!(".{}", " + 1".repeat(35)),
        format!("{}.{}", "[".repeat(60), "]".repeat(60)),
        format!(".{}", " | .".repeat(60)),
        format!("{{{}}}", (0..60).map(|n| format!("k{n}: .")).collect::<Vec<_>>().join(", ")),
        format!("{}.{}", "(. // ".repeat(50), ")".repeat(50)),
    ];
    let small = thread::Builder::new().stack_size(1024 * 1024);
    let run = small.spawn(move || {
        for program in programs {
            assert!(parse(&program).is_straight(), "{program}");
            local(&program, &json!(1), &none()).unwrap_or_else(|error| panic!("{program}: {error}"));
        }
    });
    run.unwrap().join().unwrap();
}

#[test]
fn general_programs_are_never_evaluated_in_process() {
    let expression = Expression::parse("repeat(.)").unwrap();
    let error = Local::new().evaluate_with(&expression, &json!(1), &[]).unwrap_err();
    assert_eq!(error.failure(), Some(Failure::NoWorker));
}

fn programs() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".",
        ".a",
        ".b",
        ".a.b",
        ".[0]",
        ".[1:]",
        "$x",
        "$x.a",
        "1",
        "0.5",
        "\"t\"",
        "null",
        "true",
        "[]",
        "{}",
        "length",
        "keys",
        "tojson",
        "not",
        "type",
        "first",
        "empty",
        "error",
        "ascii_upcase",
        "floor",
        "reverse",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator =
            prop::sample::select(vec!["+", "-", "/", "%", "==", "<", "and", "or", "//", "|", ",", "* 2 +"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(l, op, r)| format!("({l} {op} {r})")),
            inner.clone().prop_map(|x| format!("[{x}]")),
            inner.clone().prop_map(|x| format!("({x})?")),
            inner.clone().prop_map(|x| format!("\"<\\({x})>\"")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("{{a: ({x}), b: ({y})}}")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("(try ({x}) catch ({y}))")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("(({x}) as $x | ({y}))")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(x, y, z)| format!("(if {x} then {y} else {z} end)")),
        ]
    })
}

fn inputs() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            (inner.clone(), inner).prop_map(|(a, b)| json!({ "a": a, "b": b })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn straight_programs_give_here_what_they_give_in_a_worker(
        program in programs(), input in inputs(), x in inputs(),
    ) {
        let scope = Variables::of(&[("x", x)]);
        let expression = parse(&program);
        if expression.is_straight() {
            let here = local(&program, &input, &scope);
            let there = remote(&program, &input, &scope).map_err(|error| error.in_expression(&program));
            prop_assert_eq!(here, there, "{} on {}", program, input);
        }
    }
}
