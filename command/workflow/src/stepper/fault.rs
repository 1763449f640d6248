//! Errors: how they go up, and how a `try` catches, retries or handles them.

use openclaw_core::run::{Phase, Task as OpenTask};
use openclaw_model::{
    TaskId, Timestamp,
    event::run::{ErrorCaught, RunEvent, TaskFaulted, TaskHeld, TaskRetried, WorkflowError},
};
use serde_json::Value;

use super::{
    Step,
    data::{Place, at},
};
use crate::definition::{Backoff, Body, Catch, Retry, Task};

/// No back-off grows beyond this, so that doubling cannot overflow into eternity.
const LONGEST_DELAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl Step<'_> {
    /// Ends a task with an error, or holds it where its document says so.
    pub(super) fn fault(&mut self, task: TaskId, error: WorkflowError) {
        self.fault_with(task, error, None);
    }

    /// As [`fault`](Self::fault), for an error that came after the task's effect had given `raw_output`.
    pub(super) fn fault_with(&mut self, task: TaskId, error: WorkflowError, raw_output: Option<Value>) {
        let reference = self.state.tasks.get(&task).map(|open| open.reference.clone()).unwrap_or_default();
        let held = self.program.task(&reference).is_some_and(|task| task.hold);
        let error = at(error, &reference);
        self.emit(if held && self.state.cancel.is_none() {
            RunEvent::TaskHeld(TaskHeld { task, error, raw_output })
        } else {
            RunEvent::TaskFaulted(TaskFaulted { task, error, raw_output })
        });
    }

    /// A child of `open` failed: a `try` may catch it, every other task fails with it.
    pub(super) fn handle(&mut self, id: TaskId, open: &OpenTask, task: &Task, error: WorkflowError) {
        let (Body::Try { catch, .. }, Phase::Trying { attempt, .. }) = (&task.body, &open.phase) else {
            self.fault(id, error);
            return;
        };
        match self.judge(open, task, catch, *attempt, &error) {
            Ok(Verdict::Raise) => self.fault(id, error),
            Ok(Verdict::Retry { delay_ms }) => {
                let due = self.around.now.plus_millis(delay_ms);
                self.emit(RunEvent::TaskRetried(TaskRetried { task: id, attempt: attempt + 1, due, error }));
            }
            Ok(Verdict::Catch) => self.emit(RunEvent::ErrorCaught(ErrorCaught { task: id, error })),
            Err(failure) => self.fault(id, failure),
        }
    }

    fn judge(
        &self,
        open: &OpenTask,
        task: &Task,
        catch: &Catch,
        attempt: u32,
        error: &WorkflowError,
    ) -> Result<Verdict, WorkflowError> {
        let as_value = serde_json::to_value(error).unwrap_or_default();
        let place = Place {
            parent: open.parent,
            task: Some(task),
            raw_input: Some(&open.raw_input),
            started_at: Some(open.started_at),
            input: Some(&open.input),
            error: Some((&catch.variable, &as_value)),
            ..Place::default()
        };
        for (attribute, expected) in &catch.errors {
            if as_value.get(attribute).unwrap_or(&Value::Null)
                != &self.render(expected, &open.input, place)?
            {
                return Ok(Verdict::Raise);
            }
        }
        if let Some(when) = &catch.when
            && !self.holds(when, &open.input, place)?
        {
            return Ok(Verdict::Raise);
        }
        if let Some(except) = &catch.except_when
            && self.holds(except, &open.input, place)?
        {
            return Ok(Verdict::Raise);
        }
        if let Some(retry) = &catch.retry
            && let Some(delay_ms) = self.delay(open, retry, attempt, place)?
        {
            return Ok(Verdict::Retry { delay_ms });
        }
        // A retry policy that gave up, with nothing to do instead, has not handled the error.
        Ok(if catch.retry.is_some() && catch.tasks.is_none() { Verdict::Raise } else { Verdict::Catch })
    }

    /// How long to wait before the next attempt; none when there is to be no other.
    fn delay(
        &self,
        open: &OpenTask,
        retry: &Retry,
        attempt: u32,
        place: Place<'_>,
    ) -> Result<Option<u64>, WorkflowError> {
        if retry.max_attempts.is_some_and(|most| attempt >= most) {
            return Ok(None);
        }
        if let Some(when) = &retry.when
            && !self.holds(when, &open.input, place)?
        {
            return Ok(None);
        }
        if let Some(except) = &retry.except_when
            && self.holds(except, &open.input, place)?
        {
            return Ok(None);
        }
        let base = retry.delay.as_ref().map_or(Ok(0), |delay| self.millis(delay, &open.input, place))?;
        let grown = match retry.backoff {
            Backoff::Constant => base,
            Backoff::Linear => base.saturating_mul(u64::from(attempt)),
            Backoff::Exponential => base.saturating_mul(1 << u64::from(attempt - 1).min(40)),
        };
        let jitter = match &retry.jitter {
            None => 0,
            Some((from, to)) => {
                let from = self.millis(from, &open.input, place)?;
                let to = self.millis(to, &open.input, place)?.max(from);
                from + spread(&format!("{}{}{attempt}", self.around.run, open.path)) % (to - from + 1)
            }
        };
        let delay = grown.saturating_add(jitter).min(LONGEST_DELAY_MS);
        if let Some(limit) = &retry.max_duration {
            let limit = self.millis(limit, &open.input, place)?;
            if self.around.now.plus_millis(delay) > open.started_at.plus_millis(limit) {
                return Ok(None);
            }
        }
        Ok(Some(delay))
    }

    /// When the current attempt of a `try` runs out of time, if attempts have a limit.
    pub(super) fn attempt_deadline(
        &self,
        open: &OpenTask,
        retry: Option<&Retry>,
    ) -> Result<Option<Timestamp>, WorkflowError> {
        let Some(limit) = retry.and_then(|retry| retry.attempt_duration.as_ref()) else { return Ok(None) };
        let place = Place { parent: open.parent, input: Some(&open.input), ..Place::default() };
        let limit = self.millis(limit, &open.input, place)?;
        // An attempt that follows a back-off begins with the step that is being computed.
        let since = if let Phase::Trying { since, .. } = open.phase { since } else { self.around.now };
        Ok(Some(since.plus_millis(limit)))
    }
}

/// What becomes of an error that reached a `try`.
enum Verdict {
    /// It goes on up.
    Raise,
    /// The tasks are tried again.
    Retry {
        /// After this long.
        delay_ms: u64,
    },
    /// It is handled.
    Catch,
}

/// A number that is spread evenly over texts and the same for the same text, so that a jitter needs no randomness.
fn spread(seed: &str) -> u64 {
    let hash = blake3::hash(seed.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}
