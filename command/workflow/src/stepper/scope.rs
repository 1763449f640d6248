//! The runtime variables that an expression sees (dsl, "Runtime expression arguments").

use openclaw_core::run::{Phase, State, Task as OpenTask};
use openclaw_model::{TaskId, Timestamp};
use serde_json::{Value, json};

use super::Program;
use crate::{
    definition::{Body, Extended, Listen, Task},
    expression::Scope,
};

/// What is known at the place where an expression stands.
pub(super) struct Variables<'a> {
    pub(super) program: &'a Program,
    pub(super) state: &'a State,
    pub(super) run: openclaw_model::RunId,
    pub(super) secrets: &'a dyn Fn(&str) -> Result<Value, String>,
    /// The task whose children see this scope; its loop item and caught error are visible.
    pub(super) parent: Option<TaskId>,
    /// The iteration of the parent, where it is about to begin.
    pub(super) iteration: Option<u32>,
    /// The task that the expression belongs to.
    pub(super) task: Option<&'a Task>,
    pub(super) task_raw_input: Option<&'a Value>,
    pub(super) task_raw_output: Option<&'a Value>,
    pub(super) task_started_at: Option<Timestamp>,
    /// `$input`.
    pub(super) input: Option<&'a Value>,
    /// `$output`.
    pub(super) output: Option<&'a Value>,
    /// An error that is being judged, under its variable.
    pub(super) error: Option<(&'a str, &'a Value)>,
}

fn moment(at: Timestamp) -> Value {
    json!({
        "iso8601": at.to_string(),
        "epoch": { "seconds": at.as_millis().div_euclid(1_000), "milliseconds": at.as_millis() },
    })
}

impl Variables<'_> {
    /// A loop item, loop index or caught error of a task above.
    fn local(&self, name: &str) -> Option<Value> {
        if let Some((variable, error)) = self.error
            && variable == name
        {
            return Some(error.clone());
        }
        let mut parent = self.parent;
        let mut about_to_begin = self.iteration;
        while let Some(id) = parent {
            let open = self.state.tasks.get(&id)?;
            match (&open.phase, self.program.task(&open.reference).map(|task| &task.body)) {
                (Phase::Loop { items, index }, Some(Body::For(body))) => {
                    let index = about_to_begin.or(*index)?;
                    if body.each == name {
                        return items.get(index as usize).cloned();
                    }
                    if body.at == name {
                        return Some(index.into());
                    }
                }
                (Phase::Listening(listening), Some(Body::Listen(Listen { foreach: Some(foreach), .. }))) => {
                    let index = about_to_begin.or(listening.index)?;
                    if foreach.item == name {
                        return listening.events.get(index as usize).map(|event| (**event).clone());
                    }
                    if foreach.at == name {
                        return Some(index.into());
                    }
                }
                (Phase::Catching { error }, Some(Body::Try { catch, .. })) if catch.variable == name => {
                    return serde_json::to_value(&**error).ok();
                }
                _ => {}
            }
            about_to_begin = None;
            parent = open.parent;
        }
        None
    }

    /// The extended task that the place is before or after, with its parts.
    fn extended(&self) -> Option<(&OpenTask, &Extended)> {
        let mut beside = self.task.is_some_and(|task| matches!(task.body, Body::Advice(_)));
        let mut at = self.parent;
        while let Some(open) = at.and_then(|id| self.state.tasks.get(&id)) {
            match &self.program.task(&open.reference)?.body {
                Body::Extended(extended) if beside => return Some((open, extended)),
                Body::Advice(_) => beside = true,
                _ => {}
            }
            at = open.parent;
        }
        None
    }

    fn task(&self) -> Value {
        if let Some((open, extended)) = self.extended() {
            return beside(open, extended);
        }
        let Some(task) = self.task else { return Value::Null };
        let described = match &task.body {
            Body::Extended(extended) => &extended.task,
            _ => task,
        };
        json!({
            "name": described.name,
            "reference": described.reference,
            "definition": *described.source,
            "input": self.task_raw_input,
            "output": self.task_raw_output,
            "startedAt": self.task_started_at.map(moment),
        })
    }
}

/// What `$task` is to the tasks of an extension: the task that they extend, with the fields of its definition beside
/// what every `$task` has (dsl-reference, the examples of "Extension").
fn beside(open: &OpenTask, extended: &Extended) -> Value {
    let task = &extended.task;
    let last = open.scope.last.as_ref();
    let last = last.filter(|last| !extended.before.iter().any(|advice| advice.reference == last.reference));
    let mut value = (*task.source).clone();
    value["name"] = json!(task.name);
    value["reference"] = json!(task.reference);
    value["definition"] = (*task.source).clone();
    value["input"] = (*open.raw_input).clone();
    value["output"] = last.map(|last| (*last.output).clone()).unwrap_or_default();
    value["startedAt"] = moment(open.started_at);
    value
}

impl Scope for Variables<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.local(name) {
            return Some(value);
        }
        Some(match name {
            "context" => (*self.state.context).clone(),
            "input" => self.input.cloned().unwrap_or_default(),
            "output" => self.output.cloned().unwrap_or_default(),
            "task" => self.task(),
            "workflow" => json!({
                "id": self.run.to_string(),
                "definition": *self.program.definition.source,
                "input": *self.state.raw_input,
                "startedAt": moment(self.state.started_at),
            }),
            "runtime" => json!({ "name": "openclaw", "version": env!("CARGO_PKG_VERSION"), "metadata": {} }),
            "secrets" => {
                let names = self.program.definition.secrets.iter();
                names.filter_map(|name| Some((name.clone(), (self.secrets)(name).ok()?))).collect()
            }
            "authorization" => Value::Null,
            _ => return None,
        })
    }
}
