//! A workflow document, checked and typed.
//!
//! [`load`] and [`from_value`] are the only ways to get a [`Definition`]: what they return has unique task names per
//! scope, flow directives that lead somewhere, known references, and expressions that parse and name only what
//! exists. What this version does not carry out is refused here, never ignored.
//!
//! Invariant: no field of a document is passed over. It has an effect, or it is refused.

mod body;
mod call;
mod calls;
mod check;
mod document;
mod events;
mod fault;
mod field;
mod locate;
mod model;
mod problem;
mod process;
mod reader;
mod reuse;
mod schema;
mod tasks;
mod text;

use serde_json::Value;

pub(crate) use self::{check::scenario_problem, locate::locate, text::typed as read_typed};

pub use self::{
    calls::{
        ApprovalCall, AuthenticationTemplate, ChoiceTemplate, Container, DeadlineTemplate, GrpcCall, Keep,
        OpenApiCall, OutcomeTemplate, ResourceTemplate,
    },
    check::{check, check_value},
    events::{Consume, Correlation, Extended, Filter, ForEach, Listen, Mode, Read, Schedule, Until},
    locate::{Mark, Place, Source},
    model::{
        Backoff, Body, Case, Catch, CommandCall, Definition, Duration, ErrorTemplate, For, HttpCall, Process,
        ProgramTemplate, Retry, Schema, SubWorkflow, Task, Tasks, Transform,
    },
    problem::{MAX_PROBLEMS, Problem, Severity},
    text::{Format, MAX_DEPTH, MAX_TEXT_BYTES},
};

/// The most tasks of a document, those of functions counted at each call.
pub const MAX_TASKS: usize = 10_000;

/// Reads a document from YAML or JSON text.
///
/// # Errors
/// Everything that is wrong with it, at most [`MAX_PROBLEMS`]. Time and memory are bounded by the size of the text.
pub fn load(text: &str, format: Format) -> Result<Definition, Vec<Problem>> {
    let document = text::parse(text, format).map_err(|problem| vec![problem])?;
    from_value(document).map_err(|mut problems| {
        locate::locate(text, format, &mut problems);
        problems
    })
}

/// Reads a document from its JSON form.
///
/// # Errors
/// As [`load`].
pub fn from_value(document: Value) -> Result<Definition, Vec<Problem>> {
    text::check_depth(&document).map_err(|problem| vec![problem])?;
    document::read(document)
}
