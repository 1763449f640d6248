//! The data flow of the specification (dsl, "Data Flow"): schemas, transformations, and how a task or a run ends.

use std::sync::Arc;

use openclaw_core::run::{Phase, Task as OpenTask};
use openclaw_model::{
    TaskId, Timestamp,
    event::run::{Flow, RunCompleted, RunEvent, RunFaulted, RunRunning, TaskCompleted, WorkflowError},
};
use serde_json::Value;

use super::{Step, scope::Variables};
use crate::{
    definition::{Duration, Schema, Task},
    duration, error,
    expression::{EvaluationError, Expression, Template},
};

/// Characters of a schema's complaint that become part of an error.
const QUOTED: usize = 500;

/// The place in a run at which something is evaluated.
#[derive(Clone, Copy, Default)]
pub(super) struct Place<'a> {
    pub(super) parent: Option<TaskId>,
    pub(super) iteration: Option<u32>,
    pub(super) task: Option<&'a Task>,
    pub(super) raw_input: Option<&'a Value>,
    pub(super) raw_output: Option<&'a Value>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) input: Option<&'a Value>,
    pub(super) output: Option<&'a Value>,
    pub(super) error: Option<(&'a str, &'a Value)>,
}

pub(super) fn failed(failure: EvaluationError) -> WorkflowError {
    error::expression(failure.to_string())
}

/// Refuses `data` that does not satisfy `schema`; the error names the first offending place.
pub(super) fn validate(schema: Option<&Schema>, data: &Value, what: &str) -> Result<(), WorkflowError> {
    let Some(schema) = schema else { return Ok(()) };
    match schema.0.iter_errors(data).next() {
        None => Ok(()),
        Some(problem) => {
            let place = problem.instance_path().to_string();
            let place = if place.is_empty() { "/".to_owned() } else { place };
            // The problem quotes the data, which may be large.
            let problem: String = problem.to_string().chars().take(QUOTED).collect();
            Err(error::validation(format!("{what} does not satisfy its schema at {place}: {problem}")))
        }
    }
}

/// What jq takes for true.
pub(super) fn truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

impl Step<'_> {
    pub(super) fn variables<'b>(&'b self, place: Place<'b>) -> Variables<'b> {
        Variables {
            program: self.program,
            state: self.state,
            run: self.around.run,
            secrets: self.around.secrets,
            parent: place.parent,
            iteration: place.iteration,
            task: place.task,
            task_raw_input: place.raw_input,
            task_raw_output: place.raw_output,
            task_started_at: place.started_at,
            input: place.input,
            output: place.output,
            error: place.error,
        }
    }

    pub(super) fn evaluate(
        &self,
        expression: &Expression,
        data: &Value,
        place: Place<'_>,
    ) -> Result<Value, WorkflowError> {
        if expression.variables.iter().any(|name| name == "secrets") {
            self.may_use_secrets()?;
        }
        self.around.evaluator.evaluate(expression, data, &self.variables(place)).map_err(failed)
    }

    pub(super) fn holds(
        &self,
        expression: &Expression,
        data: &Value,
        place: Place<'_>,
    ) -> Result<bool, WorkflowError> {
        self.evaluate(expression, data, place).map(|value| truthy(&value))
    }

    pub(super) fn render(
        &self,
        template: &Template,
        data: &Value,
        place: Place<'_>,
    ) -> Result<Value, WorkflowError> {
        if template.mentions("secrets") {
            self.may_use_secrets()?;
        }
        template.render(self.around.evaluator, data, &self.variables(place)).map_err(failed)
    }

    /// Refuses when a secret that the document lists does not exist or cannot be used (dsl, "Secret").
    fn may_use_secrets(&self) -> Result<(), WorkflowError> {
        for name in &self.program.definition.secrets {
            (self.around.secrets)(name).map_err(error::authorization)?;
        }
        Ok(())
    }

    pub(super) fn millis(
        &self,
        length: &Duration,
        data: &Value,
        place: Place<'_>,
    ) -> Result<u64, WorkflowError> {
        match length {
            Duration::Millis(millis) => Ok(*millis),
            Duration::Computed(template) => {
                let value = self.render(template, data, place)?;
                duration::millis_of(&value).map_err(error::configuration)
            }
        }
    }

    /// Validates and transforms the run's input (steps 1 and 2 of the data flow).
    pub(super) fn begin(&mut self) {
        let raw = self.state.raw_input.clone();
        let transform = &self.program.definition.input;
        let input =
            validate(transform.schema.as_ref(), &raw, "the workflow's input").and_then(|()| match &transform
                .template
            {
                Some(template) => self.render(template, &raw, Place::default()),
                None => Ok((*raw).clone()),
            });
        let begun = input.and_then(|input| {
            let limit = self.program.definition.timeout.as_ref();
            let limit = limit.map(|limit| self.millis(limit, &input, Place::default())).transpose()?;
            Ok(RunRunning { input, deadline: limit.map(|millis| self.around.now.plus_millis(millis)) })
        });
        match begun {
            Ok(begun) => self.emit(RunEvent::Running(begun)),
            Err(error) => self.fault_run(at(error, "/input")),
        }
    }

    /// Transforms and validates the run's output (steps 10 and 11), and ends the run.
    pub(super) fn complete_run(&mut self, raw: &Arc<Value>) {
        let transform = &self.program.definition.output;
        let output = match &transform.template {
            Some(template) => self.render(template, raw, Place::default()),
            None => Ok((**raw).clone()),
        };
        let output = output.and_then(|output| {
            validate(transform.schema.as_ref(), &output, "the workflow's output").map(|()| output)
        });
        match output {
            Ok(output) => self.emit(RunEvent::Completed(RunCompleted { output })),
            Err(error) => self.fault_run(at(error, "/output")),
        }
    }

    pub(super) fn fault_run(&mut self, error: WorkflowError) {
        self.emit(RunEvent::Faulted(RunFaulted { error }));
    }

    /// Ends a task with `raw` as its raw output: transforms and validates it, exports the context (steps 5 to 8).
    /// `then` overrides where the flow goes.
    pub(super) fn finish(&mut self, id: TaskId, raw: Value, then: Option<Flow>) {
        let Some(open) = self.state.tasks.get(&id).cloned() else { return };
        let Some(task) = self.program.task(&open.reference).cloned() else {
            self.fault(id, error::runtime(format!("the definition has no task {}", open.reference)));
            return;
        };
        match self.outputs(&open, &task, &raw) {
            Ok((output, context)) => {
                let raw_output = (output != raw).then_some(raw);
                let then = then.unwrap_or_else(|| task.then.clone());
                self.emit(RunEvent::TaskCompleted(TaskCompleted {
                    task: id,
                    output,
                    raw_output,
                    context,
                    then,
                }));
            }
            Err(error) => {
                let effect = matches!(open.phase, Phase::Effect { .. } | Phase::Answered { .. });
                self.fault_with(id, error, effect.then_some(raw));
            }
        }
    }

    fn outputs(
        &self,
        open: &OpenTask,
        task: &Task,
        raw: &Value,
    ) -> Result<(Value, Option<Value>), WorkflowError> {
        let place = Place {
            parent: open.parent,
            task: Some(task),
            raw_input: Some(&open.raw_input),
            raw_output: Some(raw),
            started_at: Some(open.started_at),
            input: Some(&open.input),
            ..Place::default()
        };
        let output = match &task.output.template {
            Some(template) => self.render(template, raw, place)?,
            None => raw.clone(),
        };
        validate(task.output.schema.as_ref(), &output, "the task's output")?;
        let context = match &task.export.template {
            Some(template) => {
                let context = self.render(template, &output, Place { output: Some(&output), ..place })?;
                validate(task.export.schema.as_ref(), &context, "the exported context")?;
                Some(context)
            }
            None => None,
        };
        Ok((output, context))
    }
}

/// Names the place that raised `error`, unless it names one itself.
pub(super) fn at(mut error: WorkflowError, instance: &str) -> WorkflowError {
    error.instance.get_or_insert_with(|| instance.to_owned());
    error
}
