//! Failed attempts of `try` tasks.

use async_graphql::{Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, keyed, rows,
    run::{self, WorkflowError},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    scalar::{DateTime, Position},
};

/// An attempt of a `try` that failed.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Attempt {
    /// Which, from 1.
    pub(crate) attempt: i32,
    /// When it failed.
    pub(crate) failed_at: DateTime,
    /// With what.
    pub(crate) error: Option<WorkflowError>,
    /// When the next attempt is due; null if there is none.
    pub(crate) next: Option<DateTime>,
    /// Position of the event that tells of it.
    pub(crate) position: Position,
}

/// A page of the failed attempts of a task.
pub(crate) async fn list(reader: &mut Reader, page: &Page, task: u64) -> Result<Listed<Attempt>> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM attempts WHERE task = ");
    sql.push_bind(i64::try_from(task).unwrap_or(i64::MAX));
    page.finish(&mut sql, "key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let attempts = keyed(&found, attempt, |one| one.position.0)?;
    Ok(page.connect(attempts, About { total_count: None, position }))
}

fn attempt(row: &SqliteRow) -> Result<Attempt> {
    let row = Columns(row);
    Ok(Attempt {
        attempt: row.get("attempt")?,
        failed_at: row.time("failed_at")?,
        error: run::error(&row)?,
        next: row.maybe_time("next")?,
        position: row.position("key")?,
    })
}
