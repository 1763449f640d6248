//! What happened in a run, one entry after the other, for a waterfall.

use std::collections::HashMap;

use async_graphql::{Context, Result, SimpleObject};
use openclaw_model::{
    TaskId, Timestamp,
    event::{
        Event, RunEvent,
        run::{Resolution, WorkflowError as Error},
    },
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    Columns,
    event::{self, EventFilter},
    rows,
    run::{Run, WorkflowError},
};
use crate::{
    Deps,
    access::Reader,
    cursor::{About, Listed, Page},
    fault::Code,
    history,
    scalar::{DateTime, Position},
};

/// Something that happened in a run.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct TimelineEntry {
    /// Position of the event that tells of it.
    pub(crate) position: Position,
    /// When.
    pub(crate) at: DateTime,
    /// What happened: the type of the event without `run.`, for example `task_started`.
    pub(crate) what: String,
    /// Who caused it.
    pub(crate) actor: String,
    /// Ordinal of the task it happened to; null for the run as a whole.
    pub(crate) task_id: Option<i32>,
    /// Name of that task.
    pub(crate) name: Option<String>,
    /// Where it stands in the run.
    pub(crate) path: Option<String>,
    /// Ordinal of the task that it is part of.
    pub(crate) parent_task: Option<i32>,
    /// What it does, by its keyword.
    pub(crate) kind: Option<String>,
    /// When something is due because of it.
    pub(crate) due: Option<DateTime>,
    /// The error that it is about.
    pub(crate) error: Option<WorkflowError>,
    /// More about it in words: a reason, a note, the name of a signal, the type of an event.
    pub(crate) note: Option<String>,
}

/// A page of what happened in `run`.
pub(crate) async fn list(
    ctx: &Context<'_>,
    reader: &mut Reader,
    page: &Page,
    run: &Run,
) -> Result<Listed<TimelineEntry>> {
    let filter = EventFilter { stream: Some(run.stream.clone()), ..EventFilter::default() };
    let found = event::index(reader, page, filter).await?;
    let deps = ctx.data::<Deps>()?;
    let positions = found.iter().map(|(position, _)| openclaw_model::Position(*position)).collect();
    let recorded = history::events_at(&*deps.history, positions).await?;
    let mut entries = Vec::with_capacity(found.len());
    for (key, event) in found {
        let told = recorded
            .get(&openclaw_model::Position(key))
            .and_then(|recorded| recorded.decode().ok())
            .ok_or_else(|| Code::Internal.error("the log does not hold an event of its index"))?;
        let Event::Run(told) = told else { continue };
        let Told { task, due, error, note } = tell(told);
        let entry = TimelineEntry {
            position: event.position,
            at: event.at,
            what: event.r#type.strip_prefix("run.").unwrap_or(&event.r#type).to_owned(),
            actor: event.actor,
            task_id: task.and_then(|task| i32::try_from(task.0).ok()),
            name: None,
            path: None,
            parent_task: None,
            kind: None,
            due: due.map(DateTime),
            error: error.map(WorkflowError::from),
            note,
        };
        entries.push((key, entry));
    }
    name(reader, run, &mut entries).await?;
    let position = reader.position().into();
    Ok(page.connect(entries, About { total_count: None, position }))
}

/// Puts the names of the tasks in.
async fn name(reader: &mut Reader, run: &Run, entries: &mut [(u64, TimelineEntry)]) -> Result<()> {
    let mut wanted: Vec<i32> = entries.iter().filter_map(|(_, entry)| entry.task_id).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut sql =
        QueryBuilder::<Sqlite>::new("SELECT task, name, path, parent, kind FROM tasks WHERE run = ");
    sql.push_bind(i64::try_from(run.key).unwrap_or(i64::MAX)).push(" AND task IN (");
    let mut list = sql.separated(", ");
    for task in wanted {
        list.push_bind(task);
    }
    sql.push(")");
    let found = rows(reader, &mut sql).await?;
    let mut tasks = HashMap::with_capacity(found.len());
    for row in &found {
        let row = Columns(row);
        tasks.insert(row.get::<i32>("task")?, row);
    }
    for (_, entry) in entries {
        let Some(row) = entry.task_id.and_then(|task| tasks.get(&task)) else { continue };
        (entry.name, entry.path) = (row.get("name")?, row.get("path")?);
        (entry.parent_task, entry.kind) = (row.get("parent")?, row.get("kind")?);
    }
    Ok(())
}

#[derive(Default)]
struct Told {
    task: Option<TaskId>,
    due: Option<Timestamp>,
    error: Option<Error>,
    note: Option<String>,
}

fn tell(event: RunEvent) -> Told {
    let of = |task| Told { task: Some(task), ..Told::default() };
    let noted = |note| Told { note, ..Told::default() };
    match event {
        RunEvent::Started(event) => {
            let note = event.fork.map(|fork| format!("forked from {} at version {}", fork.run, fork.at));
            Told { due: event.not_before, ..noted(note) }
        }
        RunEvent::Running(event) => Told { due: event.deadline, ..Told::default() },
        RunEvent::TaskStarted(event) => {
            let due = match event.work {
                openclaw_model::event::run::Work::Timer { due } => Some(due),
                _ => event.deadline,
            };
            Told { due, ..of(event.task) }
        }
        RunEvent::TaskSkipped(event) => of(event.task),
        RunEvent::TaskCompleted(event) => of(event.task),
        RunEvent::TaskFaulted(event) => Told { error: Some(event.error), ..of(event.task) },
        RunEvent::TaskCancelled(event) => {
            let reason = serde_json::to_value(event.reason).ok();
            let note = reason.and_then(|reason| reason.as_str().map(str::to_owned));
            Told { note, ..of(event.task) }
        }
        RunEvent::TaskRetried(event) => Told {
            due: Some(event.due),
            error: Some(event.error),
            note: Some(format!("attempt {}", event.attempt)),
            ..of(event.task)
        },
        RunEvent::ErrorCaught(event) => Told { error: Some(event.error), ..of(event.task) },
        RunEvent::EffectRedispatched(event) => {
            Told { note: Some(format!("dispatch {}", event.dispatch)), ..of(event.task) }
        }
        RunEvent::EffectPermitted(event) => of(event.task),
        RunEvent::EffectJudged(event) => {
            Told { note: Some(event.verdict.action.as_str().to_owned()), ..of(event.task) }
        }
        RunEvent::DataLabelled(event) => {
            let labels: Vec<&str> = event.labels.iter().map(String::as_str).collect();
            Told { note: Some(format!("labels {}", labels.join(", "))), ..of(event.task) }
        }
        RunEvent::EffectUnknown(event) => of(event.task),
        RunEvent::EffectReconciled(event) => {
            let error = match event.resolution {
                Resolution::Failed { error } => Some(error),
                _ => None,
            };
            Told { error, note: event.note, ..of(event.task) }
        }
        RunEvent::TaskHeld(event) => Told { error: Some(event.error), ..of(event.task) },
        RunEvent::Retried(event) => {
            let tasks: Vec<String> = event.tasks.iter().map(ToString::to_string).collect();
            noted(Some(format!("tasks {}", tasks.join(", "))))
        }
        RunEvent::EventEmitted(event) => Told { note: type_of(&event.event), ..of(event.task) },
        RunEvent::EventConsumed(event) => Told { note: type_of(&event.event), ..of(event.task) },
        RunEvent::ItemCompleted(event) => {
            Told { note: Some(format!("event {}", event.index)), ..of(event.task) }
        }
        RunEvent::Signalled(event) => noted(Some(event.name)),
        RunEvent::Paused(event) => noted(event.reason),
        RunEvent::CancelRequested(event) => noted(event.reason),
        RunEvent::Cancelled(event) => noted(event.reason),
        RunEvent::Faulted(event) => Told { error: Some(event.error), ..Told::default() },
        RunEvent::Resumed(_) | RunEvent::Forked(_) | RunEvent::Completed(_) => Told::default(),
    }
}

fn type_of(event: &serde_json::Value) -> Option<String> {
    event["type"].as_str().map(str::to_owned)
}
