//! What happens to the tasks of a run.

use std::{borrow::Cow, fmt::Write as _};

use openclaw_model::{
    TaskId, Timestamp,
    event::{
        approval::ApprovalRequest,
        policy::Action,
        run::{Intent, Request, TaskKind, TaskSkipped, TaskStarted, Work, WorkflowError},
    },
};
use serde_json::json;

use super::{
    super::{Broken, Place, json as text},
    AttemptRow, Changes, Effect, EffectState, Keeps, OpenTask, State, TaskRow, TaskStatus, TaskTail,
};

pub(super) fn open(state: &mut State, task: TaskId) -> Result<&mut OpenTask, Broken> {
    state.open.get_mut(&task).ok_or_else(|| Broken(format!("task {task} is not open")))
}

/// The changing columns of an open task, whether its row is new in this batch or older.
pub(super) fn touch<'a>(task: &OpenTask, changes: &'a mut Changes) -> &'a mut TaskTail {
    let tail = match changes.tasks.get_mut(&task.key) {
        Some(row) => &mut row.tail,
        None => changes.task_tails.entry(task.key).or_insert_with(|| tail_of(task)),
    };
    let (output, error) = (tail.output.take(), tail.error.take());
    *tail = TaskTail { output, error, ..tail_of(task) };
    tail
}

fn tail_of(task: &OpenTask) -> TaskTail {
    TaskTail {
        status: task.status,
        effect: task.effect,
        keeps: task.keeps,
        retries: task.retries,
        dispatches: task.dispatches,
        consumed: task.consumed,
        ended_at: None,
        since: task.since,
        due: task.due,
        deadline: task.deadline,
        output: None,
        error: None,
    }
}

/// The effect of a task is under way.
pub(super) fn at_work(task: &mut OpenTask) {
    task.status = if task.asks { TaskStatus::Waiting } else { TaskStatus::Running };
    task.since = None;
}

/// The outcome of what a task was to do is there; what is left is to go on from it.
pub(super) fn answer(task: &mut OpenTask) {
    (task.status, task.since, task.keeps) = (TaskStatus::Running, None, Keeps::Outcome);
    if !task.asks {
        task.due = None;
    }
}

/// What the parts of a task did is not to be done again.
pub(super) fn keep_place(task: &mut OpenTask) {
    if task.keeps == Keeps::Nothing {
        task.keeps = Keeps::Place;
    }
}

/// Gives a task its whole time limit again, which may be what it ran out of.
pub(super) fn allow_all_its_time(task: &mut OpenTask, now: Timestamp) {
    task.deadline = task.deadline.map(|limit| now.plus_millis(limit.millis_since(task.started_at)));
}

/// Notes the outcome of an effect, if there is one and somebody has not said what it was.
pub(super) fn settle(task: &mut OpenTask, outcome: EffectState) {
    if task.effect.is_some_and(EffectState::is_open) {
        task.effect = Some(outcome);
    }
}

/// A task is over; its row says how.
pub(super) fn close(task: &mut OpenTask, status: TaskStatus) {
    settle(
        task,
        match status {
            TaskStatus::Completed => EffectState::Succeeded,
            TaskStatus::Faulted => EffectState::Failed,
            _ => EffectState::Cancelled,
        },
    );
    (task.status, task.since) = (status, None);
    if !task.asks {
        task.due = None;
    }
}

pub(super) fn start(
    state: &mut State,
    place: &Place,
    event: TaskStarted,
    changes: &mut Changes,
) -> Result<(), Broken> {
    if state.open.contains_key(&event.task) {
        return Err(Broken(format!("task {} was started before", event.task)));
    }
    begin_round(state, event.parent, event.iteration, event.attempt, changes);
    let (effect, detail) = match &event.work {
        Work::Effect(intent) => (Some(effect(intent)), detail(intent)),
        Work::Listen { interests } => (None, Some(json!({ "interests": interests }).to_string())),
        _ => (None, None),
    };
    let task = open_task(state, place, &event);
    changes.tasks.insert(
        place.position,
        TaskRow {
            run: place.key,
            task: event.task,
            parent: event.parent,
            kind: event.kind,
            iteration: event.iteration,
            attempt: event.attempt,
            started_at: place.at,
            name: event.name,
            reference: event.reference,
            path: task.path.clone(),
            effect,
            detail,
            input: Some(text(&event.input)),
            tail: tail_of(&task),
        },
    );
    state.tasks += 1;
    state.open.insert(event.task, task);
    Ok(())
}

fn open_task(state: &State, place: &Place, event: &TaskStarted) -> OpenTask {
    let mut task = OpenTask {
        key: place.position,
        parent: event.parent,
        kind: event.kind,
        path: path(state, event.parent, &event.name, event.iteration),
        status: TaskStatus::Running,
        effect: None,
        asks: false,
        keeps: match event.work {
            Work::Branches { .. } => Keeps::Place,
            _ => Keeps::Nothing,
        },
        retries: 0,
        dispatches: 0,
        consumed: 0,
        started_at: place.at,
        since: None,
        due: None,
        deadline: event.deadline,
    };
    match &event.work {
        Work::Timer { due } => (task.status, task.due) = (TaskStatus::Waiting, Some(*due)),
        Work::Listen { .. } => task.status = TaskStatus::Waiting,
        Work::Effect(intent) => {
            (task.effect, task.dispatches) = (Some(EffectState::Intended), u32::from(happens(intent)));
            if let Some(request) = asked(intent) {
                task.asks = true;
                task.due = request.deadline.as_ref().map(|deadline| deadline.due);
            }
            if let Request::Approval(request) = &intent.request {
                task.asks = true;
                task.due = request.deadline.as_ref().map(|deadline| deadline.due);
            }
            at_work(&mut task);
        }
        Work::Steps | Work::Loop { .. } | Work::Branches { .. } => {}
    }
    task
}

fn effect(intent: &Intent) -> Effect {
    let kind = match &intent.request {
        Request::Http(_) => "http",
        Request::OpenApi(_) => "openapi",
        Request::Grpc(_) => "grpc",
        Request::Process(_) => "process",
        Request::Container(_) => "container",
        Request::Run(_) => "run",
        Request::Approval(_) => "approval",
        Request::Command(_) => "command",
    };
    Effect { key: intent.key.clone(), class: intent.class, kind }
}

/// Whether an effect is dispatched when it is intended: policies may want to ask people first, or deny it.
fn happens(intent: &Intent) -> bool {
    intent.verdict.as_ref().is_none_or(|verdict| verdict.action == Action::Allow)
}

/// What a policy has people asked first.
fn asked(intent: &Intent) -> Option<&ApprovalRequest> {
    intent.verdict.as_ref()?.ask.as_deref()
}

/// What leads from a task to what it waits for: what a policy has people asked, and what comes after that.
fn detail(intent: &Intent) -> Option<String> {
    let mut detail = serde_json::Map::new();
    if let Some(request) = asked(intent) {
        detail.insert("approval".into(), json!(request.approval));
    }
    match &intent.request {
        Request::Run(request) => {
            detail.insert("run".into(), json!(request.run));
        }
        Request::Approval(request) => {
            detail.insert("approval".into(), json!(request.approval));
        }
        _ => {}
    }
    (!detail.is_empty()).then(|| serde_json::Value::Object(detail).to_string())
}

/// People allow the effect of a task, which is dispatched from here on.
pub(super) fn permit(task: &mut OpenTask, now: Timestamp) {
    (task.asks, task.due, task.dispatches) = (false, None, 1);
    at_work(task);
    task.since = Some(now);
}

pub(super) fn skip(
    state: &mut State,
    place: &Place,
    event: TaskSkipped,
    changes: &mut Changes,
) -> Result<(), Broken> {
    if state.open.contains_key(&event.task) {
        return Err(Broken(format!("task {} was started before", event.task)));
    }
    begin_round(state, event.parent, event.iteration, event.attempt, changes);
    let path = path(state, event.parent, &event.name, event.iteration);
    changes.tasks.insert(
        place.position,
        TaskRow {
            run: place.key,
            task: event.task,
            parent: event.parent,
            kind: event.kind,
            iteration: event.iteration,
            attempt: event.attempt,
            started_at: place.at,
            name: event.name,
            reference: event.reference,
            path,
            effect: None,
            detail: None,
            input: None,
            tail: TaskTail {
                status: TaskStatus::Skipped,
                effect: None,
                keeps: Keeps::Nothing,
                retries: 0,
                dispatches: 0,
                consumed: 0,
                ended_at: Some(place.at),
                since: None,
                due: None,
                deadline: None,
                output: Some(text(&event.output)),
                error: None,
            },
        },
    );
    state.tasks += 1;
    child_ended(state, place, event.parent, true, changes);
    Ok(())
}

/// Ends a task. The caller adds what it ended with.
pub(super) fn end<'a>(
    state: &mut State,
    place: &Place,
    task: TaskId,
    status: TaskStatus,
    changes: &'a mut Changes,
) -> Result<&'a mut TaskTail, Broken> {
    open(state, task)?;
    let mut task = state.open.remove(&task).expect("the task is open, the line above says");
    child_ended(state, place, task.parent, status == TaskStatus::Completed, changes);
    close(&mut task, status);
    let tail = touch(&task, changes);
    tail.ended_at = Some(place.at);
    Ok(tail)
}

/// A child of `parent` begins: a pause before a retry is over, an event is being handled.
fn begin_round(
    state: &mut State,
    parent: Option<TaskId>,
    iteration: Option<u32>,
    attempt: u32,
    changes: &mut Changes,
) {
    let Some(task) = parent.and_then(|parent| state.open.get_mut(&parent)) else { return };
    let before = (task.status, task.keeps);
    match (task.kind, task.status) {
        (TaskKind::Try, TaskStatus::Waiting) if attempt == task.retries + 1 => {
            (task.status, task.due, task.since, task.keeps) =
                (TaskStatus::Running, None, None, Keeps::Nothing);
        }
        (TaskKind::Listen, TaskStatus::Waiting) => task.status = TaskStatus::Running,
        _ => {}
    }
    if iteration.is_some() {
        keep_place(task);
    }
    if before != (task.status, task.keeps) {
        touch(task, changes);
    }
}

/// A child of `parent` ended: a `listen` that handled an event waits for the next.
fn child_ended(state: &mut State, place: &Place, parent: Option<TaskId>, well: bool, changes: &mut Changes) {
    let Some(id) = parent else { return };
    let listens = |task: &OpenTask| task.kind == TaskKind::Listen && task.status == TaskStatus::Running;
    let waits_again =
        state.open.get(&id).is_some_and(listens) && !state.open.values().any(|task| task.parent == parent);
    let Some(task) = state.open.get_mut(&id) else { return };
    let before = (task.status, task.keeps);
    if waits_again {
        (task.status, task.since) = (TaskStatus::Waiting, Some(place.at));
    }
    if well {
        keep_place(task);
    }
    if before != (task.status, task.keeps) {
        touch(task, changes);
    }
}

/// Notes that an attempt of a `try` failed.
pub(super) fn failed_attempt(
    state: &mut State,
    place: &Place,
    task: TaskId,
    attempt: u32,
    next: Option<Timestamp>,
    error: &WorkflowError,
    changes: &mut Changes,
) -> Result<(), Broken> {
    let task = open(state, task)?.key;
    let row = AttemptRow { task, attempt, failed_at: place.at, next, error: text(error) };
    changes.attempts.insert(place.position, row);
    Ok(())
}

/// Where a task stands in its run, whatever is retried: the names above it, with the iterations.
fn path(state: &State, parent: Option<TaskId>, name: &str, iteration: Option<u32>) -> Box<str> {
    let mut path = parent
        .and_then(|parent| state.open.get(&parent))
        .map_or_else(String::new, |parent| parent.path.to_string());
    if let Some(iteration) = iteration {
        write!(path, "[{iteration}]").expect("a string takes everything");
    }
    path.push('/');
    path.push_str(&escaped(name));
    path.into()
}

/// A name without the characters that mean something in a path.
fn escaped(name: &str) -> Cow<'_, str> {
    const MEANING: [char; 5] = ['/', '[', ']', '#', '%'];
    if !name.contains(MEANING) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        if MEANING.contains(&character) {
            write!(escaped, "%{:02x}", u32::from(character)).expect("a string takes everything");
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}
