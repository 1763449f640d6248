//! Loading documents: what is accepted, and what is refused with which code at which place.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod accepted;
mod events;
mod hostile;
mod network;
mod outside;
mod people;
mod refused;
mod reuse;
mod sandbox;
mod specification;

use openclaw_workflow::definition::{self, Definition, Problem};
use serde_json::{Value, json};

fn document(tasks: Value) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "test", "version": "1.0.0" },
        "do": tasks,
    })
}

fn load(document: Value) -> Definition {
    definition::from_value(document).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(document: Value) -> Vec<Problem> {
    definition::from_value(document).expect_err("the document is refused")
}

/// Code and place of every problem.
fn codes(document: Value) -> Vec<(&'static str, String)> {
    problems(document).into_iter().map(|problem| (problem.code, problem.path)).collect()
}

fn one(code: &'static str, path: &str) -> Vec<(&'static str, String)> {
    vec![(code, path.to_owned())]
}
