//! What is an expression, and what is refused before it is ever run.

use openclaw_workflow::expression::{Expression, ParseErrorKind, Template};
use proptest::prelude::*;

use crate::parse;

fn kind(program: &str) -> ParseErrorKind {
    Expression::parse(program).expect_err(program).kind
}

#[test]
fn free_variables_are_found_and_bound_ones_are_not() {
    let variables = |program: &str| parse(program).variables.join(" ");
    assert_eq!(variables("$context.a + $item"), "context item");
    assert_eq!(variables(". as $x | $x + $y"), "y");
    assert_eq!(variables(". as [$a, {b: $c}] | [$a, $c, $d]"), "d");
    assert_eq!(variables("reduce .[] as $x (0; . + $x + $z)"), "z");
    assert_eq!(variables("def f($p): $p + $q; f(1)"), "q");
    assert_eq!(variables("{$context, a: $b}"), "b context");
    assert_eq!(variables(r#""text \($x)""#), "x");
    assert_eq!(variables("(. as $x | 1) + $x"), "x");
}

#[test]
fn what_reaches_outside_is_refused() {
    for program in [
        "now",
        "env",
        "env.HOME",
        "input",
        "inputs",
        "debug",
        "debug(1)",
        "stderr",
        "halt",
        "halt_error",
        "localtime",
        "strflocaltime(\"%H\")",
        "input_line_number",
        "get_search_list",
    ] {
        assert_eq!(kind(program), ParseErrorKind::Function, "{program}");
    }
    for program in ["include \"a\"; .", "import \"a\" as a; .", "a::b"] {
        assert!(Expression::parse(program).is_err(), "{program}");
    }
    assert_eq!(parse("$ENV").variables.as_ref(), ["ENV"], "a variable like any other, which nobody has");
}

#[test]
fn errors_say_what_was_expected_and_where() {
    let error = Expression::parse(".a | ) ").unwrap_err();
    assert_eq!((error.offset, error.kind), (Some(5), ParseErrorKind::Syntax));
    let error = Expression::parse("map(.x").unwrap_err();
    assert_eq!(error.to_string(), "`(` is never closed");
    let error = Expression::parse("if .a then 1").unwrap_err();
    assert_eq!(error.to_string(), "expected else or end, found the end");
    let error = Expression::parse("lenght").unwrap_err();
    assert_eq!(error.suggestion().as_deref(), Some("did you mean `length`?"));
    assert_eq!(kind(""), ParseErrorKind::Syntax);
    assert_eq!(kind("break $out"), ParseErrorKind::Function);
    assert_eq!(kind("reduce . as $x (0)"), ParseErrorKind::Syntax);
}

#[test]
fn programs_that_would_exhaust_the_parser_are_refused_or_parsed_in_time() {
    for program in [
        "(".repeat(10_000),
        "[".repeat(10_000),
        "-".repeat(10_000),
        "\"\\(".repeat(10_000),
        "def f: ".repeat(3_000),
        format!("{}.", "try ".repeat(5_000)),
        format!("{}{}", "if . then ".repeat(1_000), ". end ".repeat(1_000)),
        "x".repeat(1_000_000),
    ] {
        assert!(Expression::parse(&program).is_err());
    }
    // The largest that are allowed: they recurse as deep as they may.
    for program in [
        format!("{}1", "-".repeat(4_000)),
        format!("{}.", "try ".repeat(2_000)),
        format!(".{}", " | .".repeat(2_000)),
        format!(".{}", " as $x | .".repeat(600)),
        format!("{}.[]{}", "(".repeat(60), ")".repeat(60)),
    ] {
        assert!(!parse(&program).is_straight());
    }
}

#[test]
fn templates_find_the_end_of_their_expressions() {
    let kind = |text: &str| match Template::parse(text, false).unwrap() {
        Template::Literal(value) => format!("literal {value}"),
        Template::Expression(expression) => format!("expression {}", expression.text),
        Template::Text(segments) => format!("text {}", segments.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind("${ {a: {b: 1}} }"), "expression {a: {b: 1}}");
    assert_eq!(kind("  ${ .a }\n"), "expression .a");
    assert_eq!(kind(r#"${ "}" }"#), r#"expression "}""#);
    assert_eq!(kind("${ .a } and ${ .b }"), "text 3");
    assert_eq!(kind("${ .a }${ .b }"), "text 2");
    assert_eq!(kind("plain $text {x}"), r#"literal "plain $text {x}""#);
    assert_eq!(kind("shell $${HOME}"), r#"literal "shell ${HOME}""#);
    assert!(Template::parse("a ${ .b", false).is_err());
    assert!(Template::parse("${}", false).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn parsing_arbitrary_text_never_panics(text in "(?s).{0,60}") {
        let _ = Expression::parse(&text);
        let _ = Expression::parse_field(&text);
        let _ = Template::parse(&text, true);
    }

    #[test]
    fn parsing_what_looks_like_jq_never_panics(
        parts in prop::collection::vec(prop::sample::select(vec![
            ".", "..", ".a", "[", "]", "(", ")", "{", "}", "|", ",", "+", "-", "\"", "\\(", "\\", "$x", "as ", "def ",
            "f", ":", ";", "reduce ", "foreach ", "if ", "then ", "else ", "end ", "try ", "catch ", "label ",
            "break ", "?", "//", "=", "|=", "1", "1e5", "@base64", "#", "\n", "é", "::", "and ", "not", "map",
        ]), 0..40),
    ) {
        let text = parts.concat();
        let _ = Expression::parse(&text);
        let _ = Template::parse(&format!("x ${{{text}}} y"), false);
    }
}
