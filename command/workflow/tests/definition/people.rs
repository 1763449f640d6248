//! `call: approval`, and tasks that wait for somebody when they fail.

use openclaw_workflow::definition::{Body, OutcomeTemplate};
use serde_json::{Value, json};

use crate::{codes, document, load};

fn asking(with: Value) -> Value {
    document(json!([{ "a": { "call": "approval", "with": with } }]))
}

#[test]
fn an_approval_has_choices_deciders_and_a_deadline() {
    let definition = load(asking(json!({
        "title": "Pay ${ .amount }?", "details": { "to": "${ .to }" }, "subject": "${ . }",
        "choices": ["yes", { "name": "no", "title": "No!", "schema": { "type": "string" } }],
        "assignees": "${ .people }", "roles": ["finance"], "quorum": 2,
        "deadline": { "after": "PT1H", "outcome": { "default": { "choice": "no", "answer": "late" } } },
    })));
    let Body::Approval(call) = &definition.tasks.0[0].body else { panic!() };
    assert_eq!((call.choices[1].title.as_deref(), call.quorum), (Some("No!"), 2));
    let deadline = call.deadline.as_ref().unwrap();
    assert!(matches!(&deadline.outcome, OutcomeTemplate::Default { choice, .. } if choice == "no"));
}

#[test]
fn an_approval_that_cannot_be_decided_is_refused() {
    let place = "/do/0/a/with";
    for (extra, code, path) in [
        (json!({ "title": 3 }), "OC-WF-012", "/title"),
        (json!({ "choices": [] }), "OC-WF-013", "/choices"),
        (json!({ "choices": ["a", "a"] }), "OC-WF-022", "/choices/1"),
        (json!({ "choices": ["${ .x }"] }), "OC-WF-013", "/choices/0"),
        (
            json!({ "choices": [{ "name": "a", "schema": { "type": "x" } }] }),
            "OC-WF-023",
            "/choices/0/schema",
        ),
        (json!({ "quorum": 0 }), "OC-WF-013", "/quorum"),
        (json!({ "quorum": 3, "assignees": ["a", "b"] }), "OC-WF-013", "/quorum"),
        (json!({ "assignee": ["a"] }), "OC-WF-010", "/assignee"),
        (json!({ "deadline": { "outcome": "deny" } }), "OC-WF-011", "/deadline"),
        (json!({ "deadline": { "after": "PT1H", "outcome": "allow" } }), "OC-WF-013", "/deadline/outcome"),
        (
            json!({ "deadline": { "after": "PT1H", "outcome": { "default": { "choice": "aprove" } } } }),
            "OC-WF-021",
            "/deadline/outcome/default/choice",
        ),
        (
            json!({ "deadline": { "after": "PT1H", "outcome": { "escalate": {} } } }),
            "OC-WF-011",
            "/deadline/outcome/escalate",
        ),
    ] {
        let mut with = json!({ "title": "Pay?" });
        for (key, value) in extra.as_object().unwrap() {
            with[key] = value.clone();
        }
        let found = codes(asking(with));
        assert!(found.contains(&(code, format!("{place}{path}"))), "{extra}: {found:?}");
    }
    assert!(codes(asking(json!({}))).contains(&("OC-WF-011", place.to_owned())));
}

#[test]
fn a_task_may_wait_for_somebody_when_it_fails() {
    let task = |value: &str| {
        document(json!([{ "a": { "set": { "x": 1 }, "metadata": { "onFault": value, "owner": "ops" } } }]))
    };
    assert!(load(task("pause")).tasks.0[0].hold);
    assert!(!load(task("fault")).tasks.0[0].hold);
    assert_eq!(codes(task("stop"))[0].1, "/do/0/a/metadata/onFault");
}
