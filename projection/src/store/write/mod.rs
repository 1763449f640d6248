//! One transaction per batch.

mod approval;
mod policy;
mod run;
mod webhook;

use openclaw_model::{Position, TaskId, Timestamp};
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::bulk::Bulk;
use crate::views::{Changes, audit, published, schedule, session, workflow};

const STREAMS: Bulk = Bulk {
    head: "INSERT INTO streams (key, name, version, last_position, namespace)",
    columns: 5,
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
    head: "INSERT INTO event_minutes (minute, namespace, events)",
    columns: 3,
    tail: "ON CONFLICT (minute, namespace) DO UPDATE SET events = events + excluded.events",
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

const SCHEDULES: Bulk = Bulk {
    head: "INSERT OR REPLACE INTO schedules (key, namespace, name, active, version, digest, overlap, missed, \
           activated_at, paused_at, pause_reason, last_due, last_at, last_run, last_skipped, runs, skipped, \
           timetable, input, interests)",
    columns: 20,
    tail: "",
};
const PUBLISHED: Bulk = Bulk {
    head: "INSERT INTO published_events (key, at, actor, run, task, type, source, id, event)",
    columns: 9,
    tail: "",
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
    run::write(to, &changes.runs).await?;
    write_sessions(to, &changes.sessions).await?;
    write_workflows(to, &changes.workflows).await?;
    approval::write(to, &changes.approvals).await?;
    write_schedules(to, &changes.schedules).await?;
    webhook::write(to, &changes.webhooks).await?;
    write_published(to, &changes.published).await?;
    policy::write(to, &changes.policies).await?;
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
            v.push(row.namespace);
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
        .execute(to, changes.minutes.iter(), |v, ((minute, namespace), events)| {
            v.push(*minute).push(*namespace).push(*events);
        })
        .await?;
    Ok(())
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

async fn write_schedules(to: &mut SqliteConnection, changes: &schedule::Changes) -> sqlx::Result<()> {
    SCHEDULES
        .execute(to, changes.rows.iter(), |v, (id, row)| {
            v.push(key(*id)).push(&*row.namespace).push(&*row.name).push(row.active).push(&*row.version);
            v.push(&*row.digest).push(&*row.overlap).push(&*row.missed).push(row.activated_at.as_micros());
            v.push(time(row.paused_at)).push(row.pause_reason.as_deref()).push(time(row.last_due));
            v.push(time(row.last_at)).push(row.last_run.map(|run| blob(run.0)));
            v.push(row.last_skipped.as_deref()).push(int(row.runs)).push(int(row.skipped));
            v.push(&*row.timetable).push(row.input.as_deref()).push(row.interests.as_deref());
        })
        .await?;
    Ok(())
}

async fn write_published(to: &mut SqliteConnection, changes: &published::Changes) -> sqlx::Result<()> {
    PUBLISHED
        .execute(to, changes.rows.iter(), |v, (id, row)| {
            v.push(key(*id)).push(row.at.as_micros()).push(row.actor).push(row.run.map(key));
            v.push(ordinal(row.task)).push(&*row.event_type).push(&*row.source).push(&*row.id);
            v.push(&*row.event);
        })
        .await?;
    Ok(())
}
