//! Pages of a connection: opaque cursors that never change, and the four arguments of Relay.
//!
//! A cursor holds the key of its row, which is the position of the event that created it. Keys neither change nor
//! are they used again, so a cursor stays good whatever is added, and across rebuilds.

use async_graphql::{
    Enum, Result, SimpleObject,
    connection::{Connection, CursorType, Edge},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sqlx::{QueryBuilder, Sqlite};

use crate::{
    fault::Code,
    scalar::{Long, Position},
};

/// Items of a page when the question does not say.
pub(crate) const DEFAULT_PAGE: u32 = 50;
/// Items of the largest page.
pub(crate) const MAX_PAGE: u32 = 200;

/// Which way a list runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum SortOrder {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Place of one row in the list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    kind: char,
    key: u64,
}

impl CursorType for Cursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, &'static str> {
        const ERROR: &str = "it is no cursor";
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ERROR)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| ERROR)?;
        let mut chars = text.chars();
        let kind = chars.next().ok_or(ERROR)?;
        let key = chars.as_str().parse().map_err(|_| ERROR)?;
        Ok(Self { kind, key })
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{}", self.kind, self.key))
    }
}

/// What a connection says beside its items.
#[derive(Debug, SimpleObject)]
pub(crate) struct About {
    /// How many items there are in all; null where counting them would be expensive.
    pub(crate) total_count: Option<Long>,
    /// The items show at least every event up to here.
    pub(crate) position: Position,
}

/// A page of a list.
pub(crate) type Listed<T> = Connection<Cursor, T, About>;

/// The arguments of a connection, as they came.
#[derive(Debug, Default)]
pub(crate) struct PageArgs {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    kind: char,
    order: SortOrder,
    from_end: bool,
    limit: u32,
    after: Option<u64>,
    before: Option<u64>,
}

impl PageArgs {
    /// Reads the arguments for a list whose cursors are of `kind`.
    ///
    /// # Errors
    /// `PAGE_TOO_LARGE`, `BAD_CURSOR` and `BAD_ARGUMENT`, each naming the argument.
    pub(crate) fn page(self, kind: char, order: SortOrder) -> Result<Page> {
        let from_end = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Code::BadArgument.error("`first` and `last` cannot be used together"));
            }
            (None, Some(_)) => true,
            _ => false,
        };
        let (name, size) = if from_end { ("last", self.last) } else { ("first", self.first) };
        let limit = match size.map(u32::try_from) {
            None => DEFAULT_PAGE,
            Some(Ok(size)) if size <= MAX_PAGE => size,
            Some(Ok(size)) => {
                return Err(Code::PageTooLarge
                    .error(format!("`{name}` is {size}, a page has at most {MAX_PAGE} items")));
            }
            Some(Err(_)) => return Err(Code::BadArgument.error(format!("`{name}` is negative"))),
        };
        let key = |name: &str, cursor: Option<String>| match cursor.map(|text| Cursor::decode_cursor(&text)) {
            None => Ok(None),
            Some(Ok(cursor)) if cursor.kind == kind => Ok(Some(cursor.key)),
            Some(_) => Err(Code::BadCursor.error(format!("`{name}` is not a cursor of this list"))),
        };
        let (after, before) = (key("after", self.after)?, key("before", self.before)?);
        Ok(Page { kind, order, from_end, limit, after, before })
    }
}

impl Page {
    /// How many items it has at most.
    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    /// Adds the end of a statement that selects rows by `column`, which is their key: conditions, order, limit.
    /// There is a WHERE before.
    pub(crate) fn finish(&self, sql: &mut QueryBuilder<Sqlite>, column: &str) {
        let (later, earlier) = match self.order {
            SortOrder::Asc => (">", "<"),
            SortOrder::Desc => ("<", ">"),
        };
        for (key, than) in [(self.after, later), (self.before, earlier)] {
            if let Some(key) = key {
                sql.push(format_args!(" AND {column} {than} "))
                    .push_bind(i64::try_from(key).unwrap_or(i64::MAX));
            }
        }
        self.sort(sql, column);
    }

    /// Adds the order of the rows, and the limit: one more than the page has, to know whether there are more.
    pub(crate) fn sort(&self, sql: &mut QueryBuilder<Sqlite>, column: &str) {
        let ascending = (self.order == SortOrder::Asc) != self.from_end;
        sql.push(format_args!(" ORDER BY {column} {}", if ascending { "ASC" } else { "DESC" }));
        sql.push(" LIMIT ").push_bind(i64::from(self.limit) + 1);
    }

    /// Makes the page of the selected rows, each with its key.
    pub(crate) fn connect<T: async_graphql::OutputType>(
        &self,
        mut rows: Vec<(u64, T)>,
        about: About,
    ) -> Listed<T> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        if self.from_end {
            rows.reverse();
        }
        // On the far side there is something if the page began there with a cursor, which is a row itself.
        let (previous, next) =
            if self.from_end { (more, self.before.is_some()) } else { (self.after.is_some(), more) };
        let mut connection = Connection::with_additional_fields(previous, next, about);
        let kind = self.kind;
        connection.edges.extend(rows.into_iter().map(|(key, node)| Edge::new(Cursor { kind, key }, node)));
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_refuse_other_text() {
        let cursor = Cursor { kind: 'r', key: 42 };
        assert_eq!(Cursor::decode_cursor(&cursor.encode_cursor()), Ok(cursor));
        for bad in ["", "%", "cg", "cjEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"] {
            assert!(Cursor::decode_cursor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_names_the_argument_that_is_wrong() {
        let page = |args: PageArgs| args.page('r', SortOrder::Asc).unwrap_err().message;
        let args = || PageArgs::default();
        assert!(page(PageArgs { first: Some(201), ..args() }).contains("`first` is 201"));
        assert!(page(PageArgs { last: Some(-1), ..args() }).contains("`last`"));
        assert!(page(PageArgs { first: Some(1), last: Some(1), ..args() }).contains("together"));
        let of_sessions = Cursor { kind: 's', key: 1 }.encode_cursor();
        assert!(page(PageArgs { after: Some(of_sessions), ..args() }).contains("`after`"));
    }
}
