//! What people do to a run: pause, hold, retry, fork. Mirrors what `command/core` does to the state of the run, so
//! that the rows show what is open and why.

use std::sync::Arc;

use openclaw_model::{
    TaskId,
    event::run::{RunForked, RunPaused, RunRetried, TaskHeld, TaskKind},
};

use super::{
    super::{Broken, Place, json},
    Before, CLEAR, Changes, EffectState, Keeps, Paused, RunStatus, State, TaskStatus,
    fold::reopen,
    task::{self, open, touch},
};

/// The columns of [`super::Control`] are to be written.
pub(super) fn note(state: &State, place: &Place, changes: &mut Changes) {
    changes.controls.insert(place.key, state.control.clone());
}

/// Keeps how the run is before the error of `failed` goes up, unless it is an error that is going up already.
pub(super) fn remember(
    state: &mut State,
    place: &Place,
    failed: TaskId,
    answered: bool,
    changes: &mut Changes,
) {
    if state.control.before.is_some() {
        return;
    }
    let mut tasks = state.open.clone();
    if let Some(task) = tasks.get_mut(&failed).filter(|_| answered) {
        // The effect is done; a retry goes on behind it.
        task::settle(task, EffectState::Succeeded);
        task::answer(task);
    }
    state.control.before = Some(Arc::new(Before { at: place.at, tasks }));
    note(state, place, changes);
}

/// The error that was going up is handled.
pub(super) fn forget(state: &mut State, place: &Place, changes: &mut Changes) {
    if state.control.before.take().is_some() {
        note(state, place, changes);
    }
}

pub(super) fn hold(
    state: &mut State,
    place: &Place,
    event: &TaskHeld,
    changes: &mut Changes,
) -> Result<(), Broken> {
    open(state, event.task)?;
    forget(state, place, changes);
    let task = open(state, event.task)?;
    let answered = event.raw_output.is_some();
    task::settle(task, if answered { EffectState::Succeeded } else { EffectState::Failed });
    if answered {
        task::answer(task);
    }
    (task.status, task.since) = (TaskStatus::Suspended, Some(place.at));
    touch(task, changes).error = Some(json(&event.error));
    Ok(())
}

pub(super) fn pause(state: &mut State, place: &Place, event: RunPaused, changes: &mut Changes) {
    state.control.paused = Some(Paused { position: place.position, since: place.at, reason: event.reason });
    note(state, place, changes);
}

/// Time limits do not run while a run is paused.
pub(super) fn resume(state: &mut State, place: &Place, changes: &mut Changes) {
    if let Some(paused) = state.control.paused.take() {
        note(state, place, changes);
        shift_deadlines(state, place.at.millis_since(paused.since), changes);
    }
}

/// The copied history ends, and what waits in it is later by the time since.
pub(super) fn forked(state: &mut State, place: &Place, event: &RunForked, changes: &mut Changes) {
    // A fork of a fork copies the end of the first copy along with everything else.
    if state.fork_at.is_some_and(|at| at < place.version) {
        state.control.forked.get_or_insert(place.position);
        note(state, place, changes);
    }
    shift_deadlines(state, event.shift_ms, changes);
    for task in state.open.values_mut() {
        let waits = task.status == TaskStatus::Waiting && matches!(task.kind, TaskKind::Wait | TaskKind::Try);
        if let (true, Some(due)) = (waits, task.due) {
            task.due = Some(due.plus_millis(event.shift_ms));
            touch(task, changes);
        }
    }
}

/// Puts failed tasks back: those that are held, or that which faulted the run.
pub(super) fn retry(state: &mut State, place: &Place, event: &RunRetried, changes: &mut Changes) {
    state.control.retries += 1;
    if state.status == RunStatus::Faulted
        && let Some(before) = state.control.before.take()
    {
        reopen(state, place, changes);
        let passed = place.at.millis_since(before.at);
        state.deadline = state.deadline.map(|limit| limit.plus_millis(passed));
        for (id, task) in &before.tasks {
            let mut task = task.clone();
            task.deadline = task.deadline.map(|limit| limit.plus_millis(passed));
            if event.tasks.contains(id) && task.keeps == Keeps::Nothing {
                // Its row says how it ended; another one will follow.
                continue;
            }
            touch(&task, changes).error = Some(CLEAR.to_owned());
            state.open.insert(*id, task);
        }
    }
    note(state, place, changes);
    for id in &event.tasks {
        put_back(state, place, *id, changes);
    }
}

/// Lets a failed task go on where it stood if what it did so far is worth keeping; else its row is over.
fn put_back(state: &mut State, place: &Place, id: TaskId, changes: &mut Changes) {
    let Some(task) = state.open.get_mut(&id) else { return };
    if task.keeps != Keeps::Nothing {
        if task.status == TaskStatus::Suspended {
            let waits = task.keeps == Keeps::Place
                && (task.kind == TaskKind::Listen || (task.kind == TaskKind::Try && task.due.is_some()));
            task.status = if waits { TaskStatus::Waiting } else { TaskStatus::Running };
            task.since = waits.then_some(place.at);
        }
        task::allow_all_its_time(task, place.at);
        touch(task, changes).error = Some(CLEAR.to_owned());
        return;
    }
    if let Some(mut task) = state.open.remove(&id) {
        task::close(&mut task, TaskStatus::Faulted);
        touch(&task, changes).ended_at = Some(place.at);
    }
}

fn shift_deadlines(state: &mut State, millis: u64, changes: &mut Changes) {
    state.deadline = state.deadline.map(|limit| limit.plus_millis(millis));
    for task in state.open.values_mut() {
        if let Some(limit) = task.deadline {
            task.deadline = Some(limit.plus_millis(millis));
            touch(task, changes);
        }
    }
}
