//! `openclaw workflow check` and `workflow.validate`.

use std::{fs, path::PathBuf};

use openclaw_client::ValidateWorkflow;
use openclaw_suite::{Server, tell};
use serde_json::{Value, json};

use super::{file, workflow};

const GOOD: &str = concat!(
    "document: { dsl: '1.0.3', namespace: n, name: good, version: '1.0.0' }\n",
    "do:\n",
    "  - greet: { set: { text: Hello } }\n",
);

/// Something of everything: a slip in a directive, a task that nothing leads to, a function that does not exist, data
/// that its schema refuses, a secret that is not listed.
const BAD: &str = r#"document: { dsl: '1.0.3', namespace: n, name: bad, version: '1.0.0' }
use:
  secrets: [ mail ]
do:
  - first:
      set: { n: -1 }
      output:
        schema: { document: { properties: { n: { minimum: 0 } } } }
      then: thrid
  - lost:
      do:
        - leave: { set: { x: 1 }, then: end }
        - unreachable: { set: { x: '${ upcase }' } }
  - third:
      set: { key: '${ $secrets.mial }' }
"#;

/// Code, line and column of every problem.
fn places(problems: &Value) -> Vec<(String, u64, u64)> {
    let place = |problem: &Value| {
        let number = |name: &str| problem[name].as_u64().unwrap_or_else(|| panic!("{problem} has no {name}"));
        (problem["code"].as_str().unwrap().to_owned(), number("line"), number("column"))
    };
    problems.as_array().unwrap().iter().map(place).collect()
}

/// What is wrong with [`BAD`], whatever else this version says about it.
const WRONG: [(&str, u64, u64); 5] = [
    ("OC-WF-051", 6, 17),
    ("OC-WF-030", 9, 13),
    ("OC-WF-050", 13, 11),
    ("OC-WF-033", 13, 36),
    ("OC-WF-052", 15, 19),
];

fn all_are_there(found: &[(String, u64, u64)]) {
    for (code, line, column) in WRONG {
        assert!(
            found.contains(&(code.to_owned(), line, column)),
            "{code} {line}:{column} is not in {found:?}"
        );
    }
}

#[tokio::test]
async fn a_good_workflow_passes_and_a_bad_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let good = file(directory.path(), "good.yaml", GOOD);
    let bad = file(directory.path(), "bad.yaml", BAD);
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());

    let finished = workflow(&["check", good], None).await.succeeded();
    assert_eq!(finished.stdout, format!("{good}: ok\n"));
    let finished = workflow(&["check", good, bad], None).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(workflow(&["check", "-"], Some(GOOD)).await.code, Some(0));
    assert_eq!(workflow(&["check", "/does/not/exist.yaml"], None).await.code, Some(4));
    assert_eq!(workflow(&["check"], None).await.code, Some(2));
}

#[tokio::test]
async fn a_problem_is_shown_with_its_line_and_a_caret_below_the_place() {
    let finished = workflow(&["check", "-"], Some(BAD)).await;
    let shown = concat!(
        "error OC-WF-030: there is no task `thrid` in this scope\n",
        "  --> standard input:9:13 (/do/0/first/then)\n",
        "   |\n",
        " 9 |       then: thrid\n",
        "   |             ^\n",
        "  = did you mean `third`?\n",
    );
    assert!(finished.stdout.contains(shown), "{}", finished.stdout);
    assert_eq!(finished.stderr, "");
}

#[tokio::test]
async fn programs_get_every_problem_with_its_place() {
    let finished = workflow(&["check", "-", "--json", "--known-secret", "letter"], Some(BAD)).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let report = finished.json();
    assert_eq!(report["valid"], false);
    let file = &report["files"][0];
    all_are_there(&places(&file["problems"]));
    assert_eq!(places(&file["warnings"]), [("OC-WF-053".to_owned(), 3, 14)]);
    assert!(file["problems"].as_array().unwrap().iter().all(|problem| problem["path"].is_string()));
}

#[tokio::test]
async fn a_warning_alone_is_no_failure_and_secrets_are_known_by_the_files_of_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "mail", "made up");
    let text = GOOD.replace("do:\n", "use: { secrets: [ mail, gone ] }\ndo:\n");
    let secrets = directory.path().to_str().unwrap();
    let finished = workflow(&["check", "-", "--json", "--secrets", secrets], Some(&text)).await.succeeded();
    let file = &finished.json()["files"][0];
    assert_eq!((&file["valid"], &file["problems"]), (&json!(true), &json!([])));
    assert_eq!(file["warnings"][0]["path"], "/use/secrets/1");
}

#[tokio::test]
async fn files_that_a_document_refers_to_are_read_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let text =
        GOOD.replace("do:\n", "input: { schema: { resource: { endpoint: 'file:///order.json' } } }\ndo:\n");
    let document = file(directory.path(), "order.yaml", &text);
    let document = document.to_str().unwrap();
    let missing = workflow(&["check", document], None).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(
        missing.stdout.contains("error OC-WF-025") && missing.stdout.contains("order.yaml:2:42 "),
        "{missing:?}"
    );
    file(directory.path(), "order.json", r#"{ "type": "object" }"#);
    workflow(&["check", document], None).await.succeeded();
    workflow(&["graph", document], None).await.succeeded();
    let resources = directory.path().to_str().unwrap();
    workflow(&["check", "-", "--resources", resources], Some(&text)).await.succeeded();
}

#[tokio::test]
async fn a_server_says_the_same_and_registers_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let validate = async |definition: Value| {
        server.client().validate_workflow(&ValidateWorkflow { definition }, None).await.unwrap()
    };
    let validated = validate(BAD.into()).await;
    assert!(!validated.valid);
    all_are_there(&places(&serde_json::to_value(&validated.problems).unwrap()));
    let validated = validate("do: [".into()).await;
    assert_eq!((validated.valid, validated.problems[0].code.as_str()), (false, "OC-WF-002"));
    // An object has no lines.
    let validated = validate(json!({ "do": [] })).await;
    assert!(!validated.valid && validated.problems.iter().all(|problem| problem.line.is_none()));
    assert!(validate(GOOD.into()).await.valid);
    // The server knows which secrets it has.
    let listed = validate(GOOD.replace("do:\n", "use: { secrets: [ nowhere ] }\ndo:\n").into()).await;
    assert_eq!((listed.valid, listed.warnings[0].code.as_str()), (true, "OC-WF-053"));

    let missing = server.rpc("run.start", json!({ "workflow": { "namespace": "n", "name": "good" } })).await;
    assert_eq!(missing.unwrap_err()["data"]["code"], "OC-CMD-003");
    let refused = server.rpc("workflow.register", json!({ "definition": BAD })).await.unwrap_err();
    assert_eq!(places(&refused["data"]["problems"])[0], ("OC-WF-030".to_owned(), 9, 13), "{refused}");
    let history = server.terminate().await;
    assert_eq!(history.streams("workflow/").len(), 0);
}

/// The directory of the specification, from `OPENCLAW_SPEC_DIR`.
#[expect(clippy::disallowed_methods, reason = "the reference data lies outside the repository")]
fn specification() -> Option<PathBuf> {
    let directory = std::env::var_os("OPENCLAW_SPEC_DIR").map(PathBuf::from);
    if directory.is_none() {
        tell("skipped: OPENCLAW_SPEC_DIR is not set, so there are no examples to check");
    }
    directory
}

#[tokio::test]
async fn every_example_of_the_specification_passes_or_has_unsupported_parts_with_their_places() {
    let Some(directory) = specification() else { return };
    let examples = fs::read_dir(directory.join("examples")).unwrap();
    let mut files: Vec<String> =
        examples.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    files.sort();
    let arguments: Vec<&str> =
        ["check", "--json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let report = workflow(&arguments, None).await.json();
    let reports = report["files"].as_array().unwrap();
    assert_eq!(reports.len(), files.len());
    for file in reports {
        for (code, ..) in places(&file["problems"]) {
            // Of a file that an example refers to, only its name is given.
            assert!(matches!(code.as_str(), "OC-WF-020" | "OC-WF-025"), "{file}");
        }
    }
}
