//! The events of a run, applied.

use std::collections::BTreeMap;

use openclaw_model::{
    RunId, TaskId,
    event::{
        RunEvent,
        run::{TaskSkipped, TaskStarted, Work},
    },
};

use super::{
    super::{Broken, Place, json},
    Changes, OpenTask, RunRow, RunStatus, RunTail, State, TaskRow, TaskStatus, TaskTail,
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
    let state = State { id, status: RunStatus::Pending, tasks: 0, open: BTreeMap::new() };
    changes.runs.insert(
        place.key,
        RunRow {
            workflow: event.workflow,
            inline: event.definition.is_some(),
            actor: place.actor,
            parent: event.parent.map(|parent| parent.run),
            parent_task: event.parent.map(|parent| parent.task),
            started_at: place.at,
            input: json(&event.input),
            tail: tail_of(&state),
        },
    );
    *changes.counts.entry(state.status).or_default() += 1;
    changes.touched.insert(place.key, id);
    Ok(state)
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
            set_status(state, place, RunStatus::Running, changes);
            run_tail(state, place, changes).deadline = event.deadline;
        }
        RunEvent::TaskStarted(event) => start(state, place, event, changes)?,
        RunEvent::TaskSkipped(event) => skip(state, place, event, changes)?,
        RunEvent::TaskCompleted(event) => {
            let tail = end(state, place, event.task, TaskStatus::Completed, changes)?;
            tail.output = Some(json(&event.output));
        }
        RunEvent::TaskFaulted(event) => {
            let tail = end(state, place, event.task, TaskStatus::Faulted, changes)?;
            tail.error = Some(json(&event.error));
        }
        RunEvent::TaskCancelled(event) => {
            end(state, place, event.task, TaskStatus::Cancelled, changes)?;
        }
        RunEvent::TaskRetried(event) => {
            let task = open(state, event.task)?;
            (task.status, task.due) = (TaskStatus::Waiting, Some(event.due));
            task.retries = event.attempt.saturating_sub(1);
            touch(task, changes).error = Some(json(&event.error));
        }
        RunEvent::ErrorCaught(event) => {
            let task = open(state, event.task)?;
            (task.status, task.due) = (TaskStatus::Running, None);
            touch(task, changes).error = Some(json(&event.error));
        }
        RunEvent::EffectRedispatched(event) => {
            let task = open(state, event.task)?;
            (task.status, task.dispatches) = (TaskStatus::Running, event.dispatch);
            touch(task, changes);
        }
        RunEvent::EffectUnknown(event) => {
            let task = open(state, event.task)?;
            task.status = TaskStatus::Suspended;
            touch(task, changes);
        }
        // They are in the run's events; no row tells of them.
        RunEvent::EventEmitted(_)
        | RunEvent::Signalled(_)
        | RunEvent::CancelRequested(_)
        | RunEvent::EffectReconciled(_)
        | RunEvent::TaskHeld(_)
        | RunEvent::Retried(_)
        | RunEvent::EventConsumed(_)
        | RunEvent::ItemCompleted(_)
        | RunEvent::Paused(_)
        | RunEvent::Resumed(_)
        | RunEvent::Forked(_) => {}
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

fn open(state: &mut State, task: TaskId) -> Result<&mut OpenTask, Broken> {
    state.open.get_mut(&task).ok_or_else(|| Broken(format!("task {task} is not open")))
}

/// The changing columns of an open task, whether its row is new in this batch or older.
fn touch<'a>(task: &OpenTask, changes: &'a mut Changes) -> &'a mut TaskTail {
    let tail = match changes.tasks.get_mut(&task.key) {
        Some(row) => &mut row.tail,
        None => changes.task_tails.entry(task.key).or_insert_with(|| tail_of_task(task)),
    };
    (tail.status, tail.due) = (task.status, task.due);
    (tail.retries, tail.dispatches) = (task.retries, task.dispatches);
    tail
}

fn tail_of_task(task: &OpenTask) -> TaskTail {
    TaskTail {
        status: task.status,
        retries: task.retries,
        dispatches: task.dispatches,
        ended_at: None,
        due: task.due,
        output: None,
        error: None,
    }
}

fn start(state: &mut State, place: &Place, event: TaskStarted, changes: &mut Changes) -> Result<(), Broken> {
    if state.open.contains_key(&event.task) {
        return Err(Broken(format!("task {} was started before", event.task)));
    }
    // A child of a `try` that waited before its retry: the pause is over.
    if let Some(parent) = event.parent.and_then(|parent| state.open.get_mut(&parent))
        && parent.status == TaskStatus::Waiting
    {
        (parent.status, parent.due) = (TaskStatus::Running, None);
        touch(parent, changes);
    }
    let effect = matches!(event.work, Work::Effect(_));
    let due = if let Work::Timer { due } = event.work { Some(due) } else { None };
    let task = OpenTask {
        key: place.position,
        status: if due.is_some() { TaskStatus::Waiting } else { TaskStatus::Running },
        effect,
        retries: 0,
        dispatches: u32::from(effect),
        due,
    };
    changes.tasks.insert(
        place.position,
        TaskRow {
            run: place.key,
            task: event.task,
            parent: event.parent,
            kind: event.kind,
            effect,
            iteration: event.iteration,
            attempt: event.attempt,
            started_at: place.at,
            deadline: event.deadline,
            name: event.name,
            reference: event.reference,
            input: Some(json(&event.input)),
            tail: tail_of_task(&task),
        },
    );
    state.tasks += 1;
    state.open.insert(event.task, task);
    Ok(())
}

fn skip(state: &mut State, place: &Place, event: TaskSkipped, changes: &mut Changes) -> Result<(), Broken> {
    if state.open.contains_key(&event.task) {
        return Err(Broken(format!("task {} was started before", event.task)));
    }
    changes.tasks.insert(
        place.position,
        TaskRow {
            run: place.key,
            task: event.task,
            parent: event.parent,
            kind: event.kind,
            effect: false,
            iteration: event.iteration,
            attempt: event.attempt,
            started_at: place.at,
            deadline: None,
            name: event.name,
            reference: event.reference,
            input: None,
            tail: TaskTail {
                status: TaskStatus::Skipped,
                retries: 0,
                dispatches: 0,
                ended_at: Some(place.at),
                due: None,
                output: Some(json(&event.output)),
                error: None,
            },
        },
    );
    state.tasks += 1;
    Ok(())
}

fn end<'a>(
    state: &mut State,
    place: &Place,
    task: TaskId,
    status: TaskStatus,
    changes: &'a mut Changes,
) -> Result<&'a mut TaskTail, Broken> {
    open(state, task)?;
    let mut task = state.open.remove(&task).expect("the task is open, the line above says");
    (task.status, task.due) = (status, None);
    let tail = touch(&task, changes);
    tail.ended_at = Some(place.at);
    Ok(tail)
}

/// Ends the run. Whatever the log left open is over with it.
fn finish<'a>(
    state: &mut State,
    place: &Place,
    status: RunStatus,
    changes: &'a mut Changes,
) -> &'a mut RunTail {
    for mut task in std::mem::take(&mut state.open).into_values() {
        (task.status, task.due) = (TaskStatus::Cancelled, None);
        touch(&task, changes).ended_at = Some(place.at);
    }
    set_status(state, place, status, changes);
    let tail = run_tail(state, place, changes);
    tail.ended_at = Some(place.at);
    tail
}

fn set_status(state: &mut State, place: &Place, status: RunStatus, changes: &mut Changes) {
    if state.status != status {
        *changes.counts.entry(state.status).or_default() -= 1;
        *changes.counts.entry(status).or_default() += 1;
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
    tail.status = state.status;
    tail.tasks = state.tasks;
    tail
}

fn tail_of(state: &State) -> RunTail {
    RunTail {
        status: state.status,
        tasks: state.tasks,
        deadline: None,
        ended_at: None,
        output: None,
        error: None,
    }
}

/// A run waits when something open waits for a time and no effect is under way.
fn status_of(state: &State) -> RunStatus {
    if state.status.is_over() || state.status == RunStatus::Pending {
        return state.status;
    }
    let any = |wanted: fn(&OpenTask) -> bool| state.open.values().any(wanted);
    if any(|task| task.status == TaskStatus::Suspended) {
        RunStatus::Suspended
    } else if any(|task| task.status == TaskStatus::Waiting)
        && !any(|task| task.effect && task.status == TaskStatus::Running)
    {
        RunStatus::Waiting
    } else {
        RunStatus::Running
    }
}
