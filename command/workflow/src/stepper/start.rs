//! Starting a task: its condition, its input, and what it does first.

use std::sync::Arc;

use openclaw_model::{
    TaskId, Timestamp,
    event::run::{EventEmitted, Flow, RunEvent, TaskSkipped, TaskStarted, Work, WorkflowError},
};
use serde_json::{Value, json};

use super::{
    Step,
    data::{Place, truthy, validate},
    effect::judge::denied,
};
use crate::{
    definition::{Body, Case, ErrorTemplate, Task},
    error,
    expression::Template,
};

/// Where a task is started.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) parent: Option<TaskId>,
    pub(super) iteration: Option<u32>,
    pub(super) attempt: u32,
    /// A time limit from above, besides the task's own.
    pub(super) deadline: Option<Timestamp>,
}

impl Spot {
    /// At the top level.
    pub(super) const TOP: Self = Self { parent: None, iteration: None, attempt: 1, deadline: None };
}

/// What follows at once from starting a task.
enum Then {
    /// Nothing; it waits or has children.
    Wait,
    /// It ends with this raw output, and perhaps a directive of its own.
    Finish(Value, Option<Flow>),
    /// It publishes this and ends with it.
    Publish(Value),
    /// It fails.
    Fault(WorkflowError),
}

impl Step<'_> {
    /// Starts `task` with `raw` as its raw input, or skips it.
    pub(super) fn start(&mut self, task: &Arc<Task>, raw: Arc<Value>, spot: Spot) {
        let id = TaskId(self.state.last_task + 1);
        let place = Place {
            parent: spot.parent,
            iteration: spot.iteration,
            task: Some(task),
            raw_input: Some(&raw),
            started_at: Some(self.around.now),
            ..Place::default()
        };
        let mut enabled =
            task.condition.as_ref().map_or(Ok(true), |condition| self.holds(condition, &raw, place));
        // The condition of an extension meets all kinds of tasks, and does not hold where it makes no sense.
        if matches!(task.body, Body::Advice(_)) {
            enabled = Ok(enabled.unwrap_or(false));
        }
        if enabled == Ok(false) {
            self.emit(RunEvent::TaskSkipped(TaskSkipped {
                task: id,
                parent: spot.parent,
                name: task.name.clone(),
                reference: task.reference.clone(),
                kind: task.body.kind(),
                iteration: spot.iteration,
                attempt: spot.attempt,
                output: (*raw).clone(),
            }));
            return;
        }
        let input = enabled
            .and_then(|_| validate(task.input.schema.as_ref(), &raw, "the task's input"))
            .and_then(|()| match &task.input.template {
                Some(template) => self.render(template, &raw, place),
                None => Ok((*raw).clone()),
            });
        let (input, prepared) = match input {
            Ok(input) => {
                let prepared = self.prepare(task, &input, spot, Place { input: Some(&input), ..place });
                (input, prepared)
            }
            Err(error) => ((*raw).clone(), Err(error)),
        };
        let deadline = task.timeout.as_ref().map(|limit| {
            self.millis(limit, &input, Place { input: Some(&input), ..place })
                .map(|millis| self.around.now.plus_millis(millis))
        });
        let (work, then, deadline) = match (prepared, deadline.transpose()) {
            (Ok((work, then)), Ok(own)) => (work, then, own.into_iter().chain(spot.deadline).min()),
            (Err(error), _) | (_, Err(error)) => (Work::Steps, Then::Fault(error), None),
        };
        self.emit(RunEvent::TaskStarted(TaskStarted {
            task: id,
            parent: spot.parent,
            name: task.name.clone(),
            reference: task.reference.clone(),
            kind: task.body.kind(),
            iteration: spot.iteration,
            attempt: spot.attempt,
            raw_input: (input != *raw).then(|| (*raw).clone()),
            input,
            deadline,
            work,
        }));
        match then {
            Then::Wait => {}
            Then::Finish(output, flow) => self.finish(id, output, flow),
            Then::Publish(event) => {
                self.emit(RunEvent::EventEmitted(EventEmitted { task: id, event: event.clone() }));
                self.finish(id, event, None);
            }
            Then::Fault(error) => self.fault(id, error),
        }
    }

    /// Evaluates everything a task needs before it begins.
    fn prepare(
        &self,
        task: &Task,
        input: &Value,
        spot: Spot,
        place: Place<'_>,
    ) -> Result<(Work, Then), WorkflowError> {
        Ok(match &task.body {
            Body::Do(_) | Body::Try { .. } | Body::Extended(_) | Body::Advice(_) => (Work::Steps, Then::Wait),
            Body::Listen(listen) => (Work::Listen { interests: listen.consume.interests() }, Then::Wait),
            Body::Set(template) => (Work::Steps, Then::Finish(self.render(template, input, place)?, None)),
            Body::Switch(cases) => {
                let flow = self.choose(cases, input, place)?;
                (Work::Steps, Then::Finish(input.clone(), flow))
            }
            Body::For(body) => match self.evaluate(&body.collection, input, place)? {
                Value::Array(items) => (Work::Loop { items }, Then::Wait),
                // jq gives null for a field that is not there: nothing to iterate over.
                Value::Null => (Work::Loop { items: Vec::new() }, Then::Wait),
                other => {
                    let kind = kind_of(&other);
                    return Err(error::expression(format!("for.in gave {kind}, it has to give an array")));
                }
            },
            Body::Fork { branches, compete } => {
                (Work::Branches { count: branches.0.len() as u32, compete: *compete }, Then::Wait)
            }
            Body::Raise(template) => {
                (Work::Steps, Then::Fault(self.raised(template, &task.reference, input, place)?))
            }
            Body::Wait(length) => {
                let due = self.around.now.plus_millis(self.millis(length, input, place)?);
                (Work::Timer { due }, Then::Wait)
            }
            Body::Emit(template) => {
                (Work::Steps, Then::Publish(self.cloud_event(template, &task.reference, input, place)?))
            }
            Body::Http(_)
            | Body::OpenApi(_)
            | Body::Grpc(_)
            | Body::Approval(_)
            | Body::Command(_)
            | Body::Process(_)
            | Body::Container(_)
            | Body::Workflow(_) => {
                let path = self.state.path_of(spot.parent, &task.name, spot.iteration);
                let intent = self.intend(task, &path, input, place)?;
                // What is denied is recorded, and has failed before anything happened.
                let then = denied(&intent).map_or(Then::Wait, Then::Fault);
                (Work::Effect(intent), then)
            }
        })
    }

    /// The directive of the first case that holds, else of the default case; none if there is neither.
    fn choose(&self, cases: &[Case], input: &Value, place: Place<'_>) -> Result<Option<Flow>, WorkflowError> {
        for case in cases {
            if let Some(when) = &case.when
                && self.holds(when, input, place)?
            {
                return Ok(Some(case.then.clone()));
            }
        }
        Ok(cases.iter().find(|case| case.when.is_none()).map(|case| case.then.clone()))
    }

    fn raised(
        &self,
        template: &ErrorTemplate,
        reference: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<WorkflowError, WorkflowError> {
        let text = |template: &Option<Template>| -> Result<Option<String>, WorkflowError> {
            let rendered =
                template.as_ref().map(|template| self.render(template, input, place)).transpose()?;
            Ok(rendered.map(|value| as_text(&value)))
        };
        let status = self.render(&template.status, input, place)?;
        let status = status
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .ok_or_else(|| error::configuration(format!("the status of a raised error is {status}")))?;
        Ok(WorkflowError {
            r#type: as_text(&self.render(&template.kind, input, place)?),
            status,
            title: text(&template.title)?,
            detail: text(&template.detail)?,
            instance: text(&template.instance)?.or_else(|| Some(reference.to_owned())),
        })
    }

    /// A CloudEvent 1.0 with the attributes of `template`; id, time and version are filled in where missing.
    fn cloud_event(
        &self,
        template: &Template,
        reference: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Value, WorkflowError> {
        let Value::Object(mut event) = self.render(template, input, place)? else {
            return Err(error::configuration("emit.event.with has to be an object".into()));
        };
        event.entry("specversion").or_insert_with(|| json!("1.0"));
        event.entry("id").or_insert_with(|| json!((self.around.ids)().to_string()));
        event.entry("time").or_insert_with(|| json!(self.around.now.to_string()));
        event.entry("source").or_insert_with(|| json!(format!("/runs/{}{reference}", self.around.run)));
        if !event.get("type").is_some_and(truthy) {
            return Err(error::configuration("emit.event.with.type is missing".into()));
        }
        Ok(Value::Object(event))
    }
}

/// Strings as they are, everything else as JSON.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
