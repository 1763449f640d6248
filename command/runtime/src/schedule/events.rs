//! Schedules that wait for events (`schedule.on`): judging an event as a `listen` task would (dsl-reference, "Event
//! Consumption Strategy"), outside any run.

use openclaw_core::schedule::Command;
use openclaw_gateway::sequencer::Refused;
use openclaw_log::EventLog;
use openclaw_model::{RunId, event::schedule::ScheduleEventConsumed};
use openclaw_workflow::{definition::Mode, expression::Scope, filter};
use serde_json::{Value, json};

use super::{stream, submit};
use crate::{
    index::{Offered, OpenRuns, Scheduled},
    supervisor::Parts,
};

/// What expressions see outside a run.
struct Outside;

impl Scope for Outside {
    fn variable(&self, name: &str) -> Option<Value> {
        match name {
            "context" | "input" | "output" | "task" | "secrets" | "authorization" => Some(Value::Null),
            "runtime" => {
                Some(json!({ "name": "openclaw", "version": env!("CARGO_PKG_VERSION"), "metadata": {} }))
            }
            _ => None,
        }
    }
}

/// Offers an event to a schedule, which takes it in if it passes one of its filters.
///
/// # Errors
/// When the event or the definition cannot be read, or the command is not taken.
pub(crate) async fn offer<L: EventLog>(
    parts: &Parts<L>,
    name: &str,
    scheduled: &Scheduled,
    offered: &Offered,
) -> Result<(), Refused> {
    let Some(active) = scheduled.active.as_ref().filter(|_| !scheduled.paused) else { return Ok(()) };
    let event = match &offered.event {
        Some(event) => event.clone(),
        None => match OpenRuns::event_at(&*parts.log, offered.position, 0).await? {
            Some(event) => event,
            None => return Ok(()),
        },
    };
    let (namespace, workflow) = name.split_once('/').unwrap_or(("", name));
    let version = Some(active.version.as_str());
    // A version that cannot be started any more takes no events in.
    let Ok((_, program)) = parts.definitions.startable(namespace, workflow, version).await else {
        return Ok(());
    };
    let schedule = program.definition().schedule.as_ref();
    let Some(consume) = schedule.and_then(|schedule| schedule.on.as_ref()) else { return Ok(()) };
    // There is no run yet, so there is no input that `expect` could be computed from.
    let place = filter::Place { evaluator: &*parts.evaluator, scope: &Outside, input: &Value::Null };
    let passed = |index| scheduled.passed.contains(&index);
    let Some((filter, keys)) = filter::first_passed(consume, 0, passed, &scheduled.keys, &event, place)
    else {
        return Ok(());
    };
    let count = consume.filters.len() as u32;
    let missing = (0..count).filter(|index| *index != filter && !scheduled.passed.contains(index)).count();
    let complete = consume.mode != Mode::All || missing == 0;
    let consumed =
        ScheduleEventConsumed { filter, position: offered.position, event: Box::new((*event).clone()), keys };
    let run = complete.then(|| RunId(parts.ids.next()));
    let command = Command::Consume { digest: active.digest, consumed, run };
    submit(parts, stream(name)?, command, None, None).await
}
