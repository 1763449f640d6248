//! Rendering templates.

use openclaw_workflow::expression::{EvaluationError, Failure, Local, Segment, Template};
use serde_json::{Value, json};

use crate::Variables;

fn render(template: &Template, input: &Value) -> Result<Value, EvaluationError> {
    template.render(&Local::new(), input, &Variables::default())
}

fn text(text: &str, input: &Value) -> Value {
    render(&Template::parse(text, false).unwrap(), input).unwrap()
}

#[test]
fn expressions_keep_their_type_alone_and_become_text_among_text() {
    let input = json!({ "n": 5, "s": "x", "list": [1, "a"] });
    assert_eq!(text("${ .n }", &input), json!(5));
    assert_eq!(text("n=${ .n } s=${ .s } l=${ .list }", &input), json!("n=5 s=x l=[1,\"a\"]"));
    assert_eq!(text("$${ .n } ${ .n }", &input), json!("${ .n } 5"));
}

#[test]
fn structure_is_kept() {
    let template = Template::Object(vec![
        (
            "a".into(),
            Template::Array(vec![Template::parse("${ .x }", false).unwrap(), Template::Literal(json!(2))]),
        ),
        ("b".into(), Template::Literal(json!({ "c": "${ .x }" }))),
    ]);
    assert_eq!(
        render(&template, &json!({ "x": 1 })).unwrap(),
        json!({ "a": [1, 2], "b": { "c": "${ .x }" } })
    );
}

#[test]
fn loose_texts_fall_back_to_themselves_when_jq_fails_and_only_then() {
    let loose = |text: &str| Template::parse(text, true).unwrap();
    assert_eq!(render(&loose(".a + 1"), &json!({ "a": 1 })).unwrap(), json!(2));
    assert_eq!(render(&loose(".a.b"), &json!({ "a": "text" })).unwrap(), json!(".a.b"));
    assert_eq!(render(&loose("hello world"), &json!({})).unwrap(), json!("hello world"));
    let failure = render(&loose("[range(.)]"), &json!(1)).unwrap_err().failure();
    assert_eq!(failure, Some(Failure::NoWorker), "a missing worker is no reason to guess");
}

#[test]
fn a_rendered_template_is_bounded_as_a_whole() {
    let part = || Template::parse("${ . }", false).unwrap();
    let many = Template::Array((0..100).map(|_| part()).collect());
    let input = json!("x".repeat(100_000));
    assert_eq!(render(&many, &input).unwrap_err().failure(), Some(Failure::TooLarge));
    let segments = match Template::parse(&"${ . }-".repeat(100), false).unwrap() {
        Template::Text(segments) => segments,
        other => panic!("{other:?}"),
    };
    assert!(segments.iter().any(|segment| matches!(segment, Segment::Literal(dash) if dash == "-")));
    assert_eq!(render(&Template::Text(segments), &input).unwrap_err().failure(), Some(Failure::TooLarge));
    let deep = (0..100).fold(part(), |inner, _| Template::Array(vec![inner]));
    assert_eq!(render(&deep, &json!(1)).unwrap_err().failure(), Some(Failure::TooLarge));
}
