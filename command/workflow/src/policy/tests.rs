//! Policies over uses of tools: which rule decides, and what a document may say.

use openclaw_model::event::run::{HttpRequest, Request, WorkflowRef};
use serde_json::{Value, json};

use super::*;
use crate::expression::Local;

fn workflow() -> WorkflowRef {
    WorkflowRef {
        namespace: "team".into(),
        name: "bot".into(),
        version: "1.0.0".into(),
        digest: Digest([0; 32]),
    }
}

fn policy(namespace: &str, document: &Value) -> Policy {
    let rules = of_value(document).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Policy { namespace: namespace.into(), version: 3, rules }
}

/// What `policies` say: action, policy and rule.
fn says(
    policies: &Policies,
    tool: &str,
    arguments: Value,
    labels: Labels,
) -> Option<(Action, String, Option<String>)> {
    let (workflow, tags) = (workflow(), BTreeMap::new());
    let usage = Use::imagined(tool, arguments, labels, &workflow, &tags);
    let evaluator = Local::new();
    let decision = decide(policies, &usage, &evaluator, false)?;
    let told =
        (decision.action, decision.policy.namespace.to_string(), decision.rule.map(|rule| rule.name.clone()));
    let all = decide(policies, &usage, &evaluator, true).unwrap();
    assert_eq!(all.action, decision.action, "looking at all the rules decides the same");
    assert_eq!(all.rule.map(|rule| &rule.name), decision.rule.map(|rule| &rule.name));
    Some(told)
}

fn of_one(document: &Value, tool: &str, arguments: Value, labels: Labels) -> (Action, Option<String>) {
    let policies = Policies::none().with(policy("team", document));
    let (action, _, rule) = says(&policies, tool, arguments, labels).unwrap();
    (action, rule)
}

#[test]
fn the_strictest_match_wins_and_the_first_of_it_gives_its_name() {
    let document = json!({ "rules": [
        { "name": "a", "tools": ["*"], "action": "allow" },
        { "name": "b", "tools": ["http"], "action": "ask" },
        { "name": "c", "tools": ["http", "shell"], "action": "deny" },
        { "name": "d", "tools": ["shell"], "action": "deny" },
    ] });
    let named = |tool| of_one(&document, tool, json!({}), Labels::NONE);
    assert_eq!(named("http"), (Action::Deny, Some("c".into())));
    assert_eq!(named("shell"), (Action::Deny, Some("c".into())));
    assert_eq!(named("grpc"), (Action::Allow, Some("a".into())));
}

#[test]
fn without_a_match_the_default_counts_which_is_to_allow() {
    let rules = json!([{ "name": "a", "agents": ["other/*"], "tools": ["*"], "action": "deny" }]);
    assert_eq!(of_one(&json!({ "rules": rules }), "http", json!({}), Labels::NONE), (Action::Allow, None));
    let closed = json!({ "default": "deny", "rules": rules });
    assert_eq!(of_one(&closed, "http", json!({}), Labels::NONE), (Action::Deny, None));
}

#[test]
fn no_policy_loosens_another() {
    let open = json!({ "rules": [{ "name": "open", "tools": ["*"], "action": "allow" }] });
    let closed = json!({ "default": "deny" });
    let both = Policies::none().with(policy("team", &open)).with(policy(EVERYWHERE, &closed));
    assert_eq!(says(&both, "http", json!({}), Labels::NONE), Some((Action::Deny, "*".into(), None)));
    let turned = Policies::none().with(policy("team", &closed)).with(policy(EVERYWHERE, &open));
    assert_eq!(says(&turned, "http", json!({}), Labels::NONE), Some((Action::Deny, "team".into(), None)));
    let elsewhere = Policies::none().with(policy("other", &closed));
    assert_eq!(says(&elsewhere, "http", json!({}), Labels::NONE), None, "another namespace's does not count");
}

#[test]
fn a_predicate_sees_the_use_and_fails_closed() {
    let rule = |when: &str, action: &str| json!({ "rules": [{ "name": "r", "tools": ["*"], "when": when, "action": action }] });
    let arguments = json!({ "host": "api.example.com", "count": 3 });
    let says =
        |when: &str, action: &str| of_one(&rule(when, action), "http", arguments.clone(), Labels::WEB).0;
    assert_eq!(says(".arguments.host == \"api.example.com\"", "deny"), Action::Deny);
    assert_eq!(says("${ .arguments.host == \"x\" }", "deny"), Action::Allow);
    assert_eq!(says(".tool == \"http\" and (.labels | index(\"web\")) != null", "ask"), Action::Ask);
    assert_eq!(says(".run.namespace == \"team\" and .run.workflow == \"bot\"", "deny"), Action::Deny);
    for odd in [".arguments.host + 1 > 0", ".arguments.nothing", "1", "\"true\"", "error(\"no\")", "empty"] {
        assert_eq!(says(odd, "deny"), Action::Deny, "{odd}");
        assert_eq!(says(odd, "ask"), Action::Ask, "{odd}");
        let closed = json!({ "default": "deny", "rules": rule(odd, "allow")["rules"] });
        assert_eq!(of_one(&closed, "http", arguments.clone(), Labels::NONE).0, Action::Deny, "{odd}");
    }
}

#[test]
fn labels_are_tested_for_some_all_and_none() {
    let rule = |labels: Value| json!({ "rules": [{ "name": "r", "tools": ["*"], "labels": labels, "action": "deny" }] });
    let seen = Labels::UNTRUSTED.and(Labels::WEB);
    let says = |labels: Value| of_one(&rule(labels), "http", json!({}), seen).0;
    assert_eq!(says(json!({ "any": ["web", "secret"] })), Action::Deny);
    assert_eq!(says(json!({ "any": ["secret", "message"] })), Action::Allow);
    assert_eq!(says(json!({ "all": ["untrusted", "web"] })), Action::Deny);
    assert_eq!(says(json!({ "all": ["untrusted", "secret"] })), Action::Allow);
    assert_eq!(says(json!({ "none": ["secret"] })), Action::Deny);
    assert_eq!(says(json!({ "none": ["web", "secret"] })), Action::Allow);
    assert_eq!(says(json!({})), Action::Deny);
}

#[test]
fn a_host_is_what_will_be_called_in_whatever_way_it_is_written() {
    let host = |url: &str| {
        let request = Request::Http(HttpRequest {
            method: "GET".into(),
            url: url.into(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            body: None,
            output: Default::default(),
            redirect: false,
            authentication: None,
        });
        let arguments = arguments(&request);
        assert!(arguments.get("output").is_none());
        (arguments["scheme"].clone(), arguments["host"].clone(), arguments["port"].clone())
    };
    assert_eq!(host("https://api.example.com@evil.test/x"), (json!("https"), json!("evil.test"), json!(443)));
    assert_eq!(host("HTTP://EVIL.test:8080/"), (json!("http"), json!("evil.test"), json!(8080)));
    assert_eq!(host("http://0x7f.1/").1, json!("127.0.0.1"));
    assert_eq!(host("http://[::1]/").1, json!("::1"));
    assert_eq!(host("http:\\\\evil.test\\a").1, json!("evil.test"));
    assert_eq!(host("no url"), (json!(null), json!(null), json!(null)));
}

#[test]
fn every_problem_of_a_document_is_reported_with_its_place() {
    let text = r#"
default: maybe
rules:
  - name: one
    tools: [htp, "*"]
    action: deny
    when: "$secrets.x"
  - name: one
    tools: [http]
    action: allow
    ask: { quorum: 0 }
    labels: { any: [webb], some: [] }
  - tools: []
    action: deny
    agents: team
    when: ".a |"
  - name: two
    tools: ["*"]
    action: ask
    ask: { assignees: [ada], quorum: 2, deadline: PT0S }
"#;
    let problems = load(text).unwrap_err();
    let told: Vec<(&str, &str)> = problems.iter().map(|problem| (problem.code, &*problem.path)).collect();
    for expected in [
        ("OC-WF-013", "/rules/0/tools/0"),
        ("OC-WF-034", "/rules/0/when"),
        ("OC-WF-013", "/rules/1/ask"),
        ("OC-WF-013", "/rules/1/ask/quorum"),
        ("OC-WF-010", "/rules/1/labels/some"),
        ("OC-WF-013", "/rules/1/labels/any/0"),
        ("OC-WF-011", "/rules/2"),
        ("OC-WF-013", "/rules/2/tools"),
        ("OC-WF-012", "/rules/2/agents"),
        ("OC-WF-032", "/rules/2/when"),
        ("OC-WF-013", "/rules/3/ask/deadline"),
        ("OC-WF-013", "/default"),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:#?}");
    }
    let slip = problems.iter().find(|problem| problem.path == "/rules/0/tools/0").unwrap();
    assert_eq!(slip.suggestion.as_deref(), Some("did you mean `http`?"));
    assert_eq!((slip.line, slip.column), (Some(5), Some(13)));
    let doubled =
        "rules: [{ name: a, tools: [http], action: deny }, { name: a, tools: [grpc], action: deny }]";
    assert_eq!(load(doubled).unwrap_err()[0].code, "OC-WF-022");
}

#[test]
fn hostile_documents_are_refused_within_bounds() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in ["", "[]", "rules: 1", "rules: [1]", "{", &deep, "default: deny\ndefault: allow\n", "null"] {
        assert!(load(text).is_err(), "{text:.40}");
    }
    let many = json!({ "rules": vec![json!({ "name": "a", "tools": ["*"], "action": "deny" }); 1_001] });
    assert_eq!(of_value(&many).unwrap_err().len(), 1);
}

#[test]
fn rules_that_this_program_cannot_read_deny_everything() {
    let newer = json!({ "default": "allow", "budget": 3 });
    let policies = Policies::none().with(Policy::recorded("team", 7, &newer));
    assert_eq!(says(&policies, "http", json!({}), Labels::NONE), Some((Action::Deny, "team".into(), None)));
}

#[test]
fn a_question_changes_with_all_that_it_is_about_and_with_nothing_else() {
    let document = json!({ "rules": [{ "name": "r", "tools": ["*"], "action": "ask" }] });
    let verdict = |version: u64, tool: &str, arguments: Value, labels: Labels, now: i64| {
        let policies = Policies::none().with(Policy { version, ..policy("team", &document) });
        let (workflow, tags) = (workflow(), BTreeMap::new());
        let usage = Use::imagined(tool, arguments, labels, &workflow, &tags);
        let decision = decide(&policies, &usage, &Local::new(), false).unwrap();
        let run = openclaw_model::RunId(uuid::Uuid::nil());
        decision.verdict(&usage, run, "key", openclaw_model::Timestamp::from_millis(now)).ask.unwrap()
    };
    let shell = json!({ "command": "ls", "environment": { "A": "1" } });
    let first = verdict(1, "shell", shell.clone(), Labels::NONE, 0);
    assert_eq!(verdict(1, "shell", shell.clone(), Labels::WEB, 99).digest, first.digest);
    let mut others = vec![
        verdict(2, "shell", shell.clone(), Labels::NONE, 0),
        verdict(1, "script", shell.clone(), Labels::NONE, 0),
        verdict(1, "shell", json!({ "command": "ls ", "environment": { "A": "1" } }), Labels::NONE, 0),
        verdict(
            1,
            "shell",
            json!({ "command": "ls", "environment": { "A": "1", "B": "" } }),
            Labels::NONE,
            0,
        ),
    ];
    others.retain(|other| other.digest == first.digest);
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(first.deadline.unwrap().due.as_millis(), 600_000);
    assert_eq!(first.approval, verdict(2, "shell", shell, Labels::NONE, 0).approval, "it is the same effect");
}
