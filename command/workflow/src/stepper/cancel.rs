//! Cancelling a run: leaf to root, with compensation.
//!
//! A `try` whose `catch` names the type [`error::CANCELLED`] compensates: when the run is cancelled while its tasks
//! run, they are stopped, its `catch.do` runs, and then it is cancelled itself. `kill` skips that.

use openclaw_core::run::{Phase, Task as OpenTask};
use openclaw_model::{
    TaskId,
    event::run::{CancelReason, ErrorCaught, RunCancelled, RunEvent, TaskCancelled},
};
use serde_json::Value;

use super::{Step, data::at};
use crate::{
    definition::{Body, Catch},
    error,
    expression::Template,
};

/// How far unwinding has come.
pub(super) enum Unwound {
    /// Something moved.
    Moved,
    /// A compensation waits for the world.
    Waits,
    /// The run is cancelled.
    Done,
}

impl Step<'_> {
    /// Moves a run that is being cancelled by one event or one step of a compensation.
    pub(super) fn unwind(&mut self) -> Unwound {
        let Some(cancel) = self.state.cancel.clone() else { return Unwound::Waits };
        if cancel.kill {
            self.cancel_all(CancelReason::RunCancelled);
        }
        if self.state.tasks.is_empty() {
            self.emit(RunEvent::Cancelled(RunCancelled { reason: cancel.reason }));
            return Unwound::Done;
        }
        let leaves: Vec<TaskId> = self.state.tasks.keys().rev().copied().collect();
        for id in leaves {
            if self.state.compensates(id) {
                if self.compensate(id) {
                    return Unwound::Moved;
                }
                continue;
            }
            let Some(open) = self.state.tasks.get(&id) else { continue };
            if open.scope.open > 0 {
                continue;
            }
            match self.compensation(open) {
                Some(error) => self.emit(RunEvent::ErrorCaught(ErrorCaught { task: id, error })),
                None => self.emit(RunEvent::TaskCancelled(TaskCancelled {
                    task: id,
                    reason: CancelReason::RunCancelled,
                })),
            }
            return Unwound::Moved;
        }
        Unwound::Waits
    }

    /// Moves one task of a compensation. When the `catch` is through, or failed, the `try` is cancelled.
    fn compensate(&mut self, id: TaskId) -> bool {
        let Some(open) = self.state.tasks.get(&id) else { return false };
        if !open.is_compensation() {
            if open.limit().is_some_and(|limit| limit <= self.around.now) {
                self.time_out(id);
                return true;
            }
            return self.step_task(id);
        }
        if open.scope.fault.is_some() {
            self.cancel_below(id, CancelReason::Faulted);
        } else if open.scope.open > 0 || self.goes_on(open) {
            return open.scope.open == 0 && self.step_task(id);
        }
        self.emit(RunEvent::TaskCancelled(TaskCancelled { task: id, reason: CancelReason::RunCancelled }));
        true
    }

    /// Whether the `catch` of this `try` has a task to run next.
    fn goes_on(&self, open: &OpenTask) -> bool {
        let Some(task) = self.program.task(&open.reference) else { return false };
        let Body::Try { catch: Catch { tasks: Some(tasks), .. }, .. } = &task.body else { return false };
        super::compose::starts_another(tasks, &open.scope)
    }

    /// What a `try` catches when its run is cancelled; none if it does not ask for it by name.
    fn compensation(&self, open: &OpenTask) -> Option<openclaw_model::event::run::WorkflowError> {
        let task = self.program.task(&open.reference)?;
        let Body::Try { catch, .. } = &task.body else { return None };
        let named = matches!(
            catch.errors.get("type"),
            Some(Template::Literal(Value::String(name))) if name == error::CANCELLED
        );
        let tries = matches!(open.phase, Phase::Trying { .. } | Phase::BackingOff { .. });
        (named && tries && catch.tasks.is_some()).then(|| {
            let reason = self.state.cancel.as_ref().and_then(|cancel| cancel.reason.clone());
            at(error::cancelled(reason), &open.reference)
        })
    }
}
