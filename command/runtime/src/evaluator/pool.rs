//! A few workers, started when they are needed and closed when they are not.

use std::sync::{
    Arc, Condvar, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use openclaw_workflow::expression::{
    EvaluationError, Expression, Failure,
    worker::{self, MAX_REQUEST_BYTES, Request, Response},
};
use serde_json::Value;

use super::{
    Limits, WorkerCommand, died,
    worker::{Reply, Silence, Worker},
};

pub(super) struct Pool {
    command: WorkerCommand,
    most: usize,
    limits: Limits,
    state: Mutex<State>,
    /// Tells those who wait that a place is free.
    freed: Condvar,
    alive: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    /// Workers without work, the one that worked last at the end.
    idle: Vec<Worker>,
    /// Evaluations under way.
    busy: usize,
}

impl Pool {
    pub(super) fn new(command: WorkerCommand, most: usize, limits: Limits) -> Self {
        Self { command, most, limits, state: Mutex::default(), freed: Condvar::new(), alive: Arc::default() }
    }

    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Evaluates in a worker, waiting for one if all are busy.
    pub(super) fn evaluate(
        &self,
        expression: &Expression,
        input: &Value,
        values: &[Value],
    ) -> Result<Value, EvaluationError> {
        let request = Request { program: &expression.text, variables: &expression.variables, values, input };
        let mut frame = Vec::new();
        worker::write_frame(&mut frame, &request, MAX_REQUEST_BYTES).map_err(|_| {
            let message = format!("its input is larger than {} MiB", MAX_REQUEST_BYTES >> 20);
            EvaluationError::new(Failure::TooLarge, message)
        })?;
        let mut place = self.place()?;
        loop {
            let worker = match place.worker.take() {
                Some(worker) => worker,
                None => Worker::start(self.command.clone(), self.limits.idle, self.alive.clone())
                    .map_err(|error| no_worker(&error))?,
            };
            match worker.ask(frame.clone(), self.limits.evaluation) {
                Ok(Reply::Answer(answer)) => {
                    let response = serde_json::from_slice(&answer).map_err(|_| died())?;
                    place.worker = Some(worker);
                    return match response {
                        Response::Value(value) => Ok(value),
                        Response::Error(reason) => Err(EvaluationError { reason }),
                    };
                }
                Ok(Reply::Died) => return Err(died()),
                Ok(Reply::NotStarted(error)) => return Err(no_worker(&error)),
                Err(Silence::TimedOut) => {
                    let limit = self.limits.evaluation.as_millis();
                    let message = format!("it took longer than {limit} ms and was stopped");
                    return Err(EvaluationError::new(Failure::TimedOut, message));
                }
                // It closed itself for want of work just now; the next one is another, or fresh.
                Err(Silence::Closed) => drop(worker),
            }
        }
    }

    /// One of the places in which an evaluation may happen, with a worker if one is idle.
    fn place(&self) -> Result<Place<'_>, EvaluationError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, wait) = self
            .freed
            .wait_timeout_while(state, self.limits.queue, |state| state.busy >= self.most)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            let message = format!("all workers were busy for {} s", self.limits.queue.as_secs());
            return Err(EvaluationError::new(Failure::NoWorker, message));
        }
        state.busy += 1;
        Ok(Place { pool: self, worker: state.idle.pop() })
    }
}

fn no_worker(error: &std::io::Error) -> EvaluationError {
    EvaluationError::new(Failure::NoWorker, format!("no worker process can be started: {error}"))
}

/// A place in the pool while an evaluation is under way. Gives the worker back, if it is still good.
struct Place<'p> {
    pool: &'p Pool,
    worker: Option<Worker>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy -= 1;
        state.idle.extend(self.worker.take());
        drop(state);
        self.pool.freed.notify_one();
    }
}
