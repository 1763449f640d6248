//! Depth and cost of a parsed document, with every fragment weighed once however often it is spread.
//!
//! Cost counts the objects that an answer could have: a connection costs one, and the cost of one item for every
//! item of its page. Small values are free, large ones (inputs, outputs, payloads) and objects that take a look-up
//! of their own cost one. Embedded objects cost what is in them.

use std::collections::HashMap;

use async_graphql::{
    Name, ServerError, Value, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};

use super::{MAX_COST, MAX_DEPTH, MAX_NESTING, MAX_SELECTIONS};
use crate::{cursor::DEFAULT_PAGE, fault::Code};

/// Fields that cost one each: large values, and objects that are looked up one by one.
const DEAR: [&str; 30] = [
    "input",
    "output",
    "error",
    "data",
    "definition",
    "content",
    "attachments",
    "state",
    "value",
    "parent",
    "run",
    "session",
    "task",
    "approval",
    "child",
    "forkedFrom",
    "running",
    "deciders",
    "details",
    "subject",
    "answer",
    "schema",
    "onDeadline",
    "timetable",
    "interests",
    "cloudEvent",
    "document",
    "decision",
    "a",
    "b",
];
/// Cost of a question that reads a whole run: its history for `asOf`, all tasks of two for `runDiff`.
const WHOLE_RUN: u64 = 100;
/// Connections: lists with pages.
const CONNECTIONS: [&str; 23] = [
    "runs",
    "tasks",
    "sessions",
    "messages",
    "workflows",
    "events",
    "children",
    "forks",
    "waits",
    "effects",
    "timeline",
    "attempts",
    "approvals",
    "votes",
    "schedules",
    "webhooks",
    "deadLetters",
    "publishedEvents",
    "policies",
    "decisions",
    "changed",
    "onlyInA",
    "onlyInB",
];
/// Lists of the introspection schema. Types within fields within types grow without end.
const INTROSPECTED: [&str; 7] =
    ["types", "fields", "inputFields", "args", "enumValues", "possibleTypes", "interfaces"];
/// Lists within lists that introspection may ask for: arguments of fields of types.
const MAX_INTROSPECTED: usize = 3;

/// What a selection amounts to.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    depth: usize,
    cost: u64,
    selections: u64,
    introspected: usize,
}

impl Weight {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            cost: self.cost.saturating_add(other.cost),
            selections: self.selections.saturating_add(other.selections),
            introspected: self.introspected.max(other.introspected),
        }
    }
}

/// Checks every operation of `document`.
///
/// # Errors
/// `TOO_DEEP`, `TOO_COMPLEX` or `FRAGMENT_CYCLE`.
pub(super) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), ServerError> {
    for (_, operation) in document.operations.iter() {
        let mut scale = Scale { document, variables, operation: &operation.node, fragments: HashMap::new() };
        let weight = scale.selection(&operation.node.selection_set.node, true)?;
        let introspects = introspects(&operation.node.selection_set.node);
        let deepest = if introspects { MAX_NESTING } else { MAX_DEPTH };
        if weight.depth > deepest {
            let message = format!("fields are nested {} deep, at most {deepest} are allowed", weight.depth);
            return Err(Code::TooDeep.server_error(message));
        }
        if weight.cost > MAX_COST {
            let message = format!(
                "the answer could have {} objects, at most {MAX_COST} are allowed; ask for smaller pages",
                weight.cost
            );
            return Err(Code::TooComplex.server_error(message));
        }
        if weight.selections > MAX_SELECTIONS || weight.introspected > MAX_INTROSPECTED {
            return Err(
                Code::TooComplex.server_error("the document selects too much once its fragments are spread")
            );
        }
    }
    Ok(())
}

/// Whether all it asks at the top is about the schema itself.
fn introspects(selection: &SelectionSet) -> bool {
    selection.items.iter().all(|item| match &item.node {
        Selection::Field(field) => field.node.name.node.starts_with("__"),
        _ => false,
    })
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    operation: &'a OperationDefinition,
    /// Weights of fragments; none while one is being weighed.
    fragments: HashMap<&'a Name, Option<Weight>>,
}

impl<'a> Scale<'a> {
    fn selection(&mut self, set: &'a SelectionSet, top: bool) -> Result<Weight, ServerError> {
        let mut sum = Weight::default();
        for item in &set.items {
            let weight = match &item.node {
                Selection::Field(field) => self.field(&field.node, top)?,
                Selection::InlineFragment(fragment) => {
                    self.selection(&fragment.node.selection_set.node, top)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, top)?,
            };
            sum = sum.beside(weight);
        }
        Ok(sum)
    }

    fn fragment(&mut self, name: &'a Name, top: bool) -> Result<Weight, ServerError> {
        match self.fragments.get(name) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                return Err(Code::FragmentCycle.server_error(format!("fragment {name} spreads itself")));
            }
            None => {}
        }
        // An unknown fragment weighs nothing; validation will name it.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Weight::default()) };
        self.fragments.insert(name, None);
        let weight = self.selection(&fragment.node.selection_set.node, top)?;
        self.fragments.insert(name, Some(weight));
        Ok(weight)
    }

    fn field(&mut self, field: &'a Field, top: bool) -> Result<Weight, ServerError> {
        let inner = self.selection(&field.selection_set.node, false)?;
        let name = field.name.node.as_str();
        let whole = name == "runDiff" || (top && field.get_argument("asOf").is_some());
        let own = if whole { WHOLE_RUN } else { u64::from(top || DEAR.contains(&name)) };
        let cost = if CONNECTIONS.contains(&name) && !field.selection_set.node.items.is_empty() {
            inner.cost.saturating_mul(self.page(field)).saturating_add(1)
        } else if matches!(name, "node" | "nodes") {
            inner.cost.saturating_add(1)
        } else {
            inner.cost.saturating_add(own)
        };
        Ok(Weight {
            depth: inner.depth + 1,
            cost,
            selections: inner.selections.saturating_add(1),
            introspected: inner.introspected + usize::from(INTROSPECTED.contains(&name)),
        })
    }

    /// Items of the page that a connection is asked for. What is no number is refused later; it counts as a page.
    fn page(&self, field: &Field) -> u64 {
        let size = |name| {
            let value = field.get_argument(name)?.node.clone();
            let value = value.into_const_with(|variable| self.variable(&variable).ok_or(()));
            Some(value.ok().as_ref().and_then(number).unwrap_or(u64::from(DEFAULT_PAGE)))
        };
        size("first").into_iter().chain(size("last")).max().unwrap_or(u64::from(DEFAULT_PAGE))
    }

    fn variable(&self, variable: &Name) -> Option<Value> {
        let given = self.variables.get(variable).cloned();
        given.or_else(|| {
            let definitions = &self.operation.variable_definitions;
            let definition = definitions.iter().find(|definition| definition.node.name.node == *variable)?;
            definition.node.default_value().cloned()
        })
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn code(query: &str, variables: serde_json::Value) -> String {
        let document = parse_query(query).unwrap();
        check(&document, &Variables::from_json(variables))
            .map_or_else(|mut error| crate::fault::code_of(&mut error), |()| "ok".to_owned())
    }

    #[test]
    fn pages_within_pages_multiply() {
        let query =
            "query($n: Int = 200) { runs(first: $n) { nodes { id tasks(first: 2) { nodes { name } } } } }";
        assert_eq!(code(query, serde_json::json!({ "n": 200 })), "ok");
        assert_eq!(code(query, serde_json::json!({})), "ok");
        assert_eq!(code(query, serde_json::json!({ "n": 2_000_000 })), "TOO_COMPLEX");
        let cube = "{ runs(first: 100) { nodes { tasks(first: 100) { nodes { run { \
                    tasks(first: 100) { nodes { name } } } } } } } }";
        assert_eq!(code(cube, serde_json::json!({})), "TOO_COMPLEX");
        assert_eq!(
            code("{ runs(first: 200) { nodes { id input output status } } }", serde_json::json!({})),
            "ok"
        );
    }

    #[test]
    fn a_question_reads_a_whole_run_few_times() {
        let times = |count: usize, field: &str| {
            let fields: String = (0..count).map(|index| format!("x{index}: {field} ")).collect();
            code(&format!("{{ {fields} }}"), serde_json::json!({}))
        };
        for field in ["run(id: \"x\", asOf: 7) { status }", "runDiff(a: \"x\", b: \"y\") { identical }"] {
            assert_eq!(times(10, field), "ok", "{field}");
            assert_eq!(times(11, field), "TOO_COMPLEX", "{field}");
        }
        assert_eq!(times(29, "run(id: \"x\") { status }"), "ok");
    }

    #[test]
    fn fragments_that_double_are_weighed_once_and_refused() {
        let mut query = "{ ...f0 }".to_owned();
        for level in 0..40 {
            query += &format!(" fragment f{level} on Query {{ ...f{n} ...f{n} }}", n = level + 1);
        }
        query += " fragment f40 on Query { server { version } }";
        assert_eq!(code(&query, serde_json::json!({})), "TOO_COMPLEX");
        let cycle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert_eq!(code(cycle, serde_json::json!({})), "FRAGMENT_CYCLE");
    }

    #[test]
    fn depth_counts_fields_through_fragments_and_gives_introspection_more_room() {
        let deep = |root: &str, depth: usize| {
            format!("{{ {root} {{ {}x{} }} }}", "a { ".repeat(depth), " }".repeat(depth))
        };
        assert_eq!(code(&deep("run", MAX_DEPTH - 2), serde_json::json!({})), "ok");
        assert_eq!(code(&deep("run", MAX_DEPTH - 1), serde_json::json!({})), "TOO_DEEP");
        assert_eq!(code(&deep("__schema", MAX_DEPTH), serde_json::json!({})), "ok");
        let types = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert_eq!(code(types, serde_json::json!({})), "TOO_COMPLEX");
    }
}
