//! A workflow document, checked and typed.
//!
//! [`load`] and [`from_value`] are the only ways to get a [`Definition`]: what they return has unique task names per
//! scope, flow directives that lead somewhere, known references, and expressions that parse and name only what
//! exists. What this version does not carry out is refused here, never ignored.
//!
//! Invariant: no field of a document is passed over. It has an effect, or it is refused.

mod approval;
mod authentication;
mod body;
mod call;
mod calls;
mod check;
mod container;
mod document;
mod events;
mod extension;
mod fault;
mod field;
mod listen;
mod locate;
mod metadata;
mod model;
pub(crate) mod problem;
mod process;
pub(crate) mod reader;
mod resource;
mod reuse;
mod sandbox;
mod schedule;
mod schema;
mod secret;
mod service;
mod tasks;
mod text;

use serde_json::Value;

pub(crate) use self::{
    check::scenario_problem,
    locate::locate,
    text::{check_depth, parse, typed as read_typed},
};

pub use self::{
    calls::{
        ApprovalCall, AuthenticationTemplate, ChoiceTemplate, Container, DeadlineTemplate, GrpcCall, Keep,
        OpenApiCall, OutcomeTemplate, ResourceTemplate,
    },
    check::{check, check_value, check_value_with, check_with},
    events::{Consume, Correlation, Extended, Filter, ForEach, Listen, Mode, Read, Schedule, Until},
    locate::{Mark, Place, Source},
    model::{
        Backoff, Body, Case, Catch, CommandCall, Definition, Duration, ErrorTemplate, For, HttpCall, Process,
        ProgramTemplate, Retry, Schema, SubWorkflow, Task, Tasks, Transform,
    },
    problem::{MAX_PROBLEMS, Problem, Severity},
    resource::{MAX_RESOURCE_BYTES, NoResources, RecordedResources, Resources},
    schedule::cron,
    text::{Format, MAX_DEPTH, MAX_TEXT_BYTES},
};

/// The most tasks of a document, those of functions counted at each call.
pub const MAX_TASKS: usize = 10_000;

/// Reads a document that refers to no files from YAML or JSON text.
///
/// # Errors
/// As [`load_with`]; a reference to a file is one.
pub fn load(text: &str, format: Format) -> Result<Definition, Vec<Problem>> {
    load_with(text, format, &NoResources)
}

/// Reads a document from YAML or JSON text, and the files that it refers to from `resources`.
///
/// # Errors
/// Everything that is wrong with it, at most [`MAX_PROBLEMS`]. Time and memory are bounded by the size of the text.
pub fn load_with(text: &str, format: Format, resources: &dyn Resources) -> Result<Definition, Vec<Problem>> {
    let document = text::parse(text, format).map_err(|problem| vec![problem])?;
    from_value_with(document, resources).map_err(|mut problems| {
        locate::locate(text, format, &mut problems);
        problems
    })
}

/// Reads a document that refers to no files from its JSON form.
///
/// # Errors
/// As [`load`].
pub fn from_value(document: Value) -> Result<Definition, Vec<Problem>> {
    from_value_with(document, &NoResources)
}

/// Reads a document from its JSON form, and the files that it refers to from `resources`.
///
/// # Errors
/// As [`load_with`].
pub fn from_value_with(document: Value, resources: &dyn Resources) -> Result<Definition, Vec<Problem>> {
    text::check_depth(&document).map_err(|problem| vec![problem])?;
    document::read(document, resources)
}

/// Compiles a JSON Schema that came with something else than a document, under the bounds that hold in documents.
///
/// # Errors
/// What is wrong with it.
pub fn json_schema(document: &Value) -> Result<Schema, String> {
    schema::compile(document)
}
