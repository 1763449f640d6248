//! Tasks that run other tasks: where the flow goes next.

use std::sync::Arc;

use openclaw_core::run::{Ended, Phase, Scope, Task as OpenTask};
use openclaw_model::{
    TaskId, Timestamp,
    event::run::{CancelReason, Flow},
};
use serde_json::Value;

use super::{Step, data::Place, start::Spot};
use crate::{
    definition::{Body, For, Task, Tasks},
    error,
};

/// What comes next in a scope.
enum Next {
    /// The task at this index, with this raw input.
    Start(usize, Arc<Value>),
    /// Nothing; the scope ends with this output.
    Exit(Arc<Value>),
    /// Nothing; the whole run ends with this output.
    End(Arc<Value>),
}

/// What follows `last` among `tasks`; `first` is the raw input of the first task.
fn next(tasks: &Tasks, last: Option<&Ended>, first: &Arc<Value>) -> Next {
    let Some(last) = last else { return Next::Start(0, first.clone()) };
    let output = last.output.clone();
    let index = match &last.then {
        Flow::End => return Next::End(output),
        Flow::Exit => return Next::Exit(output),
        Flow::Continue => tasks.index_of(&last.name).map(|index| index + 1),
        Flow::Goto(name) => tasks.index_of(name),
    };
    match index {
        Some(index) if index < tasks.0.len() => Next::Start(index, output),
        _ => Next::Exit(output),
    }
}

impl Step<'_> {
    /// Moves the top-level scope. Returns whether anything happened.
    pub(super) fn step_root(&mut self) -> bool {
        if let Some(error) = self.state.root.fault.clone() {
            self.cancel_all(CancelReason::Faulted);
            self.fault_run(error);
            return true;
        }
        if self.state.root.open > 0 {
            return false;
        }
        let Some(input) = self.state.input.clone() else { return false };
        let definition = self.program.definition.clone();
        match next(&definition.tasks, self.state.root.last.as_ref(), &input) {
            Next::Start(index, raw) => {
                let spot = Spot::TOP;
                self.start(&definition.tasks.0[index], raw, spot);
            }
            Next::Exit(output) | Next::End(output) => self.complete_run(&output),
        }
        true
    }

    /// Moves one open task. Returns whether anything happened.
    pub(super) fn step_task(&mut self, id: TaskId) -> bool {
        let Some(open) = self.state.tasks.get(&id) else { return false };
        match &open.phase {
            Phase::Effect { .. } => return false,
            Phase::Timer { due } => {
                let due = *due <= self.around.now;
                if due {
                    let output = (*open.input).clone();
                    self.finish(id, output, None);
                }
                return due;
            }
            Phase::BackingOff { due, .. } if *due > self.around.now => return false,
            // A branch may be started while others run.
            Phase::Branches { .. } => {}
            _ if open.scope.open > 0 && open.scope.fault.is_none() => return false,
            _ => {}
        }
        let open = open.clone();
        let Some(task) = self.program.task(&open.reference).cloned() else {
            self.cancel_below(id, CancelReason::Faulted);
            self.fault(id, error::runtime(format!("the definition has no task {}", open.reference)));
            return true;
        };
        if let Some(error) = open.scope.fault.clone() {
            self.cancel_below(id, CancelReason::Faulted);
            self.handle(id, &open, &task, error);
            return true;
        }
        match (&task.body, &open.phase) {
            (Body::Do(tasks), Phase::Steps) => self.step_sequence(id, &open, tasks, 1, None),
            (
                Body::Try { tasks, catch },
                Phase::Trying { attempt, .. } | Phase::BackingOff { attempt, .. },
            ) => match self.attempt_deadline(&open, catch.retry.as_ref()) {
                Ok(deadline) => self.step_sequence(id, &open, tasks, *attempt, deadline),
                Err(error) => self.fault(id, error),
            },
            (Body::Try { catch, .. }, Phase::Catching { .. }) => match &catch.tasks {
                Some(tasks) => self.step_sequence(id, &open, tasks, 1, None),
                None => self.finish(id, (*open.input).clone(), None),
            },
            (Body::For(body), Phase::Loop { items, index }) => {
                self.step_loop(id, &open, &task, body, items.len() as u32, *index);
            }
            (Body::Fork { branches, .. }, Phase::Branches { compete, outputs, started }) => {
                return self.step_branches(id, &open, branches, *compete, outputs, *started);
            }
            // A task that computes ends in the step that started it, so there is nothing else to be here.
            _ => self.fault(id, error::runtime(format!("task {} cannot go on", open.reference))),
        }
        true
    }

    fn step_sequence(
        &mut self,
        id: TaskId,
        open: &OpenTask,
        tasks: &Tasks,
        attempt: u32,
        deadline: Option<Timestamp>,
    ) {
        match next(tasks, open.scope.last.as_ref(), &open.input) {
            Next::Start(index, raw) => {
                let spot = Spot { parent: Some(id), attempt, deadline, ..Spot::TOP };
                self.start(&tasks.0[index], raw, spot);
            }
            Next::Exit(output) => self.finish(id, (*output).clone(), None),
            Next::End(output) => self.finish(id, (*output).clone(), Some(Flow::End)),
        }
    }

    fn step_loop(
        &mut self,
        id: TaskId,
        open: &OpenTask,
        task: &Task,
        body: &For,
        count: u32,
        index: Option<u32>,
    ) {
        // Within an iteration the flow goes on; at its end, or before the first, the next one may begin.
        let (iteration, raw) = match (index, next(&body.tasks, open.scope.last.as_ref(), &open.input)) {
            (Some(index), Next::Start(child, raw)) => {
                let spot = Spot { parent: Some(id), iteration: Some(index), ..Spot::TOP };
                self.start(&body.tasks.0[child], raw, spot);
                return;
            }
            (_, Next::End(output)) => {
                self.finish(id, (*output).clone(), Some(Flow::End));
                return;
            }
            (Some(_), Next::Exit(output)) if exits(&open.scope) => {
                self.finish(id, (*output).clone(), None);
                return;
            }
            (Some(index), Next::Exit(output)) => (index + 1, output),
            (None, _) => (0, open.input.clone()),
        };
        let place = Place {
            parent: Some(id),
            iteration: Some(iteration),
            task: Some(task),
            raw_input: Some(&open.raw_input),
            started_at: Some(open.started_at),
            input: Some(&open.input),
            ..Place::default()
        };
        let goes_on = match &body.condition {
            _ if iteration >= count => Ok(false),
            Some(condition) => self.holds(condition, &raw, place),
            None => Ok(true),
        };
        match goes_on {
            Ok(true) => {
                let spot = Spot { parent: Some(id), iteration: Some(iteration), ..Spot::TOP };
                self.start(&body.tasks.0[0], raw, spot);
            }
            Ok(false) => self.finish(id, (*raw).clone(), None),
            Err(error) => self.fault(id, error),
        }
    }

    fn step_branches(
        &mut self,
        id: TaskId,
        open: &OpenTask,
        branches: &Tasks,
        compete: bool,
        outputs: &[Option<Arc<Value>>],
        started: u32,
    ) -> bool {
        if let Some(last) = &open.scope.last {
            let ended = last.then == Flow::End;
            if compete || ended {
                let reason = if ended { CancelReason::Ended } else { CancelReason::LostRace };
                self.cancel_below(id, reason);
                self.finish(id, (*last.output).clone(), ended.then_some(Flow::End));
                return true;
            }
        }
        if let Some(branch) = branches.0.get(started as usize) {
            let spot = Spot { parent: Some(id), ..Spot::TOP };
            self.start(branch, open.input.clone(), spot);
            return true;
        }
        if open.scope.open > 0 {
            return false;
        }
        let outputs = outputs.iter().map(|output| output.as_deref().cloned().unwrap_or_default()).collect();
        self.finish(id, Value::Array(outputs), None);
        true
    }
}

/// Whether the scope was left with `exit`, which in a loop leaves the loop.
fn exits(scope: &Scope) -> bool {
    scope.last.as_ref().is_some_and(|last| last.then == Flow::Exit)
}
