//! The examples and conformance features of the specification, if they are at hand; and our own examples.

use std::{fs, path::PathBuf};

use openclaw_workflow::definition::{self, Format, Resources};

/// The directory of the specification, from `OPENCLAW_SPEC_DIR`.
#[expect(clippy::disallowed_methods, reason = "the reference data lies outside the repository")]
fn directory() -> Option<PathBuf> {
    std::env::var_os("OPENCLAW_SPEC_DIR").map(PathBuf::from)
}

#[expect(clippy::disallowed_macros, reason = "a skipped test says so")]
fn skipped(what: &str) {
    println!("skipped: OPENCLAW_SPEC_DIR is not set, so there are no {what} to load");
}

/// The examples that are refused, each for a feature that is not supported.
const REFUSED: [&str; 7] = [
    "call-asyncapi-publish.yaml",
    "call-asyncapi-subscribe-consume-amount.yaml",
    "call-asyncapi-subscribe-consume-forever-foreach.yaml",
    "call-asyncapi-subscribe-consume-until.yaml",
    "call-asyncapi-subscribe-consume-while.yaml",
    "call-custom-function-cataloged.yaml",
    "call-mcp.yaml",
];

/// The file that an example refers to.
struct Greeter;

impl Resources for Greeter {
    fn read(&self, uri: &str) -> Result<String, String> {
        assert_eq!(uri, "file://app/greet.proto");
        Ok("syntax = \"proto3\";".to_owned())
    }
}

#[test]
fn every_example_loads_but_those_whose_features_are_not_supported() {
    let Some(directory) = directory() else { return skipped("examples") };
    let mut refused = Vec::new();
    let mut loaded = 0;
    for entry in fs::read_dir(directory.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        match definition::load_with(&text, Format::Auto, &Greeter) {
            Ok(_) => loaded += 1,
            Err(problems) => {
                assert!(problems.iter().all(|problem| problem.code == "OC-WF-020"), "{name}: {problems:#?}");
                refused.push(name);
            }
        }
    }
    refused.sort();
    assert_eq!(refused, REFUSED);
    assert!(loaded >= 50, "{loaded}");
}

#[test]
fn every_problem_of_an_example_has_a_place_in_its_text() {
    let Some(directory) = directory() else { return skipped("examples") };
    for entry in fs::read_dir(directory.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for problem in definition::check(&text, Format::Auto, None) {
            let (line, column) = (problem.line.unwrap() as usize, problem.column.unwrap() as usize);
            let rest: String = lines[line - 1].chars().skip(column - 1).collect();
            let step = problem.path.rsplit('/').next().unwrap();
            // An entry is found by its key; an item or a single value by what is there.
            let key = rest.trim_start_matches(['"', '\'']).starts_with(step);
            let value = lines[line - 1].trim_start().trim_start_matches("- ").starts_with(step)
                || step.parse::<usize>().is_ok();
            assert!(key || value, "{}: {problem} is at {rest:?}", path.display());
        }
    }
}

#[test]
fn every_workflow_of_the_conformance_kit_at_hand_loads() {
    let Some(directory) = directory() else { return skipped("features") };
    let mut loaded = 0;
    for entry in fs::read_dir(directory.join("ctk")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "feature") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("a workflow with definition:").skip(1) {
            let yaml = part.split("\"\"\"").nth(1).unwrap().trim_start_matches("yaml");
            definition::load(yaml, Format::Yaml)
                .unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
            loaded += 1;
        }
    }
    assert!(loaded >= 6, "{loaded}");
}

#[test]
fn the_examples_of_this_repository_load() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut loaded = 0;
    for example in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        // Policies are documents of another kind.
        if !example.is_dir() || example.ends_with("policies") {
            continue;
        }
        for path in fs::read_dir(example).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "yaml") {
                // Scenarios lie beside the workflows that they test.
                if path.to_string_lossy().ends_with(".test.yaml") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(definition::check(&text, Format::Auto, None), [], "{}", path.display());
                let definition = definition::load(&text, Format::Auto);
                definition.unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
                loaded += 1;
            }
        }
    }
    assert!(loaded >= 2, "{loaded}");
}
