//! Schedules that wait for events (`schedule.on`): judging an event as a `listen` task would (dsl-reference, "Event
//! Consumption Strategy"), outside any run.

use std::collections::BTreeMap;

use openclaw_core::schedule::Command;
use openclaw_gateway::sequencer::Refused;
use openclaw_log::EventLog;
use openclaw_model::{RunId, event::schedule::ScheduleEventConsumed};
use openclaw_workflow::{
    definition::{Consume, Filter, Mode},
    expression::{EvaluationError, Evaluator, Scope, Template},
    interest,
};
use serde_json::{Value, json};

use super::{stream, submit};
use crate::{
    index::{Offered, OpenRuns, Scheduled},
    supervisor::Parts,
};

/// Correlation values by name.
type Keys = BTreeMap<String, Value>;

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
    let Some((filter, keys)) = first_passed(consume, scheduled, &event, &*parts.evaluator) else {
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

/// The first filter that `event` passes and that still counts, with the correlation values it makes known.
fn first_passed(
    consume: &Consume,
    scheduled: &Scheduled,
    event: &Value,
    evaluator: &dyn Evaluator,
) -> Option<(u32, Keys)> {
    if consume.filters.is_empty() {
        return Some((0, Keys::new()));
    }
    consume.filters.iter().zip(0..).find_map(|(filter, index)| {
        if consume.mode == Mode::All && scheduled.passed.contains(&index) {
            return None;
        }
        // An expression that fails on an event does not fit the event.
        passes(filter, &scheduled.keys, event, evaluator).ok().flatten().map(|keys| (index, keys))
    })
}

fn passes(
    filter: &Filter,
    known: &Keys,
    event: &Value,
    evaluator: &dyn Evaluator,
) -> Result<Option<Keys>, EvaluationError> {
    if !interest::fits(&filter.interest, event) {
        return Ok(None);
    }
    for (name, template) in &filter.attributes {
        let value = event.get(name).unwrap_or(&Value::Null);
        let fits = match template.render(evaluator, value, &Outside)? {
            Value::Bool(fits) if !matches!(template, Template::Literal(_)) => fits,
            expected => expected == *value,
        };
        if !fits {
            return Ok(None);
        }
    }
    let mut learned = Keys::new();
    for (name, correlation) in &filter.correlations {
        let value = evaluator.evaluate(&correlation.from, event, &Outside)?;
        if value.is_null() {
            return Ok(None);
        }
        let expected = match (&correlation.expect, known.get(name)) {
            (Some(expect), _) => Some(expect.render(evaluator, event, &Outside)?),
            (None, first) => first.cloned(),
        };
        if expected.is_some_and(|expected| expected != value) {
            return Ok(None);
        }
        learned.insert(name.clone(), value);
    }
    learned.retain(|name, _| !known.contains_key(name));
    Ok(Some(learned))
}
