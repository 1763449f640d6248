//! `openclaw workflow test`.

use std::fs;

use super::{file, repository, workflow};

const ASKING: &str = concat!(
    "document: { dsl: '1.0.3', namespace: n, name: asking, version: '1.0.0' }\n",
    "do:\n",
    "  - ask: { call: http, with: { method: get, endpoint: 'http://h/{id}' } }\n",
    // Only a worker process evaluates this: its cost is not known from its text.
    "  - count: { set: { sum: '${ [range(.n)] | add }' } }\n",
);

#[tokio::test]
async fn the_scenarios_of_our_examples_pass() {
    let mut files = Vec::new();
    for example in fs::read_dir(repository().join("examples")).unwrap() {
        let example = example.unwrap();
        // Policies are documents of another kind.
        if example.file_name() == "policies" {
            continue;
        }
        let Ok(entries) = fs::read_dir(example.path()) else { continue };
        let workflows = entries.map(|entry| entry.unwrap().path()).filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.ends_with(".yaml") && !name.ends_with(".test.yaml")
        });
        files.extend(workflows.map(|path| path.to_str().unwrap().to_owned()));
    }
    assert!(files.len() >= 2, "{files:?}");
    let arguments: Vec<&str> =
        ["test", "--json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let report = workflow(&arguments, None).await.succeeded().json();
    assert_eq!(report["failed"], 0);
    assert_eq!(report["files"].as_array().unwrap().len(), files.len());
}

#[tokio::test]
async fn a_scenario_that_fails_shows_how_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let document = file(directory.path(), "asking.yaml", ASKING);
    let scenarios = concat!(
        "scenarios:\n",
        "- { name: right, input: { id: 1 }, mocks: { ask: { output: { n: 5 } } }, expect: { output: { sum: 10 } } }\n",
        "- { name: wrong, input: { id: 1 }, mocks: { ask: { output: { n: 5 } } }, expect: { output: { sum: 9 } } }\n",
        "- { name: alone, input: { id: 1 } }\n",
    );
    file(directory.path(), "asking.test.yaml", scenarios);
    let finished = workflow(&["test", document.to_str().unwrap()], None).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for part in [
        "  ok   right\n",
        "  FAIL wrong\n",
        "       the output differs:\n         /sum: expected 9, found 10\n",
        "  FAIL alone\n",
        "`ask` (/do/0/ask) has no mock",
        "1 passed, 2 failed\n",
    ] {
        assert!(finished.stdout.contains(part), "{part} is not in {}", finished.stdout);
    }

    let report = workflow(&["test", "--json", document.to_str().unwrap()], None).await.json();
    let verdicts = report["files"][0]["scenarios"].as_array().unwrap();
    assert_eq!(verdicts[0]["passed"], true, "{report}");
    assert_eq!(verdicts[1]["output"]["sum"], 10, "{report}");
    assert_eq!(verdicts[1]["path"][1], "/do/1/count", "{report}");
}

#[tokio::test]
async fn a_file_of_scenarios_that_says_something_unknown_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let document = file(directory.path(), "asking.yaml", ASKING);
    let elsewhere =
        file(directory.path(), "other.yaml", "scenarios:\n- name: x\n  mocks: { aks: { output: 1 } }\n");
    let arguments = ["test", document.to_str().unwrap(), "--scenarios", elsewhere.to_str().unwrap()];
    let finished = workflow(&arguments, None).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("error OC-WF-060: the workflow has no task `aks`"),
        "{}",
        finished.stdout
    );
    assert!(finished.stdout.contains("other.yaml:3:12 "), "{}", finished.stdout);
    assert!(finished.stdout.contains("did you mean `ask`?"), "{}", finished.stdout);

    file(directory.path(), "other.yaml", "scenarios:\n- name: x\n  inputs: 1\n");
    let finished = workflow(&arguments, None).await;
    assert!(finished.stdout.contains("other.yaml:3:3"), "{}", finished.stdout);
    // There are no scenarios beside it.
    let finished = workflow(&["test", document.to_str().unwrap()], None).await;
    assert_eq!(finished.code, Some(4), "{finished:?}");
}
