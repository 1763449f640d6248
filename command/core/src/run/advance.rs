//! Records a step of a run. The step was computed outside the sequencer from the state at a known version; if the
//! run has moved since, it is refused and computed again.

use alloc::{collections::BTreeSet, vec::Vec};

use openclaw_model::{TaskId, Version, event::run::RunEvent};

use super::{Phase, Rejection, State};

pub(super) fn decide(state: &State, from: Version, events: &[RunEvent]) -> Result<Vec<RunEvent>, Rejection> {
    state.open()?;
    if state.fork.is_some() {
        return Err(Rejection::Copying);
    }
    if from != state.version {
        return Err(Rejection::Stale { from, actual: state.version });
    }
    check(state, events)?;
    Ok(events.to_vec())
}

/// The transition table: which events may follow, given the tasks that are open. It refuses all others.
fn check(state: &State, events: &[RunEvent]) -> Result<(), Rejection> {
    let mut running = state.input.is_some();
    let mut open: BTreeSet<TaskId> = state.tasks.keys().copied().collect();
    let mut last = state.last_task;
    let mut ended = false;
    for event in events {
        let legal = !ended
            && match event {
                RunEvent::Running(_) => !core::mem::replace(&mut running, true),
                RunEvent::TaskStarted(data) => {
                    last += 1;
                    running
                        && data.task.0 == last
                        && data.parent.is_none_or(|parent| open.contains(&parent))
                        && open.insert(data.task)
                }
                RunEvent::TaskSkipped(data) => {
                    last += 1;
                    running && data.task.0 == last && data.parent.is_none_or(|parent| open.contains(&parent))
                }
                RunEvent::TaskCompleted(data) => open.remove(&data.task),
                RunEvent::TaskFaulted(data) => open.remove(&data.task),
                RunEvent::TaskCancelled(data) => open.remove(&data.task),
                RunEvent::TaskRetried(data) => open.contains(&data.task),
                RunEvent::ErrorCaught(data) => open.contains(&data.task),
                RunEvent::EffectRedispatched(data) => open.contains(&data.task),
                RunEvent::EffectUnknown(data) => open.contains(&data.task),
                RunEvent::EffectPermitted(data) => open.contains(&data.task) && asks(state, data.task),
                RunEvent::EffectJudged(data) => open.contains(&data.task) && asks(state, data.task),
                RunEvent::DataLabelled(data) => open.contains(&data.task),
                RunEvent::EventEmitted(data) => open.contains(&data.task),
                RunEvent::TaskHeld(data) => open.contains(&data.task),
                RunEvent::EventConsumed(data) => open.contains(&data.task),
                RunEvent::ItemCompleted(data) => open.contains(&data.task),
                RunEvent::Completed(_) => running && open.is_empty() && !core::mem::replace(&mut ended, true),
                RunEvent::Faulted(_) => open.is_empty() && !core::mem::replace(&mut ended, true),
                RunEvent::Cancelled(_) => {
                    state.cancel.is_some() && open.is_empty() && !core::mem::replace(&mut ended, true)
                }
                // These are commands of their own.
                RunEvent::Started(_)
                | RunEvent::Signalled(_)
                | RunEvent::CancelRequested(_)
                | RunEvent::Paused(_)
                | RunEvent::Resumed(_)
                | RunEvent::Retried(_)
                | RunEvent::EffectReconciled(_)
                | RunEvent::Forked(_) => false,
            };
        if !legal {
            return Err(Rejection::Illegal { what: event.event_type(), task: subject(event) });
        }
    }
    Ok(())
}

/// Whether people are asked about the effect of `task`.
fn asks(state: &State, task: TaskId) -> bool {
    matches!(state.tasks.get(&task).map(|open| &open.phase), Some(Phase::Effect { dispatch: 0, .. }))
}

/// The task an event is about; ordinal 0 for the run itself.
fn subject(event: &RunEvent) -> TaskId {
    match event {
        RunEvent::TaskStarted(data) => data.task,
        RunEvent::TaskSkipped(data) => data.task,
        RunEvent::TaskCompleted(data) => data.task,
        RunEvent::TaskFaulted(data) => data.task,
        RunEvent::TaskCancelled(data) => data.task,
        RunEvent::TaskRetried(data) => data.task,
        RunEvent::ErrorCaught(data) => data.task,
        RunEvent::EffectRedispatched(data) => data.task,
        RunEvent::EffectUnknown(data) => data.task,
        RunEvent::EffectPermitted(data) => data.task,
        RunEvent::EffectJudged(data) => data.task,
        RunEvent::DataLabelled(data) => data.task,
        RunEvent::EventEmitted(data) => data.task,
        RunEvent::EffectReconciled(data) => data.task,
        RunEvent::TaskHeld(data) => data.task,
        RunEvent::EventConsumed(data) => data.task,
        RunEvent::ItemCompleted(data) => data.task,
        _ => TaskId(0),
    }
}
