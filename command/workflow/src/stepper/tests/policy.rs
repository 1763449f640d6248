//! Policies in the stepper: what is denied never happens, what people are asked about waits for them, and what a run
//! has read is not forgotten.

use openclaw_model::event::{
    policy::{Action, Verdict},
    run::Resolution,
};

use super::*;
use crate::policy::{Policy, of_value};

fn guarded(rules: Value, tasks: Value) -> Bench {
    let mut bench = Bench::new(tasks, json!({ "n": 1 }));
    bench.policies = bench.policies.with(policy(1, rules));
    bench.step(Stimulus::None);
    bench
}

fn policy(version: u64, rules: Value) -> Policy {
    let rules = of_value(&json!({ "rules": rules })).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Policy { namespace: "t".into(), version, rules }
}

fn http(url: &str) -> Value {
    json!({ "call": "http", "with": { "method": "post", "endpoint": url }, "metadata": { "effect": "irreversible" } })
}

fn verdicts(bench: &Bench) -> Vec<Option<Box<Verdict>>> {
    let starts = bench.history.iter().filter_map(|event| match event {
        RunEvent::TaskStarted(data) => Some(data),
        _ => None,
    });
    starts
        .filter_map(|data| match &data.work {
            openclaw_model::event::run::Work::Effect(intent) => Some(intent.verdict.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn without_a_policy_nothing_is_recorded() {
    let bench = run(json!([{ "a": shell("x") }]), json!({}));
    assert_eq!(verdicts(&bench), [None]);
    assert_eq!(bench.effects().len(), 1);
}

#[test]
fn what_is_denied_is_recorded_and_never_pending() {
    let rules = json!([{ "name": "no shell", "tools": ["shell"], "action": "deny" }]);
    let bench = guarded(rules, json!([{ "a": shell("rm -rf /") }]));
    assert!(bench.effects().is_empty());
    let error = bench.error();
    assert_eq!((error.status, error.instance.as_deref()), (403, Some("/do/0/a")));
    assert!(error.detail.as_ref().unwrap().contains("OC-POL-002"), "{error:?}");
    let verdict = verdicts(&bench).remove(0).expect("it is recorded");
    assert_eq!(
        (verdict.action, verdict.rule.as_deref(), verdict.version),
        (Action::Deny, Some("no shell"), 1)
    );
}

#[test]
fn a_denial_can_be_caught_and_a_retry_is_judged_anew() {
    let rules = json!([{ "name": "no", "tools": ["shell"], "when": ".arguments.command == \"b\"", "action": "deny" }]);
    let caught = json!([{ "t": {
        "try": [{ "a": shell("b") }],
        "catch": { "errors": { "with": { "status": 403 } }, "do": [{ "c": shell("safe") }] },
    } }]);
    let bench = guarded(rules.clone(), caught);
    assert_eq!(bench.commands()[0].0, "safe");

    let mut bench = guarded(rules, json!([{ "a": shell("b") }]));
    bench.command(Command::Retry { task: None }).unwrap();
    assert!(bench.effects().is_empty(), "denied again");
    bench.policies = Policies::none();
    bench.command(Command::Retry { task: None }).unwrap();
    assert_eq!(bench.commands()[0].0, "b");
}

#[test]
fn what_people_are_asked_about_is_not_dispatched_before_they_allow_it() {
    let rules = json!([{ "name": "ask", "tools": ["http"], "action": "ask" }]);
    let mut bench = guarded(rules, json!([{ "a": http("http://x.test/") }]));
    let asking = |bench: &Bench| matches!(pending(&bench.state)[..], [Pending::Effect { dispatch: 0, .. }]);
    assert!(asking(&bench));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.step(Stimulus::Recovered);
    assert!(asking(&bench), "a restart asks on, and does not take it for done");
    assert_eq!(bench.count("run.effect_unknown"), 0);
    bench.step(Stimulus::Permitted { task: TaskId(1) });
    assert!(matches!(pending(&bench.state)[..], [Pending::Effect { dispatch: 1, .. }]));
    bench.step(Stimulus::Permitted { task: TaskId(1) });
    assert_eq!(bench.count("run.effect_permitted"), 1, "one permission is used once");
    bench.step(Stimulus::Recovered);
    assert_eq!(bench.count("run.effect_unknown"), 1, "from here on it may have happened");
}

#[test]
fn what_people_allowed_is_judged_again_by_the_policies_of_then() {
    let ask = |name: &str| json!([{ "name": name, "tools": ["http"], "action": "ask" }]);
    let mut bench = guarded(ask("ask"), json!([{ "a": http("http://x.test/") }]));
    let digest = |bench: &Bench| bench.intents()[0].verdict.as_ref().unwrap().ask.as_ref().unwrap().digest;
    let first = digest(&bench);
    bench.policies = bench.policies.with(policy(2, ask("ask more")));
    bench.step(Stimulus::Permitted { task: TaskId(1) });
    assert_eq!((bench.count("run.effect_permitted"), bench.count("run.effect_judged")), (0, 1));
    assert_ne!(digest(&bench), first, "another question, which the first answer does not fit");
    bench.step(Stimulus::Permitted { task: TaskId(1) });
    assert_eq!(bench.count("run.effect_permitted"), 1);

    let mut bench = guarded(ask("ask"), json!([{ "a": http("http://x.test/") }]));
    let deny = json!([{ "name": "no", "tools": ["http"], "action": "deny" }]);
    bench.policies = bench.policies.with(policy(2, deny));
    bench.step(Stimulus::Permitted { task: TaskId(1) });
    assert_eq!((bench.count("run.effect_permitted"), bench.error().status), (0, 403));
}

#[test]
fn the_same_question_is_asked_at_each_attempt_and_another_for_other_arguments() {
    let rules = json!([{ "name": "ask", "tools": ["shell"], "action": "ask" }]);
    let retried = |command: Value| {
        json!([{ "t": {
            "try": [{ "a": { "run": { "shell": { "command": command } } } }],
            "catch": { "retry": { "limit": { "attempt": { "count": 2 } } } },
        } }])
    };
    let questions = |tasks: Value| {
        let mut bench = guarded(rules.clone(), tasks);
        let task = bench.open("a");
        bench.step(Stimulus::Permitted { task });
        bench.now = bench.now.plus_millis(5);
        bench.answer(task, Err(broken()));
        bench.step(Stimulus::None);
        let asked: Vec<_> =
            verdicts(&bench).into_iter().map(|verdict| verdict.unwrap().ask.unwrap()).collect();
        assert_eq!(asked.len(), 2, "{:#?}", bench.history);
        (asked[0].clone(), asked[1].clone())
    };
    let (first, second) = questions(retried(json!("same")));
    assert_eq!((first.approval, first.digest), (second.approval, second.digest));
    let changing = "${ \"at \" + ($task.startedAt.epoch.milliseconds | tostring) }";
    let (first, second) = questions(retried(json!(changing)));
    assert_eq!(first.approval, second.approval, "of the same effect");
    assert_ne!(first.digest, second.digest);
}

#[test]
fn outcomes_label_a_run_and_nothing_takes_a_label_away() {
    let tasks = json!([
        { "read": http("http://x.test/") },
        { "run": shell("x") },
        { "hear": { "listen": { "to": { "one": { "with": { "type": "e" } } } } } },
        { "last": shell("y") },
    ]);
    let mut bench = guarded(json!([{ "name": "all", "tools": ["*"], "action": "allow" }]), tasks);
    let labels = |bench: &Bench| bench.state.reached.labels().names().collect::<Vec<_>>().join(" ");
    assert_eq!(labels(&bench), "");
    bench.answer(TaskId(1), Ok(json!("page")));
    assert_eq!(labels(&bench), "untrusted web");
    bench.reply("x", Ok(json!("out")));
    assert_eq!(labels(&bench), "untrusted web tool_output");
    let event = Arc::new(json!({ "type": "e" }));
    bench.step(Stimulus::Event { position: Position(9), event, tasks: vec![TaskId(3)] });
    assert_eq!(labels(&bench), "untrusted web tool_output message");
    let recorded: Vec<_> =
        verdicts(&bench).into_iter().map(|verdict| verdict.unwrap().labels.len()).collect();
    assert_eq!(recorded, [0, 2, 4], "each decision has what had reached the run by then");
    // Every prefix of the history has no more labels than the whole of it.
    let mut state = State::default();
    let mut before = Labels::NONE;
    for (version, event) in (1..).zip(&bench.history) {
        Run::evolve(&mut state, event, Version(version), bench.now);
        assert!(state.reached.labels().contains(before));
        before = state.reached.labels();
    }
}

#[test]
fn an_error_labels_as_a_result_does_and_a_denial_does_not() {
    let failing = |rules: Value| {
        let mut bench = guarded(
            rules,
            json!([{ "t": {
            "try": [{ "a": http("http://x.test/") }],
            "catch": { "do": [{ "b": shell("after") }] },
        } }]),
        );
        if let Some((task, _)) = bench.effects().into_iter().find(|(_, r)| matches!(r, Request::Http(_))) {
            bench.answer(task, Err(broken()));
        }
        assert_eq!(bench.commands()[0].0, "after");
        bench.state.reached.labels()
    };
    assert_eq!(failing(json!([])), Labels::UNTRUSTED.and(Labels::WEB));
    let deny = json!([{ "name": "no", "tools": ["http"], "action": "deny" }]);
    assert_eq!(failing(deny), Labels::NONE, "nothing was read");
}

#[test]
fn what_somebody_says_an_effect_gave_is_as_untrusted_as_what_it_gave() {
    let mut bench = guarded(json!([]), json!([{ "a": http("http://x.test/") }, { "b": shell("x") }]));
    bench.step(Stimulus::Recovered);
    let resolution = Resolution::Succeeded { output: json!("page") };
    bench.command(Command::Reconcile { task: TaskId(1), resolution, note: None }).unwrap();
    assert!(bench.state.reached.labels().contains(Labels::WEB));
}

#[test]
fn a_child_hands_its_labels_to_its_parent_and_gets_those_of_its_parent() {
    let child = json!({ "run": { "workflow": { "namespace": "t", "name": "c", "version": "1.0.0" } } });
    let tasks = json!([{ "a": shell("x") }, { "c": child }, { "b": shell("y") }]);
    let mut bench = guarded(json!([]), tasks);
    bench.reply("x", Ok(json!("")));
    let Some((task, Request::Run(request))) = bench.effects().pop() else { panic!() };
    assert_eq!(Labels::of_set(&request.data_labels), Labels::UNTRUSTED.and(Labels::TOOL_OUTPUT));
    let labels = Labels::UNTRUSTED.and(Labels::WEB);
    bench.step(Stimulus::Child { task, outcome: Ok(json!("page")), labels });
    assert_eq!(bench.commands()[0].0, "y");
    assert!(bench.state.reached.labels().contains(labels.and(Labels::TOOL_OUTPUT)));
}

#[test]
fn a_document_that_lists_secrets_counts_as_holding_them() {
    let mut bench =
        Bench::of(json!({ "use": { "secrets": ["key"] }, "do": [{ "a": shell("x") }] }), json!({}));
    bench.policies = bench.policies.with(policy(
        1,
        json!([
            { "name": "no", "tools": ["shell"], "labels": { "all": ["secret"] }, "action": "deny" }
        ]),
    ));
    bench.step(Stimulus::None);
    assert_eq!(bench.error().status, 403);
}
