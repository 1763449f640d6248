//! Writes events of durable runs.

use openclaw_model::{
    Event, Position, StreamId, Timestamp,
    event::{
        RunEvent,
        run::{RunStarted, TaskCompleted, WorkflowError},
    },
};
use serde_json::Value;

use super::{
    Served,
    history::{self, run_id, started, task_completed},
};

/// The clock of [`Served`] stands 30 s after the first event.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(history::EPOCH + second * 1_000_000)
}

pub(crate) fn error() -> WorkflowError {
    WorkflowError { r#type: "urn:test".into(), status: 503, title: None, detail: None, instance: None }
}

pub(crate) fn write(served: &mut Served, run: u64, events: Vec<RunEvent>) -> Position {
    let stream = StreamId::run(run_id(run));
    let events = events.into_iter().map(|event| (stream.clone(), Event::Run(event))).collect();
    served.scribe.command("runtime", events)
}

pub(crate) fn begun(change: impl FnOnce(&mut RunStarted)) -> RunEvent {
    let RunEvent::Started(mut event) = started("w") else { panic!("it starts") };
    change(&mut event);
    RunEvent::Started(event)
}

pub(crate) fn completed(number: u32, output: Value) -> RunEvent {
    let RunEvent::TaskCompleted(event) = task_completed(number) else { panic!("it completes") };
    RunEvent::TaskCompleted(TaskCompleted { output, ..event })
}
