//! Effects whose outcome is unknown.

use openclaw_model::event::run::Resolution;

use super::*;

fn uncertain(class: &str, extra: Value) -> Bench {
    let mut with = json!({ "method": "post", "endpoint": "http://localhost/orders" });
    let mut metadata = json!({ "effect": class });
    if class == "queryable" {
        metadata["inquiry"] =
            json!({ "endpoint": "http://localhost/orders/{order}", "query": { "by": "${ .order }" } });
    }
    with["body"] = json!({ "order": "${ .order }" });
    let mut task = json!({ "call": "http", "with": with, "metadata": metadata });
    for (key, value) in extra.as_object().unwrap() {
        task[key] = value.clone();
    }
    run(json!([{ "pay": task }]), json!({ "order": "o 1" }))
}

fn reconcile(bench: &mut Bench, resolution: Resolution) -> Result<(), Rejection> {
    bench.command(Command::Reconcile { task: TaskId(1), resolution, note: Some("asked".into()) })
}

#[test]
fn an_unknown_effect_is_reconciled_in_three_ways() {
    let mut bench = uncertain("irreversible", json!({ "output": { "as": "${ .id }" } }));
    let succeeded = Resolution::Succeeded { output: json!({ "id": 7 }) };
    assert_eq!(
        reconcile(&mut bench, succeeded.clone()),
        Err(Rejection::NotUnknown { task: TaskId(1) }),
        "it is under way"
    );
    bench.step(Stimulus::Recovered);
    assert_eq!(bench.state.status(), Status::Suspended);
    reconcile(&mut bench, succeeded).unwrap();
    assert_eq!(bench.output(), json!(7), "what it gave is transformed as ever");

    let mut bench = uncertain("irreversible", json!({}));
    bench.step(Stimulus::Recovered);
    reconcile(&mut bench, Resolution::Failed { error: broken() }).unwrap();
    assert_eq!((bench.error().status, bench.error().instance.as_deref()), (503, Some("/do/0/pay")));

    let mut bench = uncertain("irreversible", json!({}));
    let key = bench.intents()[0].key.clone();
    bench.step(Stimulus::Recovered);
    reconcile(&mut bench, Resolution::NotDone).unwrap();
    assert_eq!(bench.intents()[0].key, key, "it is tried again under its key");
    assert!(matches!(pending(&bench.state)[0], Pending::Effect { dispatch: 2, .. }));
    assert_eq!(reconcile(&mut bench, Resolution::NotDone), Err(Rejection::NotUnknown { task: TaskId(1) }));
}

#[test]
fn an_effect_that_somebody_says_failed_is_tried_anew_by_a_retry() {
    let mut bench = uncertain("irreversible", json!({}));
    let key = bench.intents()[0].key.clone();
    bench.step(Stimulus::Recovered);
    reconcile(&mut bench, Resolution::Failed { error: broken() }).unwrap();
    bench.command(Command::Retry { task: None }).unwrap();
    assert_eq!(bench.intents()[0].key, key);
}

#[test]
fn an_unknown_effect_has_no_time_limit_until_it_is_tried_again() {
    let mut bench = uncertain("irreversible", json!({ "timeout": { "after": { "seconds": 5 } } }));
    bench.step(Stimulus::Recovered);
    assert_eq!(bench.due(), None);
    bench.pass(60_000);
    assert_eq!(bench.state.status(), Status::Suspended);
    reconcile(&mut bench, Resolution::NotDone).unwrap();
    assert_eq!(bench.due(), Some(bench.now.plus_millis(5_000)));
}

#[test]
fn a_queryable_effect_is_asked_and_goes_by_the_answer() {
    let asked = |answer| {
        let mut bench = uncertain("queryable", json!({}));
        bench.step(Stimulus::Recovered);
        assert_eq!(bench.count("run.effect_unknown"), 0, "the shell asks first");
        let intent = bench.intents()[0].clone();
        assert_eq!(intent.class, EffectClass::Queryable);
        let inquiry = intent.inquiry.as_ref().unwrap();
        assert_eq!((inquiry.method.as_str(), inquiry.url.as_str()), ("GET", "http://localhost/orders/o%201"));
        assert_eq!(inquiry.query["by"], "o 1");
        bench.step(Stimulus::Asked { task: TaskId(1), answer });
        bench
    };
    assert_eq!(asked(Ok(Some(json!({ "paid": true })))).output(), json!({ "paid": true }));
    let again = asked(Ok(None));
    assert!(matches!(pending(&again.state)[0], Pending::Effect { dispatch: 2, .. }));
    let mut unknown = asked(Err(broken()));
    assert_eq!(unknown.state.status(), Status::Suspended);
    // Asking once more may help.
    unknown.step(Stimulus::Asked { task: TaskId(1), answer: Err(broken()) });
    assert_eq!(unknown.count("run.effect_unknown"), 1);
    unknown.step(Stimulus::Asked { task: TaskId(1), answer: Ok(None) });
    assert_eq!(unknown.effects().len(), 1, "it did not happen, so it is pending again");
}

#[test]
fn an_answer_for_a_task_that_is_gone_changes_nothing() {
    let mut bench = uncertain("queryable", json!({}));
    bench.step(Stimulus::Asked { task: TaskId(9), answer: Ok(None) });
    bench.command(Command::Cancel { reason: None, kill: false }).unwrap();
    let before = bench.history.len();
    bench.step(Stimulus::Asked { task: TaskId(1), answer: Ok(Some(json!(1))) });
    assert_eq!(bench.history.len(), before);
}
