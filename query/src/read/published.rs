//! CloudEvents that somebody outside published or that runs emitted.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use openclaw_model::StreamId;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, any_of, equal, keyed, reader, rows,
    run::{self, Run},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    scalar::{DateTime, Json, Position},
};

/// A CloudEvent that somebody outside published or that a run emitted.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct PublishedEvent {
    /// Its `id`, unique for its source.
    pub(crate) id: String,
    /// Its `source`.
    pub(crate) source: String,
    /// The namespace it was published in; nobody outside heard it.
    pub(crate) namespace: String,
    /// Its `type`.
    pub(crate) r#type: String,
    /// When it came into the log.
    pub(crate) at: DateTime,
    /// Who published it.
    pub(crate) actor: String,
    /// Ordinal of the task that emitted it.
    pub(crate) task_id: Option<i32>,
    /// The whole CloudEvent.
    pub(crate) cloud_event: Json,
    /// Position of the event that tells of it.
    pub(crate) position: Position,
    #[graphql(skip)]
    run_key: Option<u64>,
}

#[ComplexObject]
impl PublishedEvent {
    /// The run that emitted it.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        match self.run_key {
            Some(key) => run::of_key(&mut reader(ctx).await?, key).await,
            None => Ok(None),
        }
    }
}

/// Conditions on published events; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) r#type: Option<Vec<String>>,
    pub(crate) source: Option<String>,
    pub(crate) run_id: Option<ID>,
}

/// A page of published events.
pub(crate) async fn list(reader: &mut Reader, page: &Page, wanted: Wanted) -> Result<Listed<PublishedEvent>> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT p.*, l.text AS actor_name, n.text AS namespace FROM published_events p \
         JOIN labels l ON l.id = p.actor JOIN streams s ON s.key = coalesce(p.run, p.key) \
         JOIN labels n ON n.id = s.namespace WHERE 1 = 1",
    );
    reader.reach().labelled(&mut sql, "s.namespace");
    any_of(&mut sql, "p.type", "type", wanted.r#type)?;
    equal(&mut sql, "p.source", wanted.source);
    if let Some(id) = &wanted.run_id {
        let stream = StreamId::run(run::id_of(id)?).as_str().to_owned();
        sql.push(" AND p.run = (SELECT key FROM streams WHERE name = ").push_bind(stream).push(")");
    }
    page.finish(&mut sql, "p.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let events = keyed(&found, event, |one| one.position.0)?;
    Ok(page.connect(events, About { total_count: None, position }))
}

fn event(row: &SqliteRow) -> Result<PublishedEvent> {
    let row = Columns(row);
    Ok(PublishedEvent {
        id: row.get("id")?,
        source: row.get("source")?,
        namespace: row.get("namespace")?,
        r#type: row.get("type")?,
        at: row.time("at")?,
        actor: row.get("actor_name")?,
        task_id: row.get("task")?,
        cloud_event: row.json("event")?.unwrap_or_else(|| Json("null".into())),
        position: row.position("key")?,
        run_key: row.get::<Option<i64>>("run")?.map(i64::unsigned_abs),
    })
}
