//! What can be read, one file per domain: the type of the schema, and the statement that fills it.

pub(crate) mod approval;
pub(crate) mod attempt;
pub(crate) mod checkpoint;
pub(crate) mod diff;
pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod freshness;
pub(crate) mod message;
pub(crate) mod moment;
pub(crate) mod policy;
pub(crate) mod published;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod stats;
pub(crate) mod task;
pub(crate) mod timeline;
pub(crate) mod wait;
pub(crate) mod webhook;
pub(crate) mod workflow;

use std::time::Duration;

use async_graphql::{Context, InputObject, Result, SimpleObject};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

pub(crate) use self::moment::reader_of;

use crate::{
    Deps,
    access::Reader,
    caller::Caller,
    fault::{self, Code},
    scalar::{DateTime, Json, Long, Position},
};

/// Longest wait for a position, in milliseconds.
const MAX_WAIT_MS: u64 = 10_000;
/// Wait for a position when the question does not say, in milliseconds.
const DEFAULT_WAIT_MS: u64 = 2_000;
/// Most values of one filter.
const MAX_VALUES: usize = 50;

/// A range of time; both ends belong to it.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub(crate) struct TimeRange {
    /// Not before.
    pub(crate) from: Option<DateTime>,
    /// Not after.
    pub(crate) to: Option<DateTime>,
}

/// Tokens read and written by models.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub(crate) struct TokenUsage {
    /// Tokens of prompts.
    pub(crate) input_tokens: Long,
    /// Tokens of answers.
    pub(crate) output_tokens: Long,
}

/// A connection for one field, after the view has reached `min_position`.
pub(crate) async fn reader_at(
    ctx: &Context<'_>,
    min_position: Option<Position>,
    timeout_ms: Option<Long>,
) -> Result<Reader> {
    wait_for(ctx, min_position, timeout_ms).await?;
    reader(ctx).await
}

/// Waits until the view has reached `min_position`.
pub(crate) async fn wait_for(
    ctx: &Context<'_>,
    min_position: Option<Position>,
    timeout_ms: Option<Long>,
) -> Result<()> {
    let wait = timeout_ms.map_or(DEFAULT_WAIT_MS, |wait| wait.0);
    if wait > MAX_WAIT_MS {
        return Err(
            Code::BadArgument.error(format!("`timeoutMs` is {wait}, at most {MAX_WAIT_MS} is allowed"))
        );
    }
    if let Some(wanted) = min_position {
        let views = &ctx.data::<Deps>()?.views;
        views
            .reach(wanted.into(), Duration::from_millis(wait))
            .await
            .map_err(|error| fault::stale(&error))?;
    }
    Ok(())
}

/// A connection for one field.
pub(crate) async fn reader(ctx: &Context<'_>) -> Result<Reader> {
    let rows = ctx.data::<Deps>()?.views.reader().await.map_err(|error| fault::unavailable(&error))?;
    Ok(Reader::new(rows, ctx.data::<Caller>()?.grants.clone()))
}

/// Adds `AND column IN (...)` if there are values.
pub(crate) fn any_of<T>(
    sql: &mut QueryBuilder<Sqlite>,
    column: &str,
    name: &str,
    values: Option<Vec<T>>,
) -> Result<()>
where
    T: for<'q> sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite>,
{
    let Some(values) = values else { return Ok(()) };
    if values.len() > MAX_VALUES {
        let message = format!("`{name}` has {} values, at most {MAX_VALUES} are allowed", values.len());
        return Err(Code::BadArgument.error(message));
    }
    sql.push(format_args!(" AND {column} IN ("));
    let mut list = sql.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    sql.push(")");
    Ok(())
}

/// Adds `AND column = value` if there is a value.
pub(crate) fn equal<T>(sql: &mut QueryBuilder<Sqlite>, column: &str, value: Option<T>)
where
    T: for<'q> sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite>,
{
    if let Some(value) = value {
        sql.push(format_args!(" AND {column} = ")).push_bind(value);
    }
}

/// Adds the conditions of a range of time.
pub(crate) fn within(sql: &mut QueryBuilder<Sqlite>, column: &str, range: Option<TimeRange>) {
    let range = range.unwrap_or_default();
    for (bound, than) in [(range.from, ">="), (range.to, "<=")] {
        if let Some(bound) = bound {
            sql.push(format_args!(" AND {column} {than} ")).push_bind(bound.0.as_micros());
        }
    }
}

/// Runs a statement to its end.
pub(crate) async fn rows(reader: &mut Reader, sql: &mut QueryBuilder<Sqlite>) -> Result<Vec<SqliteRow>> {
    sql.build().fetch_all(&mut **reader).await.map_err(fault::database)
}

/// The rows as what they are, each with its key.
pub(crate) fn keyed<T>(
    rows: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T>,
    key: impl Fn(&T) -> u64,
) -> Result<Vec<(u64, T)>> {
    rows.iter().map(read).map(|one| one.map(|one| (key(&one), one))).collect()
}

/// Reads columns by name; a column of another type is an internal error.
pub(crate) struct Columns<'r>(pub(crate) &'r SqliteRow);

impl Columns<'_> {
    pub(crate) fn get<'r, T>(&'r self, name: &str) -> Result<T>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    {
        self.0.try_get(name).map_err(fault::database)
    }

    pub(crate) fn key(&self, name: &str) -> Result<u64> {
        Ok(u64::try_from(self.get::<i64>(name)?).unwrap_or_default())
    }

    pub(crate) fn position(&self, name: &str) -> Result<Position> {
        self.key(name).map(Position)
    }

    pub(crate) fn long(&self, name: &str) -> Result<Long> {
        self.get(name).map(Long::of)
    }

    pub(crate) fn time(&self, name: &str) -> Result<DateTime> {
        self.get(name).map(DateTime::of)
    }

    pub(crate) fn maybe_time(&self, name: &str) -> Result<Option<DateTime>> {
        Ok(self.get::<Option<i64>>(name)?.map(DateTime::of))
    }

    pub(crate) fn json(&self, name: &str) -> Result<Option<Json>> {
        Ok(self.get::<Option<String>>(name)?.map(|text| Json(text.into())))
    }

    pub(crate) fn uuid(&self, name: &str) -> Result<Option<String>> {
        let bytes: Option<&[u8]> = self.get(name)?;
        bytes
            .map(|bytes| uuid::Uuid::from_slice(bytes).map(|id| id.to_string()))
            .transpose()
            .map_err(|error| fault::database(sqlx::Error::Decode(error.into())))
    }

    pub(crate) fn hex(&self, name: &str) -> Result<String> {
        let bytes: &[u8] = self.get(name)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The status of this name; one that is unknown is an internal error.
    pub(crate) fn status<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        parse(self.get(name)?)
            .ok_or_else(|| fault::database(sqlx::Error::Decode(format!("{name} is unknown").into())))
    }
}

/// Milliseconds between two columns of time.
pub(crate) fn duration(started: DateTime, ended: Option<DateTime>) -> Option<Long> {
    ended.map(|ended| Long(ended.0.millis_since(started.0)))
}
