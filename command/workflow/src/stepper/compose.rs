//! Tasks that run other tasks: where the flow goes next.

use std::sync::Arc;

use openclaw_core::run::{Phase, Scope, Task as OpenTask};
use openclaw_model::{
    TaskId, Timestamp,
    event::run::{CancelReason, Flow},
};
use serde_json::Value;

use super::{Step, data::Place, start::Spot};
use crate::{
    definition::{Body, Extended, For, Task, Tasks},
    error,
};

/// What comes next in a scope.
pub(super) enum Next {
    /// The task at this index, with this raw input.
    Start(usize, Arc<Value>),
    /// Nothing; the scope ends with this output.
    Exit(Arc<Value>),
    /// Nothing; the whole run ends with this output.
    End(Arc<Value>),
}

/// What follows in `scope` among `tasks`; `first` is the raw input of the first task.
pub(super) fn next(tasks: &Tasks, scope: &Scope, first: &Arc<Value>) -> Next {
    if let Some(again) = &scope.again
        && let Some(index) = tasks.0.iter().position(|task| task.reference == again.reference)
    {
        return Next::Start(index, again.raw_input.clone());
    }
    let Some(last) = &scope.last else { return Next::Start(0, first.clone()) };
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

/// Whether the flow of `scope` has another of `tasks` to start.
pub(super) fn starts_another(tasks: &Tasks, scope: &Scope) -> bool {
    matches!(next(tasks, scope, &Arc::default()), Next::Start(..))
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
        match next(&definition.tasks, &self.state.root, &input) {
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
            Phase::Effect { .. } | Phase::Held { .. } => return false,
            Phase::Answered { outcome } => {
                match outcome.clone() {
                    Ok(output) => self.finish(id, (*output).clone(), None),
                    Err(error) => self.fault(id, (*error).clone()),
                }
                return true;
            }
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
            (Body::Advice(tasks), Phase::Steps) => self.step_advice(id, &open, tasks),
            (Body::Extended(extended), Phase::Steps) => self.step_extended(id, &open, extended),
            (Body::Listen(listen), Phase::Listening(listening)) => {
                return self.step_listen(id, &open, &task, listen, listening);
            }
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
                return self.step_branches(id, &open, branches, *compete, outputs, started);
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
        match next(tasks, &open.scope, &open.input) {
            Next::Start(index, raw) => {
                let spot = Spot { parent: Some(id), attempt, deadline, ..Spot::TOP };
                self.start(&tasks.0[index], raw, spot);
            }
            Next::Exit(output) => self.finish(id, (*output).clone(), None),
            Next::End(output) => self.finish(id, (*output).clone(), Some(Flow::End)),
        }
    }

    /// The tasks of an extension pass their input on, unless they say `exit`.
    fn step_advice(&mut self, id: TaskId, open: &OpenTask, tasks: &Tasks) {
        match next(tasks, &open.scope, &open.input) {
            Next::Start(index, raw) => {
                let spot = Spot { parent: Some(id), ..Spot::TOP };
                self.start(&tasks.0[index], raw, spot);
            }
            Next::End(output) => self.finish(id, (*output).clone(), Some(Flow::End)),
            Next::Exit(output) => {
                let exits = exits(&open.scope);
                let output = if exits { output } else { open.input.clone() };
                // After the extended task, its own directive is handed on; before it there is none.
                let own = open.parent.and_then(|above| self.state.tasks.get(&above)).and_then(|above| {
                    let last = above.scope.last.as_ref().filter(|_| self.came_through(above))?;
                    Some(last.then.clone())
                });
                let then = own.unwrap_or(if exits { Flow::Exit } else { Flow::Continue });
                self.finish(id, (*output).clone(), Some(then));
            }
        }
    }

    /// Whether the task in the middle of an extended one has ended.
    fn came_through(&self, above: &OpenTask) -> bool {
        let Some(task) = self.program.task(&above.reference) else { return false };
        let Body::Extended(extended) = &task.body else { return false };
        let last = above.scope.last.as_ref().map(|last| last.reference.as_str());
        !extended.before.iter().any(|advice| Some(advice.reference.as_str()) == last) && last.is_some()
    }

    fn step_extended(&mut self, id: TaskId, open: &OpenTask, extended: &Extended) {
        let children: Vec<&Arc<Task>> = extended.children().collect();
        let at = |reference: &str| children.iter().position(|child| child.reference == reference);
        let spot = Spot { parent: Some(id), ..Spot::TOP };
        if let Some(again) = &open.scope.again
            && let Some(index) = at(&again.reference)
        {
            self.start(children[index], again.raw_input.clone(), spot);
            return;
        }
        let Some(last) = &open.scope.last else {
            self.start(children[0], open.input.clone(), spot);
            return;
        };
        let output = last.output.clone();
        match (&last.then, at(&last.reference).and_then(|index| children.get(index + 1))) {
            (Flow::End, _) => self.finish(id, (*output).clone(), Some(Flow::End)),
            // What comes before stands in for the task itself.
            (Flow::Exit, _) if !self.came_through(open) => self.finish(id, (*output).clone(), None),
            (_, Some(child)) => self.start(child, output, spot),
            (then, None) => {
                // A `switch` has directives of its own.
                let then = (!then.is_continue()).then(|| then.clone());
                self.finish(id, (*output).clone(), then);
            }
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
        let (iteration, raw) = match (index, next(&body.tasks, &open.scope, &open.input)) {
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
        started: &[bool],
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
        let waiting = started.iter().position(|started| !started);
        if let Some(branch) = waiting.and_then(|index| branches.0.get(index)) {
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
pub(super) fn exits(scope: &Scope) -> bool {
    scope.last.as_ref().is_some_and(|last| last.then == Flow::Exit)
}
