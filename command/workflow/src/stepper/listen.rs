//! `listen`: taking events in (dsl-reference, "Listen" and "Event Consumption Strategy").

use std::sync::Arc;

use openclaw_core::run::{Listening, Phase, Task as OpenTask};
use openclaw_model::{
    TaskId,
    event::run::{EventConsumed, Flow, ItemCompleted, Origin, RunEvent, WorkflowError},
};
use serde_json::{Value, json};

use super::{
    Step,
    compose::{Next, exits, next},
    data::{Place, validate},
    start::Spot,
};
use crate::{
    definition::{Body, ForEach, Listen, Mode, Read, Task, Until},
    filter,
};

impl Step<'_> {
    /// Offers `event` to a `listen` task, which takes it in if it passes one of its filters.
    pub(super) fn hear(&mut self, id: TaskId, origin: Origin, event: &Value) -> bool {
        let Some(open) = self.state.tasks.get(&id) else { return false };
        let Phase::Listening(listening) = &open.phase else { return false };
        let Some(task) = self.program.task(&open.reference).cloned() else { return false };
        let Body::Listen(listen) = &task.body else { return false };
        if listening.complete || self.state.cancel.is_some() && !self.state.compensates(id) {
            return false;
        }
        let Some(consumed) = self.consider(id, open, &task, listen, listening, origin, event) else {
            return false;
        };
        self.emit(RunEvent::EventConsumed(consumed));
        true
    }

    #[expect(clippy::too_many_arguments, reason = "all of them are one open task, taken apart")]
    fn consider(
        &self,
        id: TaskId,
        open: &OpenTask,
        task: &Task,
        listen: &Listen,
        listening: &Listening,
        origin: Origin,
        event: &Value,
    ) -> Option<EventConsumed> {
        let place = Place {
            parent: open.parent,
            task: Some(task),
            raw_input: Some(&open.raw_input),
            started_at: Some(open.started_at),
            input: Some(&open.input),
            ..Place::default()
        };
        let scope = self.variables(place);
        let judged = filter::Place { evaluator: self.around.evaluator, scope: &scope, input: &open.input };
        let consume = &listen.consume;
        let count = consume.filters.len() as u32;
        let passed = |index: u32| listening.passed.contains(&index);
        if let Some(Until::Consumed(until)) = &consume.until
            && let Some((filter, keys)) =
                filter::first_passed(until, count, passed, &listening.keys, event, judged)
        {
            let missing = (count..count + until.filters.len() as u32).filter(|index| !passed(*index)).count();
            let last = until.mode != Mode::All || missing == 1;
            let event = Value::Null;
            return Some(EventConsumed { task: id, filter, origin, event, keys, until: true, last });
        }
        let (filter, keys) = filter::first_passed(consume, 0, passed, &listening.keys, event, judged)?;
        let event = read(listen.read, event);
        let last = match (consume.mode, &consume.until) {
            (Mode::All, _) => (0..count).filter(|index| !passed(*index)).count() == 1,
            (Mode::Any, Some(Until::Consumed(_))) => false,
            (Mode::Any, Some(Until::Holds(condition))) => {
                let so_far = listening.events.iter().map(|event| (**event).clone()).chain([event.clone()]);
                // A condition that fails is not met; the next event may mend it.
                self.holds(condition, &Value::Array(so_far.collect()), place).unwrap_or(false)
            }
            (Mode::One | Mode::Any, _) => true,
        };
        Some(EventConsumed { task: id, filter, origin, event, keys, until: false, last })
    }

    /// Moves a `listen` task: takes in signals that wait, runs `foreach`, ends. Returns whether anything happened.
    pub(super) fn step_listen(
        &mut self,
        id: TaskId,
        open: &OpenTask,
        task: &Task,
        listen: &Listen,
        listening: &Listening,
    ) -> bool {
        if !listening.complete {
            let signals = self.state.signals.clone();
            let run = self.around.run;
            for signal in signals {
                let event = json!({
                    "specversion": "1.0",
                    "id": signal.version.to_string(),
                    "source": format!("/runs/{run}/signals"),
                    "type": signal.name,
                    "time": signal.at.to_string(),
                    "data": *signal.data,
                });
                if self.hear(id, Origin::Signal { version: signal.version }, &event) {
                    return true;
                }
            }
        }
        let through = match &listen.foreach {
            None => listening.events.clone(),
            Some(_) => listening.outputs.clone(),
        };
        if let Some(foreach) = &listen.foreach
            && through.len() < listening.events.len()
        {
            return self.step_item(id, open, task, foreach, listening, through.len() as u32);
        }
        if listening.complete {
            let output = through.iter().map(|output| (**output).clone()).collect();
            self.finish(id, Value::Array(output), None);
        }
        listening.complete
    }

    /// Moves the iteration over the event at `index`.
    fn step_item(
        &mut self,
        id: TaskId,
        open: &OpenTask,
        task: &Task,
        foreach: &ForEach,
        listening: &Listening,
        index: u32,
    ) -> bool {
        let spot = Spot { parent: Some(id), iteration: Some(index), ..Spot::TOP };
        let raw = match &foreach.tasks {
            None => listening.events[index as usize].clone(),
            Some(tasks) if listening.index != Some(index) => {
                self.start(&tasks.0[0], open.input.clone(), spot);
                return true;
            }
            Some(tasks) => match next(tasks, &open.scope, &open.input) {
                Next::Start(child, raw) => {
                    self.start(&tasks.0[child], raw, spot);
                    return true;
                }
                Next::Exit(output) if exits(&open.scope) => {
                    self.finish(id, (*output).clone(), None);
                    return true;
                }
                Next::Exit(output) => output,
                Next::End(output) => {
                    self.finish(id, (*output).clone(), Some(Flow::End));
                    return true;
                }
            },
        };
        match self.item_output(id, open, task, foreach, &raw, index) {
            Ok((output, context)) => {
                self.emit(RunEvent::ItemCompleted(ItemCompleted { task: id, index, output, context }));
            }
            Err(error) => self.fault(id, error),
        }
        true
    }

    fn item_output(
        &self,
        id: TaskId,
        open: &OpenTask,
        task: &Task,
        foreach: &ForEach,
        raw: &Arc<Value>,
        index: u32,
    ) -> Result<(Value, Option<Value>), WorkflowError> {
        let place = Place {
            parent: Some(id),
            iteration: Some(index),
            task: Some(task),
            raw_input: Some(&open.raw_input),
            raw_output: Some(raw),
            started_at: Some(open.started_at),
            input: Some(&open.input),
            ..Place::default()
        };
        let output = match &foreach.output.template {
            Some(template) => self.render(template, raw, place)?,
            None => (**raw).clone(),
        };
        validate(foreach.output.schema.as_ref(), &output, "the output of an iteration")?;
        let Some(template) = &foreach.export.template else { return Ok((output, None)) };
        let context = self.render(template, &output, Place { output: Some(&output), ..place })?;
        validate(foreach.export.schema.as_ref(), &context, "the exported context")?;
        Ok((output, Some(context)))
    }
}

/// The event as a `listen` task reads it.
fn read(how: Read, event: &Value) -> Value {
    match how {
        Read::Envelope => event.clone(),
        Read::Data => event.get("data").cloned().unwrap_or_default(),
        Read::Raw => event.get("data_base64").or_else(|| event.get("data")).cloned().unwrap_or_default(),
    }
}
