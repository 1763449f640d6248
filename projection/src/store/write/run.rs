//! Rows of runs, tasks and attempts.

use openclaw_model::event::run::{EffectClass, ParentClose};
use sqlx::SqliteConnection;

use super::{
    super::bulk::{Bulk, Values},
    blob, int, key, ordinal, time,
};
use crate::views::run::{Changes, Control, EffectState, Origin, RunTail, TaskRow, TaskTail};

const RUNS: Bulk = Bulk {
    head: "INSERT INTO runs (key, namespace, name, version, digest, inline, actor, parent, parent_task, \
           parent_close, started_at, input, status, tasks, deadline, ended_at, output, error)",
    columns: 18,
    tail: "",
};
const ORIGINS: Bulk = Bulk {
    head: "UPDATE runs SET priority = v.column2, concurrency_key = v.column3, concurrency_limit = v.column4, \
           not_before = v.column5, schedule = v.column6, schedule_due = v.column7, forked_from = v.column8, \
           fork_version = v.column9, labels = v.column10 FROM (",
    columns: 10,
    tail: ") AS v WHERE runs.key = v.column1",
};
const LABELS: Bulk = Bulk { head: "INSERT INTO run_labels (name, value, run)", columns: 3, tail: "" };
// An empty text empties its column; none keeps it.
const TAILS: Bulk = Bulk {
    head: "UPDATE runs SET status = v.column2, tasks = v.column3, deadline = v.column4, \
           ended_at = v.column5, output = nullif(coalesce(v.column6, output), ''), \
           error = nullif(coalesce(v.column7, error), '') FROM (",
    columns: 7,
    tail: ") AS v WHERE runs.key = v.column1",
};
const CONTROLS: Bulk = Bulk {
    head: "UPDATE runs SET retries = v.column2, paused = v.column3, paused_at = v.column4, \
           pause_reason = v.column5, cancel_at = v.column6, cancel_reason = v.column7, \
           cancel_kill = v.column8, forked = v.column9, before_error = v.column10 FROM (",
    columns: 10,
    tail: ") AS v WHERE runs.key = v.column1",
};
const COUNTS: Bulk = Bulk {
    head: "INSERT INTO run_counts (status, namespace, runs)",
    columns: 3,
    tail: "ON CONFLICT (status, namespace) DO UPDATE SET runs = runs + excluded.runs",
};
const TASKS: Bulk = Bulk {
    head: "INSERT INTO tasks (key, run, task, parent, kind, iteration, attempt, started_at, name, path, reference, \
           effect_kind, effect_class, effect_key, detail, input, status, effect, keeps, retries, dispatches, \
           consumed, ended_at, since, due, deadline, output, error)",
    columns: 28,
    tail: "",
};
const TASK_TAILS: Bulk = Bulk {
    head: "UPDATE tasks SET status = v.column2, effect = v.column3, keeps = v.column4, retries = v.column5, \
           dispatches = v.column6, consumed = v.column7, ended_at = v.column8, since = v.column9, \
           due = v.column10, deadline = v.column11, output = nullif(coalesce(v.column12, output), ''), \
           error = nullif(coalesce(v.column13, error), '') FROM (",
    columns: 13,
    tail: ") AS v WHERE tasks.key = v.column1",
};
const ATTEMPTS: Bulk =
    Bulk { head: "INSERT INTO attempts (key, task, attempt, failed_at, next, error)", columns: 6, tail: "" };

pub(super) async fn write(to: &mut SqliteConnection, changes: &Changes) -> sqlx::Result<()> {
    RUNS.execute(to, changes.runs.iter(), |v, (id, row)| {
        v.push(key(*id)).push(&*row.workflow.namespace).push(&*row.workflow.name);
        v.push(&*row.workflow.version).push(&row.workflow.digest.0[..]).push(row.inline).push(row.actor);
        v.push(row.parent.map(|parent| blob(parent.run.0)));
        v.push(row.parent.map(|parent| i64::from(parent.task.0)));
        v.push(row.parent.map(|parent| close(parent.close)));
        v.push(row.started_at.as_micros()).push(&*row.input);
        push_run_tail(v, &row.tail, fresh);
    })
    .await?;
    ORIGINS
        .execute(to, changes.origins.iter(), |v, (id, origin)| push_origin(v.push(key(*id)), origin))
        .await?;
    let labels: Vec<_> = changes
        .origins
        .iter()
        .flat_map(|(id, origin)| origin.labels.iter().map(move |(name, value)| (name, value, *id)))
        .collect();
    LABELS
        .execute(to, labels.into_iter(), |v, (name, value, id)| {
            v.push(&**name).push(&**value).push(key(id));
        })
        .await?;
    TAILS
        .execute(to, changes.run_tails.iter(), |v, (id, tail)| push_run_tail(v.push(key(*id)), tail, later))
        .await?;
    CONTROLS
        .execute(to, changes.controls.iter(), |v, (id, control)| push_control(v.push(key(*id)), control))
        .await?;
    COUNTS
        .execute(to, changes.counts.iter(), |v, ((status, namespace), change)| {
            v.push(status.as_str()).push(*namespace).push(*change);
        })
        .await?;
    TASKS.execute(to, changes.tasks.iter(), |v, (id, row)| push_task(v.push(key(*id)), row)).await?;
    TASK_TAILS
        .execute(to, changes.task_tails.iter(), |v, (id, tail)| push_task_tail(v.push(key(*id)), tail, later))
        .await?;
    ATTEMPTS
        .execute(to, changes.attempts.iter(), |v, (id, row)| {
            v.push(key(*id)).push(key(row.task)).push(i64::from(row.attempt));
            v.push(row.failed_at.as_micros()).push(time(row.next)).push(&*row.error);
        })
        .await?;
    Ok(())
}

/// A text of a row that is new: what would empty the column leaves it empty.
fn fresh(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// A text of a row that is there already.
fn later(text: &Option<String>) -> Option<&str> {
    text.as_deref()
}

type Text = fn(&Option<String>) -> Option<&str>;

fn push_run_tail(v: &mut Values, tail: &RunTail, text: Text) {
    v.push(tail.status.as_str()).push(i64::from(tail.tasks));
    v.push(time(tail.deadline)).push(time(tail.ended_at));
    v.push(text(&tail.output)).push(text(&tail.error));
}

fn push_origin(v: &mut Values, origin: &Origin) {
    let concurrency = origin.concurrency.as_ref();
    let (trigger, fork) = (origin.trigger.as_ref(), origin.fork.as_ref());
    v.push(origin.priority).push(concurrency.map(|one| &*one.key));
    v.push(concurrency.map(|one| i64::from(one.limit))).push(time(origin.not_before));
    v.push(trigger.map(|one| &*one.schedule)).push(time(trigger.and_then(|one| one.due)));
    v.push(fork.map(|one| blob(one.run.0))).push(fork.map(|one| int(one.at.0)));
    v.push((!origin.labels.is_empty()).then(|| json(&origin.labels)));
}

fn push_control(v: &mut Values, control: &Control) {
    let (paused, cancel) = (control.paused.as_ref(), control.cancel.as_ref());
    v.push(i64::from(control.retries)).push(paused.map(|one| key(one.position)));
    v.push(time(paused.map(|one| one.since))).push(paused.and_then(|one| one.reason.as_deref()));
    v.push(time(cancel.map(|one| one.at))).push(cancel.and_then(|one| one.reason.as_deref()));
    v.push(cancel.map(|one| one.kill)).push(control.forked.map(key));
    v.push(control.before.as_ref().map(json));
}

fn push_task(v: &mut Values, row: &TaskRow) {
    let effect = row.effect.as_ref();
    v.push(key(row.run)).push(i64::from(row.task.0)).push(ordinal(row.parent)).push(row.kind.as_str());
    v.push(row.iteration.map(i64::from)).push(i64::from(row.attempt)).push(row.started_at.as_micros());
    v.push(&*row.name).push(&*row.path).push(&*row.reference);
    v.push(effect.map(|one| one.kind)).push(effect.map(|one| class(one.class)));
    v.push(effect.map(|one| &*one.key)).push(row.detail.as_deref()).push(row.input.as_deref());
    push_task_tail(v, &row.tail, fresh);
}

fn push_task_tail(v: &mut Values, tail: &TaskTail, text: Text) {
    v.push(tail.status.as_str()).push(tail.effect.map(EffectState::as_str)).push(tail.keeps.number());
    v.push(i64::from(tail.retries)).push(i64::from(tail.dispatches)).push(i64::from(tail.consumed));
    v.push(time(tail.ended_at)).push(time(tail.since)).push(time(tail.due)).push(time(tail.deadline));
    v.push(text(&tail.output)).push(text(&tail.error));
}

const fn class(class: EffectClass) -> &'static str {
    match class {
        EffectClass::Pure => "pure",
        EffectClass::Idempotent => "idempotent",
        EffectClass::Keyed => "keyed",
        EffectClass::Queryable => "queryable",
        EffectClass::Irreversible => "irreversible",
    }
}

const fn close(close: ParentClose) -> &'static str {
    match close {
        ParentClose::Cancel => "cancel",
        ParentClose::Kill => "kill",
        ParentClose::Abandon => "abandon",
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what the views keep has string keys only and always serialises")
}
