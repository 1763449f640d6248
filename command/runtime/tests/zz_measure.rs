use openclaw_runtime::evaluator::{JqEvaluator, WorkerCommand};
use openclaw_workflow::{
    definition,
    expression::{Evaluator, Expression, Scope},
};
use serde_json::{Value, json};
use std::time::Instant;
struct N;
impl Scope for N {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }
}
#[test]
fn measure() {
    let e = JqEvaluator::new(
        Some(WorkerCommand { program: env!("CARGO_BIN_EXE_expression-worker").into(), arguments: vec![] }),
        2,
    );
    for (p, input) in [
        (".a.b + 1", json!({"a":{"b":1}})),
        ("{x: .a, y: \"n \\(.a.b)\"}", json!({"a":{"b":1}})),
        ("map(. * 2) | add", json!([1, 2, 3])),
        ("[.[] | select(. > 2)]", json!((0..1000).collect::<Vec<_>>())),
    ] {
        let x = Expression::parse(p).unwrap();
        let t = Instant::now();
        e.evaluate(&x, &input, &N).unwrap();
        let first = t.elapsed();
        let t = Instant::now();
        for _ in 0..200 {
            e.evaluate(&x, &input, &N).unwrap();
        }
        eprintln!("{p}: straight {} first {first:?} then {:?}", x.is_straight(), t.elapsed() / 200);
    }
    let t = Instant::now();
    for _ in 0..100 {
        Expression::parse(".a.b + 1").unwrap();
    }
    eprintln!("parse {:?}", t.elapsed() / 100);
    let big = format!(".{}", " | .a".repeat(1000));
    let t = Instant::now();
    Expression::parse(&big).unwrap();
    eprintln!("parse 3000 tokens {:?}", t.elapsed());
    let doc = |tasks: Vec<Value>| json!({"document":{"dsl":"1.0.3","namespace":"a","name":"b","version":"1.0.0"},"do":tasks});
    for (name, d) in [
        ("10k set", doc((0..10_000).map(|n| json!({format!("t{n}"): {"set": {"x": "${ .a }"}}})).collect())),
        ("20k", doc((0..20_000).map(|n| json!({format!("t{n}"): {"set": {"x": 1}}})).collect())),
        (
            "10k bad",
            doc((0..10_000).map(|n| json!({format!("t{n}"): {"set": {"x": "${ nothing }"}}})).collect()),
        ),
        (
            "then bad",
            doc((0..10_000).map(|n| json!({format!("t{n}"): {"set": {"x": 1}, "then": "gone"}})).collect()),
        ),
        (
            "big exprs",
            doc((0..60)
                .map(
                    |n| json!({format!("t{n}"): {"set": {"x": format!("${{ .{} }}", " | .a".repeat(1000))}}}),
                )
                .collect()),
        ),
    ] {
        let text = d.to_string();
        let t = Instant::now();
        let r = definition::load(&text, definition::Format::Auto);
        eprintln!("{name} {} bytes ok={} {:?}", text.len(), r.is_ok(), t.elapsed());
        let t = Instant::now();
        let r = definition::load(&text, definition::Format::Yaml);
        eprintln!("   yaml ok={} {:?}", r.is_ok(), t.elapsed());
    }
}
