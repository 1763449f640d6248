//! Whether the read model shows what the log says: it is built anew, up to the same position, and compared row by row.

use std::{cmp::Ordering, path::Path};

use futures_util::TryStreamExt as _;
use openclaw_log::EventLog;
use openclaw_model::Position;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    TypeInfo as _, ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::{
    Failure,
    feed::Feed,
    generation::Directory,
    schema::{self, Digest},
    store::{Portion, Store},
};

/// What comparing led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no read model, or one of another program, which the next start replaces.
    Nothing,
    /// Every row is as the log says.
    Same {
        /// Up to this position.
        position: Position,
        /// How many rows.
        rows: u64,
    },
    /// A row is not.
    Different {
        /// In this table.
        table: String,
        /// Its key, which usually is the position of the event that it comes from.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Compares the read model in `views` with `log`, using a file in `scratch`, which is left behind. Nothing in `views` is
/// changed. Cost: that of a rebuild, and both files are read once.
///
/// # Errors
/// When an event cannot be shown, or a file cannot be read or written.
pub async fn compare<L: EventLog>(log: &L, views: &Path, scratch: &Path) -> Result<Comparison, Failure> {
    let failed = |error: sqlx::Error| Failure::storage(Position::START, &error);
    if !views.is_dir() {
        return Ok(Comparison::Nothing);
    }
    let directory = Directory::open(views).map_err(|error| Failure::storage(Position::START, &error))?;
    let Some(name) = directory.current().filter(|name| name.digest == Digest::current()) else {
        return Ok(Comparison::Nothing);
    };
    let mut shown = open(&directory.path(&name)).await.map_err(failed)?;
    let mut shown = shown.begin().await.map_err(failed)?;
    let position: i64 = sqlx::query_scalar("SELECT checkpoint FROM projection_status")
        .fetch_one(&mut *shown)
        .await
        .map_err(failed)?;
    let position = Position(u64::try_from(position).unwrap_or_default());
    if position > log.head().position {
        let key = log.head().position.next().to_string();
        let reason = "it shows events that the log does not have";
        return Ok(Comparison::Different { table: "events".into(), key, reason });
    }
    let built = scratch.join("compared.sqlite");
    build(log, &built, position).await?;
    let mut built = open(&built).await.map_err(failed)?;
    let mut rows = 0;
    for table in names() {
        match differ(&mut shown, &mut built, table, &mut rows).await.map_err(failed)? {
            None => {}
            Some((key, reason)) => return Ok(Comparison::Different { table: table.to_owned(), key, reason }),
        }
    }
    Ok(Comparison::Same { position, rows })
}

async fn open(path: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new().filename(path).read_only(true).pragma("cache_size", "-4096").connect().await
}

/// Builds a read model up to `until` in the file at `path`.
async fn build<L: EventLog>(log: &L, path: &Path, until: Position) -> Result<(), Failure> {
    let failed = |error: sqlx::Error| Failure::storage(Position::START, &error);
    let mut store = Store::create(path).await.map_err(failed)?;
    let mut feed = Feed::start(log.read(Position(1)), Position::START);
    while store.position() < until
        && let Some(Portion { mut events, failure }) = feed.next().await
    {
        let there = events.partition_point(|(recorded, _)| recorded.position <= until);
        let failure = failure.filter(|_| there == events.len());
        events.truncate(there);
        store.apply(Portion { events, failure }).await?;
    }
    store.complete().await?;
    store.close().await.map_err(failed)
}

/// The tables of the read model.
fn names() -> impl Iterator<Item = &'static str> {
    schema::tables().filter_map(|statement| {
        let (_, rest) = statement.split_once("CREATE TABLE ")?;
        rest.split([' ', '(']).next()
    })
}

/// The first row that only one of the two has; its key and what is wrong with it.
async fn differ(
    shown: &mut SqliteConnection,
    built: &mut SqliteConnection,
    table: &str,
    rows: &mut u64,
) -> sqlx::Result<Option<(String, &'static str)>> {
    let columns: Vec<(String, i64)> =
        sqlx::query_as(AssertSqlSafe(format!("SELECT name, pk FROM pragma_table_info('{table}')")))
            .fetch_all(&mut *built)
            .await?;
    let mut keys: Vec<&(String, i64)> = columns.iter().filter(|(_, place)| *place > 0).collect();
    keys.sort_by_key(|(_, place)| *place);
    let order = match keys.as_slice() {
        [] => "rowid".to_owned(),
        keys => keys.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
    };
    let first_key =
        keys.first().map_or(0, |(name, _)| columns.iter().position(|(of, _)| of == name).unwrap_or(0));
    let sql = format!("SELECT * FROM {table} ORDER BY {order}");
    let mut theirs = sqlx::query(AssertSqlSafe(sql.clone())).fetch(&mut *shown);
    let mut ours = sqlx::query(AssertSqlSafe(sql)).fetch(&mut *built);
    loop {
        let (one, other) = (theirs.try_next().await?, ours.try_next().await?);
        return Ok(Some(match (one, other) {
            (None, None) => return Ok(None),
            (Some(row), None) => (text(&row, first_key)?, "the log has no event for it"),
            (None, Some(row)) => (text(&row, first_key)?, "it is missing"),
            (Some(one), Some(other)) => {
                *rows += 1;
                if values(&one)? == values(&other)? {
                    continue;
                }
                let (at, expected) = (row_key(&one, first_key), row_key(&other, first_key));
                match at.cmp(&expected) {
                    Ordering::Greater => (text(&other, first_key)?, "it is missing"),
                    Ordering::Less => (text(&one, first_key)?, "the log has no event for it"),
                    Ordering::Equal => (text(&other, first_key)?, "the log says something else"),
                }
            }
        }));
    }
}

/// The values of a row, each with its type.
fn values(row: &SqliteRow) -> sqlx::Result<Vec<(String, String, Vec<u8>)>> {
    row.columns()
        .iter()
        .map(|column| {
            let value = row.try_get_raw(column.ordinal())?;
            let kind = if value.is_null() { "NULL".to_owned() } else { value.type_info().name().to_owned() };
            let bytes = match kind.as_str() {
                "NULL" => Vec::new(),
                "INTEGER" => row.try_get::<i64, _>(column.ordinal())?.to_be_bytes().to_vec(),
                "REAL" => row.try_get::<f64, _>(column.ordinal())?.to_be_bytes().to_vec(),
                "TEXT" => row.try_get::<String, _>(column.ordinal())?.into_bytes(),
                _ => row.try_get::<Vec<u8>, _>(column.ordinal())?,
            };
            Ok((column.name().to_owned(), kind, bytes))
        })
        .collect()
}

/// The first column of the key, where that is a number.
fn row_key(row: &SqliteRow, column: usize) -> Option<i64> {
    row.try_get(column).ok()
}

fn text(row: &SqliteRow, column: usize) -> sqlx::Result<String> {
    row.try_get::<i64, _>(column)
        .map(|number| number.to_string())
        .or_else(|_| row.try_get::<String, _>(column))
        .or_else(|_| row.try_get::<Vec<u8>, _>(column).map(|bytes| format!("{} bytes", bytes.len())))
}
