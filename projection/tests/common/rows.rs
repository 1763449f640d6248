//! The rows of a read model, for comparison.

use openclaw_projection::{Reader, Status, Views};

use super::PATIENCE;

/// Waits until the worker has nothing more to do and returns its status.
pub(crate) async fn settled(views: &Views) -> Status {
    let mut news = views.watch();
    let done = news.wait_for(|progress| matches!(progress.status, Status::Fresh | Status::Failed(_)));
    tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap().status.clone()
}

/// The whole content, as one line per row, of every table.
pub(crate) async fn dump(views: &Views) -> Vec<String> {
    let mut reader = views.reader().await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .fetch_all(&mut *reader)
            .await
            .unwrap();
    assert!(tables.len() >= 21, "{tables:?}");
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    dump_tables(&mut reader, &tables, |_| "1 = 1".to_owned(), &[]).await
}

/// The rows of `tables` that meet a condition, as one line per row, without some columns.
pub(crate) async fn dump_tables(
    reader: &mut Reader,
    tables: &[&str],
    condition: impl Fn(&str) -> String,
    without: &[&str],
) -> Vec<String> {
    let mut lines = Vec::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1)")
            .bind(table)
            .fetch_all(&mut **reader)
            .await
            .unwrap();
        let columns = columns.iter().filter(|name| !without.contains(&name.as_str()));
        let row = columns.map(|name| format!("quote({name})")).collect::<Vec<_>>().join("|| ',' ||");
        let sql = format!("SELECT {row} FROM {table} WHERE {} ORDER BY 1", condition(table));
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut **reader).await.unwrap();
        lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    lines
}
