//! The events of a run, applied.

use std::collections::BTreeMap;

use openclaw_model::{
    RunId,
    event::{
        RunEvent,
        run::{Resolution, RunStarted},
    },
};

use super::{
    super::{Broken, Place, json},
    CLEAR, CancelRequest, Changes, Control, EffectState, Keeps, Origin, RunRow, RunStatus, RunTail, State,
    TaskStatus, control,
    task::{self, open, touch},
};

/// Begins a run with its first event.
pub(crate) fn begin(
    id: RunId,
    place: &Place,
    event: RunEvent,
    changes: &mut Changes,
) -> Result<State, Broken> {
    let RunEvent::Started(event) = event else {
        return Err(Broken(format!("a run begins with {}", event.event_type())));
    };
    let state = State {
        id,
        status: RunStatus::Pending,
        tasks: 0,
        deadline: None,
        ended_at: None,
        fork_at: event.fork.as_ref().map(|fork| fork.at),
        control: Control::default(),
        open: BTreeMap::new(),
    };
    let row = RunRow {
        inline: event.definition.is_some(),
        actor: place.actor,
        parent: event.parent,
        started_at: place.at,
        input: json(&event.input),
        tail: tail_of(&state),
        workflow: event.workflow.clone(),
    };
    changes.runs.insert(place.key, row);
    changes.origins.extend(origin(event).map(|origin| (place.key, origin)));
    *changes.counts.entry((state.status, place.namespace)).or_default() += 1;
    changes.touched.insert(place.key, id);
    Ok(state)
}

/// What most runs do not have; none for those.
fn origin(event: RunStarted) -> Option<Origin> {
    let RunStarted { labels, priority, concurrency, not_before, trigger, fork, .. } = event;
    let plain = labels.is_empty()
        && priority == 0
        && concurrency.is_none()
        && not_before.is_none()
        && trigger.is_none()
        && fork.is_none();
    (!plain).then_some(Origin { labels, priority, concurrency, not_before, trigger, fork })
}

/// Applies an event after the first.
///
/// # Errors
/// [`Broken`] when it is about a task that is not open, or starts one that is, or starts the run again.
pub(crate) fn apply(
    state: &mut State,
    place: &Place,
    event: RunEvent,
    changes: &mut Changes,
) -> Result<(), Broken> {
    match event {
        RunEvent::Started(_) => return Err(Broken("the run was started before".into())),
        RunEvent::Running(event) => {
            state.deadline = event.deadline;
            set_status(state, place, RunStatus::Running, changes);
        }
        RunEvent::TaskStarted(event) => task::start(state, place, event, changes)?,
        RunEvent::TaskSkipped(event) => task::skip(state, place, event, changes)?,
        RunEvent::TaskCompleted(event) => {
            let tail = task::end(state, place, event.task, TaskStatus::Completed, changes)?;
            tail.output = Some(json(&event.output));
        }
        RunEvent::TaskFaulted(event) => {
            open(state, event.task)?;
            control::remember(state, place, event.task, event.raw_output.is_some(), changes);
            if event.raw_output.is_some() {
                task::settle(open(state, event.task)?, EffectState::Succeeded);
            }
            let tail = task::end(state, place, event.task, TaskStatus::Faulted, changes)?;
            tail.error = Some(json(&event.error));
        }
        RunEvent::TaskCancelled(event) => {
            task::end(state, place, event.task, TaskStatus::Cancelled, changes)?;
        }
        RunEvent::TaskRetried(event) => {
            let failed = event.attempt.saturating_sub(1);
            task::failed_attempt(state, place, event.task, failed, Some(event.due), &event.error, changes)?;
            control::forget(state, place, changes);
            let task = open(state, event.task)?;
            (task.status, task.due, task.since) = (TaskStatus::Waiting, Some(event.due), Some(place.at));
            (task.retries, task.keeps) = (failed, Keeps::Place);
            touch(task, changes).error = Some(json(&event.error));
        }
        RunEvent::ErrorCaught(event) => {
            let failed = open(state, event.task)?.retries + 1;
            task::failed_attempt(state, place, event.task, failed, None, &event.error, changes)?;
            control::forget(state, place, changes);
            let task = open(state, event.task)?;
            (task.status, task.due, task.since) = (TaskStatus::Running, None, None);
            task.keeps = Keeps::Place;
            touch(task, changes).error = Some(json(&event.error));
        }
        RunEvent::EffectRedispatched(event) => {
            let task = open(state, event.task)?;
            (task.dispatches, task.effect) = (event.dispatch, Some(EffectState::Redispatched));
            task::at_work(task);
            touch(task, changes);
        }
        RunEvent::EffectPermitted(event) => {
            let task = open(state, event.task)?;
            task::permit(task, place.at);
            touch(task, changes);
        }
        RunEvent::EffectJudged(event) => {
            let task = open(state, event.task)?;
            let request = event.verdict.ask.as_ref();
            task.due = request.and_then(|request| request.deadline.as_ref()).map(|deadline| deadline.due);
            touch(task, changes);
        }
        RunEvent::DataLabelled(event) => {
            open(state, event.task)?;
        }
        RunEvent::EffectUnknown(event) => {
            let task = open(state, event.task)?;
            (task.status, task.since) = (TaskStatus::Suspended, Some(place.at));
            task.effect = Some(EffectState::Unknown);
            touch(task, changes);
        }
        RunEvent::EffectReconciled(event) => {
            let task = open(state, event.task)?;
            if matches!(event.resolution, Resolution::NotDone) {
                task.dispatches += 1;
                task.effect = Some(EffectState::Redispatched);
                task::at_work(task);
                task::allow_all_its_time(task, place.at);
            } else {
                task.effect = Some(EffectState::Reconciled);
                task::answer(task);
                if matches!(event.resolution, Resolution::Failed { .. }) {
                    task.keeps = Keeps::Nothing;
                }
            }
            touch(task, changes);
        }
        RunEvent::TaskHeld(event) => control::hold(state, place, &event, changes)?,
        RunEvent::Retried(event) => control::retry(state, place, &event, changes),
        RunEvent::EventConsumed(event) => {
            let task = open(state, event.task)?;
            task.consumed += u32::from(!event.until);
            task::keep_place(task);
            touch(task, changes);
        }
        RunEvent::Paused(event) => control::pause(state, place, event, changes),
        RunEvent::Resumed(_) => control::resume(state, place, changes),
        RunEvent::Forked(event) => control::forked(state, place, &event, changes),
        RunEvent::CancelRequested(event) => {
            let earlier = state.control.cancel.take().and_then(|request| request.reason);
            let reason = event.reason.or(earlier);
            state.control.cancel = Some(CancelRequest { at: place.at, reason, kill: event.kill });
            control::note(state, place, changes);
        }
        // They are in the run's events and its timeline; none of its rows changes.
        RunEvent::EventEmitted(_) | RunEvent::Signalled(_) | RunEvent::ItemCompleted(_) => {}
        RunEvent::Completed(event) => {
            finish(state, place, RunStatus::Completed, changes).output = Some(json(&event.output));
        }
        RunEvent::Faulted(event) => {
            finish(state, place, RunStatus::Faulted, changes).error = Some(json(&event.error));
        }
        RunEvent::Cancelled(_) => {
            finish(state, place, RunStatus::Cancelled, changes);
        }
    }
    let status = status_of(state);
    set_status(state, place, status, changes);
    changes.touched.insert(place.key, state.id);
    Ok(())
}

/// Ends the run. Whatever the log left open is over with it.
fn finish<'a>(
    state: &mut State,
    place: &Place,
    status: RunStatus,
    changes: &'a mut Changes,
) -> &'a mut RunTail {
    for mut task in std::mem::take(&mut state.open).into_values() {
        task::close(&mut task, TaskStatus::Cancelled);
        touch(&task, changes).ended_at = Some(place.at);
    }
    if status != RunStatus::Faulted {
        control::forget(state, place, changes);
    }
    state.ended_at = Some(place.at);
    set_status(state, place, status, changes);
    run_tail(state, place, changes)
}

/// Takes the end of a run back.
pub(super) fn reopen(state: &mut State, place: &Place, changes: &mut Changes) {
    state.ended_at = None;
    set_status(state, place, RunStatus::Running, changes);
    run_tail(state, place, changes).error = Some(CLEAR.to_owned());
}

fn set_status(state: &mut State, place: &Place, status: RunStatus, changes: &mut Changes) {
    if state.status != status {
        *changes.counts.entry((state.status, place.namespace)).or_default() -= 1;
        *changes.counts.entry((status, place.namespace)).or_default() += 1;
        state.status = status;
    }
    run_tail(state, place, changes);
}

/// The changing columns of the run, whether its row is new in this batch or older.
fn run_tail<'a>(state: &State, place: &Place, changes: &'a mut Changes) -> &'a mut RunTail {
    let tail = match changes.runs.get_mut(&place.key) {
        Some(row) => &mut row.tail,
        None => changes.run_tails.entry(place.key).or_insert_with(|| tail_of(state)),
    };
    (tail.status, tail.tasks) = (state.status, state.tasks);
    (tail.deadline, tail.ended_at) = (state.deadline, state.ended_at);
    tail
}

fn tail_of(state: &State) -> RunTail {
    RunTail {
        status: state.status,
        tasks: state.tasks,
        deadline: state.deadline,
        ended_at: state.ended_at,
        output: None,
        error: None,
    }
}

/// The status of the specification, as the run itself has it: it waits when something open waits and no effect is
/// under way.
fn status_of(state: &State) -> RunStatus {
    if state.status.is_over() || state.status == RunStatus::Pending {
        return state.status;
    }
    let any = |wanted: fn(&super::OpenTask) -> bool| state.open.values().any(wanted);
    if state.control.paused.is_some() || any(|task| task.status == TaskStatus::Suspended) {
        RunStatus::Suspended
    } else if any(|task| task.status == TaskStatus::Waiting)
        && !any(|task| task.status == TaskStatus::Running && task.effect.is_some_and(EffectState::is_open))
    {
        RunStatus::Waiting
    } else {
        RunStatus::Running
    }
}
