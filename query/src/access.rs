//! What a caller has to be allowed for a field, and which rows it sees then.
//!
//! Each field that is asked first - those of `Query` and `Subscription`, and connections to the audit log - says what it
//! needs by a guard and, for the reader of the schema, by the directive `@needs`; a test walks the schema and holds one
//! against the other. Which namespaces a caller looks into is part of every statement ([`Reader::reach`]), so that no row
//! of another one is read, counted or paged over.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use async_graphql::{Context, Guard, Result, TypeDirective};
use openclaw_model::{
    Position,
    access::{Grants, Namespaces, Need},
    namespace,
};
use openclaw_projection::Moment;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::{caller::Caller, fault::Code};

/// Says what a caller has to be allowed, for example `query` or `audit`; `nothing` is for everybody who is known.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn needs(scope: String) {}

/// Refuses callers who are not allowed `0` in any namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs(pub(crate) Need);

impl Guard for Needs {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        if ctx.data::<Caller>()?.grants.allow_somewhere(self.0) {
            return Ok(());
        }
        Err(Code::Forbidden.error(format!("this field needs `{}`", self.0)))
    }
}

/// The namespaces that a caller looks into.
#[derive(Clone, Debug)]
pub(crate) struct Reach(Namespaces);

impl Reach {
    pub(crate) fn new(grants: &Grants, need: Need) -> Self {
        Self(grants.namespaces(need))
    }

    /// Whether it is everywhere, so that nothing has to be left out.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.0 == Namespaces::All
    }

    /// Whether something of this namespace is seen; of none, if it belongs to the server as a whole.
    pub(crate) fn sees(&self, namespace: Option<&str>) -> bool {
        namespace.map_or_else(|| self.is_everywhere(), |namespace| self.0.contains(namespace))
    }

    /// Adds `AND column IN (...)` for a column with the name of a namespace.
    pub(crate) fn named(&self, sql: &mut QueryBuilder<Sqlite>, column: &str) {
        if let Namespaces::Only(some) = &self.0 {
            sql.push(format_args!(" AND {column} IN "));
            list(sql, some.iter());
        }
    }

    /// Adds the same for a column with its label.
    pub(crate) fn labelled(&self, sql: &mut QueryBuilder<Sqlite>, column: &str) {
        if let Namespaces::Only(some) = &self.0 {
            sql.push(format_args!(" AND {column} IN (SELECT id FROM labels WHERE text IN "));
            list(sql, some.iter());
            sql.push(")");
        }
    }

    /// Adds the same for a column with the key of a stream.
    pub(crate) fn of_stream(&self, sql: &mut QueryBuilder<Sqlite>, column: &str) {
        if !self.is_everywhere() {
            sql.push(format_args!(" AND EXISTS (SELECT 1 FROM streams home WHERE home.key = {column}"));
            self.labelled(sql, "home.namespace");
            sql.push(")");
        }
    }
}

fn list<'a>(sql: &mut QueryBuilder<Sqlite>, some: impl Iterator<Item = &'a String>) {
    sql.push("(");
    let mut list = sql.separated(", ");
    for namespace in some {
        list.push_bind(namespace.clone());
    }
    sql.push(")");
}

/// A connection to the rows, in the hands of a caller.
#[derive(Debug)]
pub(crate) struct Reader {
    rows: openclaw_projection::Reader,
    grants: Arc<Grants>,
}

impl Reader {
    pub(crate) const fn new(rows: openclaw_projection::Reader, grants: Arc<Grants>) -> Self {
        Self { rows, grants }
    }

    /// What is read shows at least every event up to here.
    pub(crate) const fn position(&self) -> Position {
        self.rows.position()
    }

    /// The moment it reads; none if it reads what is so now.
    pub(crate) const fn moment(&self) -> Option<&Moment> {
        self.rows.moment()
    }

    /// The namespaces that the caller reads as usual.
    pub(crate) fn reach(&self) -> Reach {
        Reach::new(&self.grants, Need::Query)
    }

    /// The namespaces of which the caller reads the audit log.
    pub(crate) fn audit(&self) -> Reach {
        Reach::new(&self.grants, Need::Audit)
    }

    /// The whole name of what the caller calls `name`: who sees only one namespace need not name it.
    pub(crate) fn whole(&self, name: &str) -> String {
        match (namespace::split(name), self.reach().0) {
            ((None, _), Namespaces::Only(some)) if some.len() == 1 => {
                some.iter().map(|only| namespace::qualify(only, name)).collect()
            }
            _ => name.to_owned(),
        }
    }
}

impl Deref for Reader {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.rows
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.rows
    }
}
