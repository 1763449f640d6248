//! Many rows in one statement. SQLite spends most of a small statement outside of it.

use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type, sqlite::SqliteArguments};

/// Rows per statement, largest first. Each size is one cached statement; whatever number of rows there is, at most
/// a few statements of the smaller sizes follow those of the largest.
const SIZES: [usize; 4] = [128, 32, 8, 1];

/// A statement with a list of rows in it: `head VALUES (?,?),(?,?) tail`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bulk {
    pub(super) head: &'static str,
    pub(super) columns: usize,
    pub(super) tail: &'static str,
}

/// The values of one or more rows, in column order.
#[derive(Debug, Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    pub(super) fn push<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        self.0.add(value).expect("integers, text and blobs always encode");
        self
    }
}

impl Bulk {
    /// Executes the statement for all `rows`. Returns how many rows of the table it changed.
    pub(super) async fn execute<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: impl ExactSizeIterator<Item = T>,
        push: impl Fn(&mut Values, T),
    ) -> sqlx::Result<u64> {
        let mut left = rows.len();
        let mut rows = rows;
        let mut changed = 0;
        for size in SIZES {
            let sql = (left >= size).then(|| self.sql(size));
            while left >= size {
                let mut values = Values::default();
                values.0.reserve(size * self.columns, 0);
                rows.by_ref().take(size).for_each(|row| push(&mut values, row));
                debug_assert_eq!(values.0.len(), size * self.columns, "{}", self.head);
                let sql = sql.clone().expect("made above for this size");
                changed += sqlx::query_with(AssertSqlSafe(sql), values.0)
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
                left -= size;
            }
        }
        Ok(changed)
    }

    fn sql(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        format!("{} VALUES {} {}", self.head, vec![row.as_str(); rows].join(","), self.tail)
    }
}
