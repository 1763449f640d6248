//! Workflows that are started by themselves: bringing schedules in line with definitions, ticking, and starting runs.
//!
//! A tick is one command, which chooses the run; starting the run is owed from then on (`index/owed.rs`). So one tick is
//! one run, wherever the process dies.

mod events;
mod timetable;

use futures_util::StreamExt;
use openclaw_core::{
    run::{self, Labels},
    schedule::Command,
};
use openclaw_gateway::{
    definitions::Missing,
    sequencer::{self, Refused, Submission},
    service::keyed_command,
};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, Event, RunId, StreamId, StreamKind, Timestamp, Version,
    envelope::Causality,
    event::{
        run::{RunStarted, Trigger, WorkflowRef},
        schedule::{Overlap, ScheduleActivated, ScheduleEvent, ScheduleTicked, Skipped},
    },
    id::InvalidId,
};
use serde_json::{Value, json};

pub(crate) use self::{events::offer, timetable::next};
use crate::{index::Scheduled, supervisor::Parts};

fn stream(name: &str) -> Result<StreamId, Refused> {
    let unreadable = |error: InvalidId| Refused::Unreadable(error.to_string());
    StreamId::new(StreamKind::Schedule, name).map_err(unreadable)
}

async fn submit<L: EventLog>(
    parts: &Parts<L>,
    stream: StreamId,
    command: impl Into<sequencer::Command>,
    key: Option<String>,
    correlation: Option<RunId>,
) -> Result<(), Refused> {
    let submission = Submission {
        stream,
        command: command.into(),
        id: match &key {
            Some(key) => keyed_command(&Actor::RUNTIME, key),
            None => CommandId(*parts.ids.next().as_bytes()),
        },
        digest: CommandDigest([0; 16]),
        keyed: key.is_some(),
        expected: Default::default(),
        actor: Actor::RUNTIME,
        causality: Causality { causation: None, correlation: correlation.map(|run| run.0) },
    };
    parts.sequencer.submit_patiently(submission).await.map(|_| ())
}

/// Brings the schedule of a workflow in line with its newest version that is not retired. Doing it again changes nothing.
///
/// # Errors
/// When the definition cannot be read, or the command is not taken.
pub(crate) async fn settle<L: EventLog>(
    parts: &Parts<L>,
    workflow: &str,
    scheduled: Option<&Scheduled>,
) -> Result<(), Refused> {
    let Some((namespace, name)) = workflow.split_once('/') else { return Ok(()) };
    let (reference, program) = match parts.definitions.startable(namespace, name, None).await {
        Ok(found) => found,
        Err(Missing::NotFound(_)) => {
            // Nothing was ever in force, then nothing has to be taken out of force.
            return match scheduled.is_some_and(|scheduled| scheduled.active.is_some()) {
                true => submit(parts, stream(workflow)?, Command::Deactivate, None, None).await,
                false => Ok(()),
            };
        }
        Err(Missing::Unreadable(refused)) => return Err(refused),
        Err(Missing::Broken(reason)) => return Err(Refused::Unreadable(reason)),
    };
    let command = match &program.definition().schedule {
        Some(schedule) => Command::Activate(ScheduleActivated {
            version: reference.version,
            digest: reference.digest,
            timetable: schedule.timetable.clone(),
            overlap: schedule.overlap,
            missed: schedule.missed,
            input: schedule.input.clone(),
            interests: schedule.on.as_ref().map_or_else(Vec::new, |on| on.interests()),
        }),
        None if scheduled.is_none_or(|scheduled| scheduled.active.is_none()) => return Ok(()),
        None => Command::Deactivate,
    };
    submit(parts, stream(workflow)?, command, None, None).await
}

/// Deals with the due times that have come. `open` says that the run of an earlier tick has not ended.
///
/// # Errors
/// When a command is not taken.
pub(crate) async fn tick<L: EventLog>(
    parts: &Parts<L>,
    name: &str,
    scheduled: &Scheduled,
    awake: Timestamp,
    mut open: bool,
) -> Result<(), Refused> {
    let Some(active) = &scheduled.active else { return Ok(()) };
    let awake = scheduled.resumed.map_or(awake, |resumed| resumed.max(awake));
    for tick in timetable::due(scheduled, parts.clock.now(), awake) {
        let skipped = match (tick.runs, active.overlap) {
            (false, _) => Some(Skipped::Missed),
            (true, Overlap::Skip) if open => Some(Skipped::Overlap),
            (true, _) => None,
        };
        let run = skipped.is_none().then(|| RunId(parts.ids.next()));
        open |= run.is_some();
        let ticked = ScheduleTicked { due: tick.due, run, skipped, missed: tick.missed };
        let command = Command::Tick { digest: active.digest, tick: ticked };
        submit(parts, stream(name)?, command, None, None).await?;
    }
    Ok(())
}

/// Starts the run that a tick or a set of events chose. Doing it again changes nothing.
///
/// # Errors
/// When the schedule cannot be read, or the command is not taken.
pub(crate) async fn start<L: EventLog>(
    parts: &Parts<L>,
    name: &str,
    run: RunId,
    due: Option<Timestamp>,
) -> Result<(), Refused> {
    let Some((active, events)) = chosen(parts, name, run).await? else { return Ok(()) };
    let (namespace, workflow) = name.split_once('/').unwrap_or(("", name));
    let reference = WorkflowRef {
        namespace: namespace.to_owned(),
        name: workflow.to_owned(),
        version: active.version,
        digest: active.digest,
    };
    let input = match due {
        None => Value::Array(events),
        Some(_) if active.input.is_null() => json!({}),
        Some(_) => active.input,
    };
    // What it is made of came from outside, if events started it.
    let labels = if due.is_none() { Labels::UNTRUSTED.and(Labels::MESSAGE) } else { Labels::NONE };
    let started = RunStarted {
        data_labels: labels.to_set(),
        trigger: Some(Trigger { schedule: name.to_owned(), due }),
        ..RunStarted::new(reference, input)
    };
    let key = format!("schedule/{name}/{run}");
    match submit(parts, StreamId::run(run), run::Command::Start(started), Some(key), Some(run)).await {
        Err(Refused::Rejected(sequencer::Rejection::Run(run::Rejection::Exists))) => Ok(()),
        other => other,
    }
}

/// What was in force when `run` was chosen, and the events that led to it.
async fn chosen<L: EventLog>(
    parts: &Parts<L>,
    name: &str,
    run: RunId,
) -> Result<Option<(ScheduleActivated, Vec<Value>)>, Refused> {
    let mut active = None;
    let mut events = Vec::new();
    let mut history = parts.log.read_stream(&stream(name)?, Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            let Event::Schedule(event) = event else { continue };
            match event {
                ScheduleEvent::Activated(data) => {
                    active = Some(data);
                    events.clear();
                }
                ScheduleEvent::EventConsumed(data) => events.push(*data.event),
                ScheduleEvent::Ticked(data) if data.run == Some(run) => {
                    return Ok(active.map(|active| (active, events)));
                }
                ScheduleEvent::Triggered(data) if data.run == run => {
                    return Ok(active.map(|active| (active, events)));
                }
                ScheduleEvent::Triggered(_) => events.clear(),
                _ => {}
            }
        }
    }
    Ok(None)
}
