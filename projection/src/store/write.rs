//! One transaction per batch.

use openclaw_model::{Position, TaskId, Timestamp};
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::bulk::{Bulk, Values};
use crate::views::{Changes, audit, run, session, workflow};

const STREAMS: Bulk = Bulk {
    head: "INSERT INTO streams (key, name, version, last_position)",
    columns: 4,
    tail: "ON CONFLICT (key) DO UPDATE SET version = excluded.version, last_position = excluded.last_position",
};
const LABELS: Bulk = Bulk { head: "INSERT INTO labels (id, text)", columns: 2, tail: "" };
const EVENTS: Bulk = Bulk {
    head: "INSERT INTO events \
           (position, stream, version, type, schema, at, actor, id, command, causation, correlation)",
    columns: 11,
    tail: "",
};
const MINUTES: Bulk = Bulk {
    head: "INSERT INTO event_minutes (minute, events)",
    columns: 2,
    tail: "ON CONFLICT (minute) DO UPDATE SET events = events + excluded.events",
};
const RUNS: Bulk = Bulk {
    head: "INSERT INTO runs (key, namespace, name, version, digest, inline, actor, parent, parent_task, \
           started_at, input, status, tasks, deadline, ended_at, output, error)",
    columns: 17,
    tail: "",
};
const RUN_TAILS: Bulk = Bulk {
    head: "UPDATE runs SET status = v.column2, tasks = v.column3, deadline = coalesce(v.column4, deadline), \
           ended_at = coalesce(v.column5, ended_at), output = coalesce(v.column6, output), \
           error = coalesce(v.column7, error) FROM (",
    columns: 7,
    tail: ") AS v WHERE runs.key = v.column1",
};
const RUN_COUNTS: Bulk = Bulk {
    head: "INSERT INTO run_counts (status, runs)",
    columns: 2,
    tail: "ON CONFLICT (status) DO UPDATE SET runs = runs + excluded.runs",
};
const TASKS: Bulk = Bulk {
    head: "INSERT INTO tasks (key, run, task, parent, kind, effect, iteration, attempt, started_at, deadline, \
           name, reference, input, status, retries, dispatches, ended_at, due, output, error)",
    columns: 20,
    tail: "",
};
const TASK_TAILS: Bulk = Bulk {
    head: "UPDATE tasks SET status = v.column2, retries = v.column3, dispatches = v.column4, \
           ended_at = v.column5, due = v.column6, output = coalesce(v.column7, output), \
           error = coalesce(v.column8, error) FROM (",
    columns: 8,
    tail: ") AS v WHERE tasks.key = v.column1",
};
const SESSIONS: Bulk = Bulk {
    head: "INSERT INTO sessions (key, status, channel, peer, agent, account, started_at, active_at, ended_at, \
           end_reason, messages, input_tokens, output_tokens)",
    columns: 13,
    tail: "ON CONFLICT (key) DO UPDATE SET status = excluded.status, channel = excluded.channel, \
           peer = excluded.peer, agent = excluded.agent, account = excluded.account, \
           active_at = excluded.active_at, ended_at = excluded.ended_at, end_reason = excluded.end_reason, \
           messages = excluded.messages, input_tokens = excluded.input_tokens, \
           output_tokens = excluded.output_tokens",
};
const MESSAGES: Bulk = Bulk {
    head: "INSERT INTO messages (key, session, direction, message_id, at, model, input_tokens, output_tokens, \
           content, attachments)",
    columns: 10,
    tail: "",
};
const SETTINGS: Bulk = Bulk {
    head: "INSERT INTO session_state (session, name, value, position, at)",
    columns: 5,
    tail: "ON CONFLICT (session, name) DO UPDATE SET value = excluded.value, position = excluded.position, \
           at = excluded.at",
};
const SETTINGS_GONE: Bulk =
    Bulk { head: "DELETE FROM session_state WHERE (session, name) IN (", columns: 2, tail: ")" };
const WORKFLOWS: Bulk = Bulk {
    head: "INSERT INTO workflows (key, stream, namespace, name, version, digest, actor, registered_at, tasks, \
           title, definition)",
    columns: 11,
    tail: "",
};
const RETIRED: Bulk = Bulk {
    head: "UPDATE workflows SET retired_at = v.column3 FROM (",
    columns: 3,
    tail: ") AS v WHERE workflows.stream = v.column1 AND workflows.version = v.column2",
};

/// An integer of the database. Positions and versions stay below 2^63; counts from outside are capped there.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn key(position: Position) -> i64 {
    int(position.0)
}

fn blob(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn time(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

fn ordinal(task: Option<TaskId>) -> Option<i64> {
    task.map(|task| i64::from(task.0))
}

/// Writes all rows and the checkpoint.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    changes: &Changes,
    labels: Vec<(i64, Box<str>)>,
    position: Position,
    at: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let to = &mut *transaction;
    LABELS
        .execute(to, labels.into_iter(), |v, (id, text)| {
            v.push(id).push(text);
        })
        .await?;
    write_audit(to, &changes.audit).await?;
    write_runs(to, &changes.runs).await?;
    write_sessions(to, &changes.sessions).await?;
    write_workflows(to, &changes.workflows).await?;
    sqlx::query("UPDATE projection_status SET checkpoint = ?1, updated_at = ?2")
        .bind(key(position))
        .bind(at.as_micros())
        .execute(to)
        .await?;
    transaction.commit().await
}

async fn write_audit(to: &mut SqliteConnection, changes: &audit::Changes) -> sqlx::Result<()> {
    STREAMS
        .execute(to, changes.streams.iter(), |v, (id, row)| {
            v.push(key(*id)).push(&*row.name).push(int(row.version.0)).push(key(row.last));
        })
        .await?;
    EVENTS
        .execute(to, changes.events.iter(), |v, row| {
            v.push(key(row.position)).push(key(row.stream)).push(int(row.version.0)).push(row.event_type);
            v.push(i64::from(row.schema)).push(row.at.as_micros()).push(row.actor).push(blob(row.id.0));
            v.push(&row.command.0[..]).push(row.causation.map(|id| blob(id.0)));
            v.push(row.correlation.map(blob));
        })
        .await?;
    MINUTES
        .execute(to, changes.minutes.iter(), |v, (minute, events)| {
            v.push(*minute).push(*events);
        })
        .await?;
    Ok(())
}

async fn write_runs(to: &mut SqliteConnection, changes: &run::Changes) -> sqlx::Result<()> {
    RUNS.execute(to, changes.runs.iter(), |v, (id, row)| {
        v.push(key(*id))
            .push(&*row.workflow.namespace)
            .push(&*row.workflow.name)
            .push(&*row.workflow.version);
        v.push(&row.workflow.digest.0[..]).push(row.inline).push(row.actor);
        v.push(row.parent.map(|id| blob(id.0))).push(ordinal(row.parent_task));
        v.push(row.started_at.as_micros()).push(&*row.input);
        push_run_tail(v, &row.tail);
    })
    .await?;
    RUN_TAILS
        .execute(to, changes.run_tails.iter(), |v, (id, tail)| push_run_tail(v.push(key(*id)), tail))
        .await?;
    RUN_COUNTS
        .execute(to, changes.counts.iter(), |v, (status, change)| {
            v.push(status.as_str()).push(*change);
        })
        .await?;
    TASKS
        .execute(to, changes.tasks.iter(), |v, (id, row)| {
            v.push(key(*id)).push(key(row.run)).push(i64::from(row.task.0)).push(ordinal(row.parent));
            v.push(row.kind.as_str()).push(row.effect).push(row.iteration.map(i64::from));
            v.push(i64::from(row.attempt)).push(row.started_at.as_micros()).push(time(row.deadline));
            v.push(&*row.name).push(&*row.reference).push(row.input.as_deref());
            push_task_tail(v, &row.tail);
        })
        .await?;
    TASK_TAILS
        .execute(to, changes.task_tails.iter(), |v, (id, tail)| push_task_tail(v.push(key(*id)), tail))
        .await?;
    Ok(())
}

fn push_run_tail(v: &mut Values, tail: &run::RunTail) {
    v.push(tail.status.as_str()).push(i64::from(tail.tasks));
    v.push(time(tail.deadline)).push(time(tail.ended_at));
    v.push(tail.output.as_deref()).push(tail.error.as_deref());
}

fn push_task_tail(v: &mut Values, tail: &run::TaskTail) {
    v.push(tail.status.as_str()).push(i64::from(tail.retries)).push(i64::from(tail.dispatches));
    v.push(time(tail.ended_at)).push(time(tail.due)).push(tail.output.as_deref()).push(tail.error.as_deref());
}

async fn write_sessions(to: &mut SqliteConnection, changes: &session::Changes) -> sqlx::Result<()> {
    SESSIONS
        .execute(to, changes.sessions.iter(), |v, (id, row)| {
            v.push(key(*id)).push(row.status.as_str()).push(&*row.channel).push(&*row.peer);
            v.push(&*row.agent).push(&*row.account).push(row.started_at.as_micros());
            v.push(row.active_at.as_micros()).push(time(row.ended_at)).push(row.end_reason.as_deref());
            v.push(int(row.messages)).push(int(row.tokens.input_tokens)).push(int(row.tokens.output_tokens));
        })
        .await?;
    MESSAGES
        .execute(to, changes.messages.iter(), |v, (id, row)| {
            v.push(key(*id))
                .push(key(row.session))
                .push(row.direction.as_str())
                .push(row.message_id.as_deref());
            v.push(row.at.as_micros()).push(row.model.as_deref());
            v.push(row.tokens.map(|tokens| int(tokens.input_tokens)));
            v.push(row.tokens.map(|tokens| int(tokens.output_tokens)));
            v.push(&*row.content).push(row.attachments.as_deref());
        })
        .await?;
    let (set, gone): (Vec<_>, Vec<_>) = changes.settings.iter().partition(|(_, row)| row.value.is_some());
    SETTINGS
        .execute(to, set.into_iter(), |v, ((id, name), row)| {
            v.push(key(*id)).push(&**name).push(row.value.as_deref());
            v.push(key(row.position)).push(row.at.as_micros());
        })
        .await?;
    SETTINGS_GONE
        .execute(to, gone.into_iter(), |v, ((id, name), _)| {
            v.push(key(*id)).push(&**name);
        })
        .await?;
    Ok(())
}

async fn write_workflows(to: &mut SqliteConnection, changes: &workflow::Changes) -> sqlx::Result<()> {
    WORKFLOWS
        .execute(to, changes.registered.iter(), |v, (id, row)| {
            v.push(key(*id)).push(key(row.stream)).push(&*row.namespace).push(&*row.name).push(&*row.version);
            v.push(&row.digest.0[..]).push(row.actor).push(row.registered_at.as_micros());
            v.push(i64::from(row.tasks)).push(row.title.as_deref()).push(&*row.definition);
        })
        .await?;
    RETIRED
        .execute(to, changes.retired.iter(), |v, row| {
            v.push(key(row.stream)).push(&*row.version).push(row.at.as_micros());
        })
        .await?;
    Ok(())
}
