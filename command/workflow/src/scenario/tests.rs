use std::sync::Arc;

use super::*;
use crate::{
    definition::{self, Definition, Format, Problem},
    expression::Local,
    stepper::Program,
};

const HEAD: &str = "document: { dsl: '1.0.3', namespace: n, name: a, version: '1.0.0' }\n";

fn definition(tasks: &str) -> Definition {
    definition::load(&format!("{HEAD}{tasks}"), Format::Yaml)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn verdict(tasks: &str, scenario: &str) -> Verdict {
    let definition = definition(tasks);
    let text = format!("scenarios:\n- name: s\n{scenario}");
    let suite = Suite::read(&text, &definition).unwrap_or_else(|problems| panic!("{problems:#?}"));
    run(&Program::new(Arc::new(definition)), &suite.scenarios[0], &Local::new())
}

fn passes(tasks: &str, scenario: &str) {
    let verdict = verdict(tasks, scenario);
    assert!(verdict.passed(), "{:#?}", verdict.failures);
}

fn failure(tasks: &str, scenario: &str) -> String {
    let verdict = verdict(tasks, scenario);
    assert!(!verdict.passed(), "{verdict:#?}");
    verdict.failures.join("\n")
}

fn problems(scenarios: &str) -> Vec<Problem> {
    Suite::read(scenarios, &definition(CALL)).expect_err("the scenarios are refused")
}

const CALL: &str = concat!(
    "do:\n",
    "- fetch: { call: http, with: { method: get, endpoint: 'http://h/{id}' }, output: { as: .name } }\n",
    "- greet: { set: { text: '${ \"Hello \" + . }' } }\n",
);

#[test]
fn a_call_is_answered_and_what_it_asked_is_compared() {
    passes(
        CALL,
        concat!(
            "  input: { id: 7 }\n",
            "  mocks: { fetch: { output: { name: Ada } } }\n",
            "  expect:\n",
            "    output: { text: Hello Ada }\n",
            "    holds: [ '.text | length == 9', 'has(\"text\")' ]\n",
            "    path: [ /do/0/fetch, greet ]\n",
            "    calls: { fetch: [ { method: GET, url: 'http://h/7' } ] }\n",
        ),
    );
}

#[test]
fn a_call_without_an_answer_fails_with_its_name() {
    let failure = failure(CALL, "  input: { id: 7 }\n");
    assert!(failure.contains("`fetch` (/do/0/fetch) has no mock"), "{failure}");
}

#[test]
fn every_difference_is_told_with_its_place() {
    let failure = failure(
        CALL,
        concat!(
            "  input: { id: 7 }\n",
            "  mocks: { fetch: { output: { name: Ada } } }\n",
            "  expect:\n",
            "    output: { text: Hello Bob, more: 1 }\n",
            "    holds: .text == \"x\"\n",
            "    path: [ fetch ]\n",
            "    calls: { fetch: [ { method: POST } ] }\n",
            "    took: PT1S\n",
        ),
    );
    for part in [
        "/text: expected \"Hello Bob\", found \"Hello Ada\"",
        "/more: expected 1, it is missing",
        "`.text == \"x\"` does not hold",
        "+ /do/1/greet",
        "/method: expected \"POST\", found \"GET\"",
        "the run took 0 ms",
    ] {
        assert!(failure.contains(part), "{part} is not in {failure}");
    }
}

#[test]
fn a_part_of_an_output_and_numbers_of_other_spelling_match() {
    passes(
        "do:\n- a: { set: { n: 1.0, list: [ { x: 1, y: 2 } ], more: true } }\n",
        "  expect: { match: { n: 1, list: [ { x: 1 } ] } }\n",
    );
    let failure =
        failure("do:\n- a: { set: { list: [ 1, 2 ] } }\n", "  expect: { match: { list: [ 1 ] } }\n");
    assert!(failure.contains("/list/1: 2 was not expected"), "{failure}");
}

const RETRIED: &str = concat!(
    "do:\n",
    "- careful:\n",
    "    try: [ fetch: { call: http, with: { method: get, endpoint: 'http://h/' } } ]\n",
    "    catch:\n",
    "      errors: { with: { status: 503 } }\n",
    "      retry: { delay: PT1H, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } }\n",
    "- rest: { wait: P1D }\n",
);

#[test]
fn the_clock_jumps_over_retries_and_waits() {
    passes(
        RETRIED,
        concat!(
            "  mocks: { fetch: [ { error: { status: 503 } }, { error: { status: 503 }, after: PT1M }, { output: 5 } ] }\n",
            "  expect: { output: 5, path: [ careful, fetch, fetch, fetch, rest ], took: { days: 1, hours: 3, minutes: 1 } }\n",
        ),
    );
}

#[test]
fn an_error_that_ends_the_run_is_compared_and_otherwise_fails_the_scenario() {
    passes(
        RETRIED,
        concat!(
            "  mocks: { fetch: { error: { type: timeout, status: 408, title: Slow } } }\n",
            "  expect: { error: { type: timeout, status: 408, instance: /do/0/careful/try/0/fetch } }\n",
        ),
    );
    let unexpected = failure(RETRIED, "  mocks: { fetch: { error: { status: 418 } } }\n");
    assert!(unexpected.contains("the run ended with an error"), "{unexpected}");
    let completed =
        failure(RETRIED, "  mocks: { fetch: { output: 1 } }\n  expect: { error: { status: 418 } }\n");
    assert!(completed.contains("the run completed with 1"), "{completed}");
}

#[test]
fn answers_come_in_the_order_of_their_time_and_time_limits_count() {
    let race = concat!(
        "do:\n",
        "- race:\n",
        "    fork:\n",
        "      compete: true\n",
        "      branches:\n",
        "      - a: { call: http, with: { method: get, endpoint: 'http://h/a' } }\n",
        "      - b: { call: http, with: { method: get, endpoint: 'http://h/b' } }\n",
    );
    passes(
        race,
        "  mocks: { a: { output: 1, after: PT9S }, b: { output: 2, after: PT3S } }\n  expect: { output: 2, took: PT3S }\n",
    );
    passes(
        "do:\n- a: { call: http, with: { method: get, endpoint: 'http://h/' }, timeout: { after: PT5S } }\n",
        "  mocks: { a: { after: PT6S } }\n  expect: { error: { type: timeout }, took: PT5S }\n",
    );
}

#[test]
fn answers_that_run_out_and_answers_that_are_left_over_fail() {
    let few = failure(RETRIED, "  mocks: { fetch: [ { error: { status: 503 } } ] }\n");
    assert!(few.contains("`fetch` asked for answer 2, its mock has 1"), "{few}");
    let many = failure(RETRIED, "  mocks: { fetch: [ { output: 1 }, { output: 2 } ] }\n");
    assert!(many.contains("`fetch` was asked 1 times, its mock has 2"), "{many}");
}

#[test]
fn the_task_of_a_function_is_answered_under_the_name_of_its_caller() {
    let tasks = concat!(
        "use: { functions: { get: { call: http, with: { method: get, endpoint: '${ .url }' } } } }\n",
        "do:\n- fetch: { call: get, with: { url: 'http://h/x' } }\n",
    );
    passes(
        tasks,
        "  mocks: { fetch: { output: 3 } }\n  expect: { output: 3, path: [ fetch ], calls: { fetch: [ { url: 'http://h/x' } ] } }\n",
    );
}

#[test]
fn published_events_are_compared() {
    let tasks =
        "do:\n- tell: { emit: { event: { with: { source: 'http://s', type: told, data: { x: 1 } } } } }\n";
    passes(tasks, "  expect: { emitted: [ { type: told, data: { x: 1 } } ] }\n");
    let failure = failure(tasks, "  expect: { emitted: [] }\n");
    assert!(failure.contains("/0: {"), "{failure}");
}

#[test]
fn what_a_scenario_cannot_say_is_refused_with_its_place() {
    let text = "scenarios:\n- name: s\n  mock: {}\n";
    let unknown = &problems(text)[0];
    assert_eq!((unknown.code, unknown.line, unknown.column), ("OC-WF-060", Some(3), Some(3)), "{unknown}");
    assert!(unknown.message.contains("mock"), "{unknown}");

    let text = concat!(
        "scenarios:\n",
        "- name: s\n",
        "  mocks: { fetsh: { output: 1 }, fetch: { after: soon } }\n",
        "  expect: { path: [ /do/9/x ], calls: { grete: [] }, holds: '.a |', output: 1, error: { status: 1 } }\n",
        "- name: s\n",
    );
    let mut found: Vec<_> = problems(text).iter().map(|p| (p.path.clone(), p.line.unwrap_or(0))).collect();
    found.sort();
    assert_eq!(
        found,
        [
            ("/scenarios/0/expect/calls/grete".to_owned(), 4),
            ("/scenarios/0/expect/error".to_owned(), 4),
            ("/scenarios/0/expect/holds".to_owned(), 4),
            ("/scenarios/0/expect/path/0".to_owned(), 4),
            ("/scenarios/0/mocks/fetch/after".to_owned(), 3),
            ("/scenarios/0/mocks/fetsh".to_owned(), 3),
            ("/scenarios/1/name".to_owned(), 5),
        ]
    );
    assert_eq!(problems("scenarios: [")[0].code, "OC-WF-002");
}

#[test]
fn a_run_without_end_is_stopped() {
    let failure = failure("do:\n- a: { set: { x: 1 } }\n- b: { wait: PT1S, then: a }\n", "  input: 1\n");
    assert!(failure.contains("OC-RUN-005"), "{failure}");
}

#[test]
fn events_are_given_to_tasks_that_listen_one_by_one() {
    let tasks = concat!(
        "do:\n",
        "- orders:\n",
        "    listen:\n",
        "      to: { any: [ { with: { type: ordered } } ], until: 'length == 2' }\n",
        "    foreach:\n",
        "      item: order\n",
        "      do: [ price: { set: { sum: '${ $order.count * 2 }' } } ]\n",
    );
    let events = concat!(
        "  events:\n",
        "  - { type: other, source: 'http://s', data: { count: 9 } }\n",
        "  - { type: ordered, source: 'http://s', data: { count: 1 } }\n",
        "  - { type: ordered, source: 'http://s', data: { count: 2 } }\n",
    );
    passes(
        tasks,
        &format!(
            "{events}  expect: {{ output: [ {{ sum: 2 }}, {{ sum: 4 }} ], path: [ orders, price, price ] }}\n"
        ),
    );
    let many = failure(tasks, &format!("{events}  - {{ type: ordered, source: 'http://s' }}\n"));
    assert!(many.contains("nothing listened for the last 1 of the events"), "{many}");
    let none = failure(tasks, "  input: 1\n");
    assert!(none.contains("waits for what the scenario does not give: /do/0/orders"), "{none}");
}

#[test]
fn a_run_hears_what_it_publishes_itself() {
    let tasks = concat!(
        "do:\n",
        "- both:\n",
        "    fork:\n",
        "      branches:\n",
        "      - hear: { listen: { to: { one: { with: { type: said } } } } }\n",
        "      - say: { do: [ pause: { wait: PT1S }, out: { emit: { event: { with: { type: said, source: 'http://s', data: 5 } } } } ] }\n",
    );
    passes(tasks, "  expect: { holds: '.[0] == [5]', took: PT1S }\n");
}

#[test]
fn people_and_child_runs_answer_from_the_scenario_and_secrets_are_made_up() {
    let tasks = concat!(
        "use: { secrets: [ token ] }\n",
        "do:\n",
        "- ask: { call: approval, with: { title: '${ \"Pay \" + (.sum | tostring) }', assignees: [ ada ] } }\n",
        "- judge: { switch: [ { yes: { when: .choice == \"approve\", then: pay } }, { no: { then: end } } ] }\n",
        "- pay: { run: { workflow: { namespace: n, name: pay, version: '1.0.0', input: { by: '${ $secrets.token }' } } } }\n",
    );
    passes(
        tasks,
        concat!(
            "  input: { sum: 5 }\n",
            "  secrets: { token: made up }\n",
            "  mocks: { ask: { output: { choice: approve }, after: P2D }, pay: { output: paid } }\n",
            "  expect:\n",
            "    output: paid\n",
            "    took: P2D\n",
            "    calls: { ask: [ { type: approval, title: Pay 5 } ], pay: [ { name: pay, input: { by: made up } } ] }\n",
        ),
    );
    passes(tasks, "  mocks: { ask: { output: { choice: deny } } }\n  expect: { path: [ ask, judge ] }\n");
}

#[test]
fn the_scenarios_of_the_documentation_are_understood() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/docs/workflows.md"));
    let page = page.expect("the page is there");
    let start = page.find("```yaml\nscenarios:").expect("the page has an example") + 8;
    let text = page[start..].split("```").next().expect("the example has an end");
    let tasks = concat!(
        "do:\n",
        "- fetch: { set: { a: 1 } }\n",
        "- approve: { set: { a: 1 } }\n",
        "- greet: { set: { a: 1 } }\n",
    );
    let suite = Suite::read(text, &definition(tasks)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mocks = &suite.scenarios[0].mocks;
    assert!(mocks["approve"].always && mocks["fetch"].responses.len() == 2, "{suite:?}");
}
