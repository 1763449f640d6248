//! The audit log: its index is in the read model, its data in the log itself.

use async_graphql::{Context, ID, InputObject, Result, SimpleObject};
use futures_util::StreamExt as _;
use openclaw_model::{Recorded, StreamId, access::Need};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Columns, keyed, rows, run::FIRST};
use crate::{
    Deps,
    access::{Reach, Reader},
    cursor::{About, Listed, Page},
    fault::{self, Code},
    history::{self, History},
    homes::Onlooker,
    scalar::{DateTime, Json, Long, Position},
};

/// Most types of one filter: there are not many more.
const MAX_TYPES: usize = 30;

/// Something that happened, for ever.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Event {
    /// Its unique id.
    pub(crate) id: ID,
    /// Its place in the log.
    pub(crate) position: Position,
    /// What it happened to: `kind/name`.
    pub(crate) stream: String,
    /// Its place in that stream, from 1.
    pub(crate) version: Long,
    /// What happened, for example `run.started`.
    pub(crate) r#type: String,
    /// Schema number of its data.
    pub(crate) schema: i32,
    /// When.
    pub(crate) at: DateTime,
    /// Who caused it.
    pub(crate) actor: String,
    /// The command that led to it; all events of one command share it.
    pub(crate) command: ID,
    /// The event that led to it.
    pub(crate) causation: Option<ID>,
    /// Common to everything that one request set off.
    pub(crate) correlation: Option<ID>,
    /// Its data, as the log holds it.
    pub(crate) data: Json,
}

/// Conditions on events; all must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct EventFilter {
    /// Of this stream, `kind/name`.
    pub(crate) stream: Option<String>,
    /// One of these types.
    pub(crate) r#type: Option<Vec<String>>,
    /// Caused by this actor.
    pub(crate) actor: Option<String>,
    /// Set off by the request of this id.
    pub(crate) correlation: Option<ID>,
}

/// A filter whose values make sense.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    stream: Option<StreamId>,
    types: Option<Vec<String>>,
    actor: Option<String>,
    correlation: Option<Uuid>,
}

impl EventFilter {
    /// Reads the values.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` naming the field.
    pub(crate) fn wanted(self) -> Result<Wanted> {
        let stream = self.stream.map(|stream| stream.parse().map_err(|error| format!("`stream`: {error}")));
        let correlation = self
            .correlation
            .map(|id| id.parse::<Uuid>().map_err(|_| "`correlation` is not a UUID".to_owned()));
        let (stream, correlation) = match (stream.transpose(), correlation.transpose()) {
            (Ok(stream), Ok(correlation)) => (stream, correlation),
            (Err(reason), _) | (_, Err(reason)) => return Err(Code::BadArgument.error(reason)),
        };
        if self.r#type.as_ref().is_some_and(|types| types.len() > MAX_TYPES) {
            return Err(Code::BadArgument.error(format!("`type` has more than {MAX_TYPES} values")));
        }
        let mut types = self.r#type;
        if let Some(types) = &mut types {
            types.sort_unstable();
            types.dedup();
        }
        Ok(Wanted { stream, types, actor: self.actor, correlation })
    }
}

impl Wanted {
    /// Whether an event of the log is wanted.
    pub(crate) fn matches(&self, recorded: &Recorded) -> bool {
        self.stream.as_ref().is_none_or(|stream| *stream == recorded.stream)
            && self.types.as_ref().is_none_or(|types| types.iter().any(|one| *one == recorded.event_type))
            && self.actor.as_ref().is_none_or(|actor| *actor == recorded.actor.0)
            && self.correlation.is_none_or(|id| recorded.causality.correlation == Some(id))
    }

    fn is_empty(&self) -> bool {
        self.types.is_none() && self.actor.is_none() && self.correlation.is_none()
    }
}

/// A range of positions; both ends belong to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    pub(crate) from: Option<Position>,
    pub(crate) to: Option<Position>,
}

/// A page of events.
pub(crate) async fn list(
    ctx: &Context<'_>,
    reader: &mut Reader,
    page: &Page,
    filter: EventFilter,
) -> Result<Listed<Event>> {
    list_within(ctx, reader, page, filter, Range::default()).await
}

/// A page of the index: events without their data.
pub(crate) async fn index(
    reader: &mut Reader,
    page: &Page,
    filter: EventFilter,
) -> Result<Vec<(u64, Event)>> {
    // Of a stream that the caller sees anyway.
    let mut sql = select(page, &filter.wanted()?, Range::default(), &reader.reach());
    let found = rows(reader, &mut sql).await?;
    keyed(&found, event, |event| event.position.0)
}

/// A page of the events in a range.
pub(crate) async fn list_within(
    ctx: &Context<'_>,
    reader: &mut Reader,
    page: &Page,
    filter: EventFilter,
    range: Range,
) -> Result<Listed<Event>> {
    let wanted = filter.wanted()?;
    let position = reader.position();
    let audit = reader.audit();
    let total_count = if range.from.is_some() || range.to.is_some() || !wanted.is_empty() {
        None
    } else if let Some(stream) = &wanted.stream {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT version FROM streams WHERE name = ");
        sql.push_bind(stream.as_str().to_owned());
        audit.labelled(&mut sql, "namespace");
        let version = sql.build_query_scalar().fetch_optional(&mut **reader).await;
        Some(version.map_err(fault::database)?.map_or(Long(0), Long::of))
    } else {
        audit.is_everywhere().then_some(Long(position.0))
    };

    let mut sql = select(page, &wanted, range, &audit);
    let found = rows(reader, &mut sql).await?;
    let mut events = keyed(&found, event, |event| event.position.0)?;
    if wants_data(ctx) {
        let deps = ctx.data::<Deps>()?;
        let positions = events.iter().map(|(position, _)| openclaw_model::Position(*position)).collect();
        let mut recorded = history::events_at(&*deps.history, positions).await?;
        for (position, event) in &mut events {
            let recorded = recorded.remove(&openclaw_model::Position(*position)).ok_or_else(|| {
                tracing::error!(position, "the audit index names an event that the log does not hold");
                Code::Internal.error("the log does not hold an event of its index")
            })?;
            event.data = data(&recorded);
        }
    }
    Ok(page.connect(events, About { total_count, position: position.into() }))
}

fn wants_data(ctx: &Context<'_>) -> bool {
    let look = ctx.look_ahead();
    look.field("nodes").field("data").exists() || look.field("edges").field("node").field("data").exists()
}

/// One index drives the search: that of the stream, else of the correlation, else of the type, else of the actor.
/// A plus before a column keeps SQLite, which knows nothing of how often a value occurs, from choosing another.
///
/// Where types drive, each is looked up by itself and cut to the page: one scan of an index per type is bounded
/// where a scan for several at once is not.
fn select(page: &Page, wanted: &Wanted, range: Range, reach: &Reach) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "SELECT e.position, s.name AS stream, e.version, t.text AS type, e.schema, e.at, a.text AS actor, e.id, \
         e.command, e.causation, e.correlation FROM (",
    );
    let narrow = wanted.stream.is_some() || wanted.correlation.is_some();
    let types = wanted.types.as_deref();
    let branches: Vec<Option<&[String]>> = match types {
        Some(types) if !narrow => types.chunks(1).map(Some).collect(),
        _ => vec![types],
    };
    if branches.is_empty() {
        sql.push("SELECT position FROM events WHERE 0");
    }
    for (index, types) in branches.into_iter().enumerate() {
        sql.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push("SELECT position FROM events WHERE 1 = 1");
        reach.of_stream(&mut sql, "events.stream");
        if let Some(stream) = &wanted.stream {
            sql.push(" AND stream = (SELECT key FROM streams WHERE name = ");
            sql.push_bind(stream.as_str().to_owned()).push(")");
        }
        if let Some(id) = wanted.correlation {
            sql.push(if wanted.stream.is_some() { " AND +correlation = " } else { " AND correlation = " });
            sql.push_bind(id.as_bytes().to_vec());
        }
        if let Some(types) = types {
            sql.push(if narrow { " AND +type" } else { " AND type" });
            // One value by `=`, so that the index gives the page in order.
            sql.push(if types.len() == 1 { " = " } else { " IN " });
            sql.push("(SELECT id FROM labels WHERE text IN (");
            let mut list = sql.separated(", ");
            for one in types {
                list.push_bind(one.clone());
            }
            sql.push("))");
        }
        if let Some(actor) = &wanted.actor {
            sql.push(if narrow || types.is_some() { " AND +actor = " } else { " AND actor = " });
            sql.push("(SELECT id FROM labels WHERE text = ").push_bind(actor.clone()).push(")");
        }
        for (bound, than) in [(range.from, ">="), (range.to, "<=")] {
            if let Some(bound) = bound {
                sql.push(format_args!(" AND position {than} "));
                sql.push_bind(i64::try_from(bound.0).unwrap_or(i64::MAX));
            }
        }
        page.finish(&mut sql, "position");
        sql.push(")");
    }
    sql.push(
        ") AS p JOIN events e ON e.position = p.position JOIN streams s ON s.key = e.stream \
         JOIN labels t ON t.id = e.type JOIN labels a ON a.id = e.actor ",
    );
    page.sort(&mut sql, "e.position");
    sql
}

/// The event at `position`; none beyond the head, and none that the caller does not see.
pub(crate) async fn one(onlooker: &Onlooker, position: Position) -> Result<Option<Event>> {
    let position = openclaw_model::Position(position.0);
    let found = history::events_at(&*onlooker.deps.history, vec![position]).await?.remove(&position);
    match found {
        Some(recorded) if onlooker.sees(Need::Audit, &recorded.stream).await? => {
            Ok(Some(of_recorded(&recorded)))
        }
        _ => Ok(None),
    }
}

/// The first event of a stream.
pub(crate) async fn first_of(history: &dyn History, stream: &str) -> Result<Option<Recorded>> {
    let Ok(stream) = stream.parse() else { return Ok(None) };
    match history.read_stream(&stream, FIRST).next().await {
        Some(Ok(batch)) => Ok(batch.first().cloned()),
        Some(Err(error)) => Err(fault::log(&error)),
        None => Ok(None),
    }
}

/// An event as the log holds it.
pub(crate) fn of_recorded(recorded: &Recorded) -> Event {
    Event {
        id: recorded.id.to_string().into(),
        position: recorded.position.into(),
        stream: recorded.stream.to_string(),
        version: Long(recorded.version.0),
        r#type: recorded.event_type.to_string(),
        schema: recorded.schema.into(),
        at: DateTime(recorded.at),
        actor: recorded.actor.0.to_string(),
        command: recorded.command.to_string().into(),
        causation: recorded.causality.causation.map(|id| id.to_string().into()),
        correlation: recorded.causality.correlation.map(|id| id.to_string().into()),
        data: data(recorded),
    }
}

fn data(recorded: &Recorded) -> Json {
    Json(String::from_utf8_lossy(&recorded.data).into())
}

fn event(row: &SqliteRow) -> Result<Event> {
    let row = Columns(row);
    Ok(Event {
        id: row.uuid("id")?.unwrap_or_default().into(),
        position: row.position("position")?,
        stream: row.get("stream")?,
        version: row.long("version")?,
        r#type: row.get("type")?,
        schema: row.get("schema")?,
        at: row.time("at")?,
        actor: row.get("actor")?,
        command: row.hex("command")?.into(),
        causation: row.uuid("causation")?.map(ID::from),
        correlation: row.uuid("correlation")?.map(ID::from),
        // Put in from the log when it is asked for.
        data: Json("null".into()),
    })
}
