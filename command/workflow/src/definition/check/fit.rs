//! Data written in the document against the schemas it will meet.
//!
//! Only what is certain is reported: the data is written out at that place, and whatever its computed parts become, the
//! schema refuses it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{Found, Written, lists, roots, tasks};
use crate::definition::{
    problem::code,
    reader::{excerpt, join},
    schema,
};

/// How much is compared, in nodes of a schema times nodes of data. What is beyond is left to the run.
const MOST: usize = 20_000_000;

/// Reports data that no run can bring through the schema it meets.
pub(super) fn check(document: &Value, problems: &mut Found) {
    let loose = document.pointer("/evaluate/mode").and_then(Value::as_str) == Some("loose");
    let mut fit = Fit { document, loose, left: MOST, schemas: HashMap::new(), problems };
    for (list, _) in roots(document) {
        fit.list(&list, None);
    }
    fit.result();
}

/// Data of the document, with the places whose values are computed.
#[derive(Clone)]
struct Data<'d> {
    value: &'d Value,
    path: String,
}

struct Fit<'d, 'p> {
    document: &'d Value,
    loose: bool,
    left: usize,
    /// By place. None for those that are no schema, which is a problem of its own.
    schemas: HashMap<String, Option<Known>>,
    problems: &'p mut Found,
}

#[derive(Clone)]
struct Known {
    validator: Arc<Validator>,
    nodes: usize,
    /// Whether a part of the data decides what holds for other parts.
    conditional: bool,
}

impl<'d> Fit<'d, '_> {
    /// Checks a list whose first task gets `input`.
    fn list(&mut self, list: &[Written<'d>], input: Option<Data<'d>>) {
        if let (Some(first), Some(input)) = (list.first(), &input) {
            self.enters(input, first);
        }
        let indices: HashMap<&str, usize> =
            list.iter().enumerate().map(|(index, task)| (task.name, index)).collect();
        for (index, task) in list.iter().enumerate() {
            self.task(task);
            let Some(output) = self.output(task) else { continue };
            let next = match task.task.get("then").and_then(Value::as_str) {
                None | Some("continue") => list.get(index + 1),
                Some(name) => indices.get(name).map(|index| &list[*index]),
            };
            if let Some(next) = next {
                self.enters(&output, next);
            }
        }
    }

    fn task(&mut self, written: &Written<'d>) {
        let Written { path, task, .. } = written;
        if let Some(output) = self.output(written) {
            self.meets(&output, &format!("{path}/output/schema"), task.pointer("/output/schema"));
        }
        if let Some(context) = self.transformed(written, "export", "as") {
            self.meets(&context, &format!("{path}/export/schema"), task.pointer("/export/schema"));
        }
        if let (Some(name), Some(with)) = (task.get("call").and_then(Value::as_str), task.get("with")) {
            let function = join("/use/functions", name);
            if let Some(definition) = self.document.pointer(&function)
                && definition.get("if").is_none()
            {
                let arguments = Data { value: with, path: join(path, "with") };
                let place = format!("{function}/input/schema");
                self.meets(&arguments, &place, definition.pointer("/input/schema"));
            }
        }
        let input = self.transformed(written, "input", "from");
        for (list, path) in lists(task, path) {
            // What comes after a failure, and branches and iterations, begin with other data or more than once.
            let input = input.clone().filter(|_| path.ends_with("/do") && task.get("for").is_none());
            let input = input.filter(|_| path.len() == written.path.len() + 3);
            self.list(&tasks(Some(list), &path), input);
        }
    }

    /// The output of the workflow, against its schema.
    fn result(&mut self) {
        let schema = self.document.pointer("/output/schema");
        let output = match self.document.pointer("/output/as") {
            Some(value @ Value::Object(_)) => Some(Data { value, path: "/output/as".into() }),
            Some(_) => None,
            None => tasks(self.document.get("do"), "/do")
                .last()
                .filter(|last| last.task.get("if").is_none() && last.task.get("then").is_none())
                .and_then(|last| self.output(last)),
        };
        if let Some(output) = output {
            self.meets(&output, "/output/schema", schema);
        }
    }

    /// What the task puts out, if it is written in the document.
    fn output(&self, written: &Written<'d>) -> Option<Data<'d>> {
        if written.task.pointer("/output/as").is_some() {
            return self.transformed(written, "output", "as");
        }
        let value = written.task.get("set").filter(|value| value.is_object())?;
        Some(Data { value, path: join(&written.path, "set") })
    }

    fn transformed(&self, written: &Written<'d>, what: &str, field: &str) -> Option<Data<'d>> {
        let value = written.task.get(what)?.get(field).filter(|value| value.is_object())?;
        Some(Data { value, path: join(&join(&written.path, what), field) })
    }

    /// `data` becomes the input of `task`.
    fn enters(&mut self, data: &Data<'d>, task: &Written<'d>) {
        if task.task.get("if").is_none() {
            let place = format!("{}/input/schema", task.path);
            self.meets(data, &place, task.task.pointer("/input/schema"));
        }
    }

    fn meets(&mut self, data: &Data<'d>, place: &str, schema: Option<&Value>) {
        let Some(document) = schema.and_then(|schema| schema.get("document")) else { return };
        let Some(known) = self.schema(place, document) else { return };
        let mut computed = BTreeSet::new();
        let nodes = survey(data.value, "", self.loose, &mut computed);
        let Some(left) = self.left.checked_sub(known.nodes.saturating_mul(nodes)) else { return };
        self.left = left;
        if known.conditional && !computed.is_empty() {
            return;
        }
        for error in known.validator.iter_errors(data.value) {
            // Telling a problem quotes the data, so no more are told than are kept.
            if self.problems.is_full() {
                return;
            }
            let within = error.instance_path().to_string();
            if !certain(&within, error.kind(), &computed) {
                continue;
            }
            let path = format!("{}{within}", data.path);
            let message =
                format!("this cannot satisfy the schema at {place}: {}", excerpt_of(&error.to_string()));
            self.problems.add(code::MISFIT, &path, message, None);
        }
    }

    fn schema(&mut self, place: &str, document: &Value) -> Option<Known> {
        let compiled = self.schemas.entry(place.to_owned()).or_insert_with(|| {
            let validator = schema::compile(document).ok()?.0;
            let nodes = survey(document, "", false, &mut BTreeSet::new());
            Some(Known { validator, nodes, conditional: is_conditional(document) })
        });
        compiled.clone()
    }
}

fn excerpt_of(text: &str) -> String {
    if text.chars().count() > 200 { excerpt(text) } else { text.to_owned() }
}

/// Counts the nodes of `value` and notes the places of those that are computed.
fn survey(value: &Value, path: &str, loose: bool, computed: &mut BTreeSet<String>) -> usize {
    match value {
        Value::String(text) => {
            if loose || text.contains("${") {
                computed.insert(path.to_owned());
            }
            1
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .map(|(index, item)| survey(item, &join(path, &index.to_string()), loose, computed))
                .sum::<usize>()
                + 1
        }
        Value::Object(map) => {
            map.iter().map(|(key, item)| survey(item, &join(path, key), loose, computed)).sum::<usize>() + 1
        }
        _ => 1,
    }
}

/// Whether the error at `place` stays whatever becomes of the computed parts.
fn certain(place: &str, kind: &ValidationErrorKind, computed: &BTreeSet<String>) -> bool {
    let about_shape = matches!(
        kind,
        ValidationErrorKind::Required { .. }
            | ValidationErrorKind::AdditionalProperties { .. }
            | ValidationErrorKind::Type { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MaxProperties { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MaxItems { .. }
    );
    let below = format!("{place}/");
    let above = computed.range(below.clone()..).next().is_some_and(|part| part.starts_with(&below));
    !computed.contains(place) && (!above || about_shape)
}

/// Whether the schema has keywords by which one part of the data decides about another.
fn is_conditional(schema: &Value) -> bool {
    const KEYWORDS: [&str; 9] = [
        "if",
        "anyOf",
        "oneOf",
        "not",
        "dependentSchemas",
        "dependencies",
        "contains",
        "unevaluatedProperties",
        "unevaluatedItems",
    ];
    match schema {
        Value::Object(map) => {
            map.iter().any(|(key, value)| KEYWORDS.contains(&key.as_str()) || is_conditional(value))
        }
        Value::Array(items) => items.iter().any(is_conditional),
        _ => false,
    }
}
