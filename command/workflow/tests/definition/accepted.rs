//! What a loaded document says.

use openclaw_model::event::run::{EffectClass, Flow, ProcessReturn};
use openclaw_workflow::{
    definition::{self, Backoff, Body, Duration, Format, ProgramTemplate},
    expression::Template,
};
use serde_json::{Value, json};

use crate::{document, load};

const YAML: &str = "
document:
  dsl: 1.0.3
  namespace: test
  name: yaml
  version: 1.0.0
use:
  retries:
    patient:
      delay: PT1.5S
      backoff: { exponential: {} }
      limit: { attempt: { count: 5 } }
do:
  - first:
      try:
        - inner:
            run:
              shell:
                command: 'echo ${ .name }'
              return: all
            metadata: { effect: irreversible }
      catch:
        errors: { with: { status: 503, details: gone } }
        retry: patient
  - second:
      fork:
        branches:
          - left: { set: { a: 1 } }
          - right: { wait: { minutes: 1, seconds: 5 }, then: exit }
      timeout: { after: P1D }
      then: end
";

#[test]
fn yaml_and_json_give_the_same_definition() {
    let yaml = definition::load(YAML, Format::Auto).unwrap();
    let json = definition::load(&yaml.source.to_string(), Format::Auto).unwrap();
    assert_eq!(yaml.digest, json.digest);
    let mut changed = (*yaml.source).clone();
    changed["document"]["version"] = json!("1.0.1");
    assert_ne!(yaml.digest, load(changed).digest);
}

#[test]
fn tasks_know_their_place_and_what_they_do() {
    let definition = definition::load(YAML, Format::Yaml).unwrap();
    let first = &definition.tasks.0[0];
    let Body::Try { tasks, catch } = &first.body else { panic!("{first:?}") };
    assert_eq!(tasks.0[0].reference, "/do/0/first/try/0/inner");
    let Body::Process(process) = &tasks.0[0].body else { panic!("{tasks:?}") };
    assert_eq!((process.returns, process.class), (ProcessReturn::All, Some(EffectClass::Irreversible)));
    assert!(matches!(&process.program, ProgramTemplate::Shell(Template::Text(parts)) if parts.len() == 2));
    let retry = catch.retry.as_ref().unwrap();
    assert!(matches!(retry.delay, Some(Duration::Millis(1500))));
    assert_eq!((retry.backoff, retry.max_attempts), (Backoff::Exponential, Some(5)));
    assert_eq!(catch.errors.keys().collect::<Vec<_>>(), ["detail", "status"]);
    let second = &definition.tasks.0[1];
    assert_eq!(second.then, Flow::End);
    assert!(matches!(second.timeout, Some(Duration::Millis(86_400_000))));
    let Body::Fork { branches, compete: false } = &second.body else { panic!("{second:?}") };
    assert_eq!(branches.0[1].reference, "/do/1/second/fork/branches/1/right");
    assert!(matches!(branches.0[1].body, Body::Wait(Duration::Millis(65_000))));
}

#[test]
fn a_call_of_a_function_becomes_its_arguments_and_its_task() {
    let mut source = document(json!([
        { "one": { "call": "greet", "with": { "name": "${ .user }" } } },
        { "two": { "call": "greet" } },
    ]));
    source["use"] =
        json!({ "functions": { "greet": { "do": [{ "say": { "set": { "text": "${ .name }" } } }] } } });
    let definition = load(source);
    let steps = |index: usize| match &definition.tasks.0[index].body {
        Body::Do(tasks) => tasks,
        other => panic!("{other:?}"),
    };
    let references: Vec<&str> = steps(0).0.iter().map(|task| task.reference.as_str()).collect();
    assert_eq!(references, ["/do/0/one/with", "/do/0/one/call"]);
    assert!(matches!(&steps(0).0[0].body, Body::Set(Template::Object(_))));
    let Body::Do(inner) = &steps(0).0[1].body else { panic!() };
    assert_eq!(inner.0[0].reference, "/do/0/one/call/do/0/say");
    assert_eq!(steps(1).0.len(), 1, "no arguments: the task's own input");
}

#[test]
fn own_commands_http_calls_and_child_runs_are_understood() {
    let definition = load(document(json!([
        { "say": { "call": "session.message", "with": { "sessionId": "${ .id }", "content": "hi" } } },
        { "get": {
            "call": "http",
            "with": {
                "method": "get", "endpoint": { "uri": "https://example.com/{id}" },
                "query": { "q": "${ .q }" }, "headers": "${ .headers }", "output": "response", "redirect": true,
            },
            "metadata": { "effect": "keyed", "owner": "ops" },
        } },
        { "child": { "run": { "workflow": { "namespace": "a", "name": "b", "version": "latest" }, "await": false } } },
    ])));
    let Body::Command(command) = &definition.tasks.0[0].body else { panic!() };
    assert_eq!(command.method, "session.message");
    let Body::Http(http) = &definition.tasks.0[1].body else { panic!() };
    assert!(
        matches!(&http.endpoint, Template::Literal(Value::String(uri)) if uri == "https://example.com/{id}")
    );
    assert!(matches!(http.headers, Some(Template::Expression(_))));
    assert_eq!((http.redirect, http.class), (true, Some(EffectClass::Keyed)));
    let Body::Workflow(child) = &definition.tasks.0[2].body else { panic!() };
    assert_eq!((child.version.as_str(), child.wait, child.input.is_none()), ("latest", false, true));
}

#[test]
fn scripts_keep_their_own_dollar_braces() {
    let script = |code: &str| {
        let definition = load(document(json!([
            { "a": { "run": { "script": { "language": "js", "code": code } } } },
        ])));
        match &definition.tasks.0[0].body {
            Body::Process(process) => match &process.program {
                ProgramTemplate::Script(_, code) => code.clone(),
                ProgramTemplate::Shell(_) => panic!("it is a script"),
            },
            other => panic!("{other:?}"),
        }
    };
    let code = "console.log(`hello ${name}`)";
    assert!(matches!(script(code), Template::Literal(Value::String(kept)) if kept == code));
    assert!(matches!(script("${ .code }"), Template::Expression(_)));
}

#[test]
fn loose_mode_reads_bare_texts_as_expressions_where_they_can_be() {
    let mut source = document(json!([{ "a": { "set": {
        "sum": ".a + 1", "plain": "hello world", "unknown": "$nothing", "word": "circle",
    } } }]));
    source["evaluate"] = json!({ "mode": "loose" });
    let definition = load(source);
    assert!(definition.loose);
    let Body::Set(Template::Object(entries)) = &definition.tasks.0[0].body else { panic!() };
    let kinds: Vec<(&str, bool)> =
        entries.iter().map(|(key, item)| (key.as_str(), matches!(item, Template::Loose(_)))).collect();
    assert_eq!(kinds.iter().filter(|(_, loose)| *loose).map(|(key, _)| *key).collect::<Vec<_>>(), ["sum"]);
    assert_eq!(kinds.len(), 4);
}
