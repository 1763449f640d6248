//! What runs did to the world: the effect ledger.

use async_graphql::{Enum, Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, any_of, equal, keyed, rows,
    task::{self, Task},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    scalar::Position,
};

/// What is known of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::EffectState", rename_items = "lowercase")]
pub(crate) enum EffectState {
    /// It was decided on and dispatched.
    Intended,
    /// It was dispatched again: after a restart, or because somebody found that it had not happened.
    Redispatched,
    /// Nobody knows what became of it.
    Unknown,
    /// Somebody said what became of it.
    Reconciled,
    /// It happened.
    Succeeded,
    /// It failed.
    Failed,
    /// Its task was stopped before the outcome was there.
    Cancelled,
}

impl EffectState {
    fn name(self) -> &'static str {
        openclaw_projection::EffectState::from(self).as_str()
    }

    fn parse(text: &str) -> Option<Self> {
        openclaw_projection::EffectState::parse(text).map(Self::from)
    }
}

/// What a task does to the world.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Effect {
    /// Its idempotency key: the same for every retry and after every restart.
    pub(crate) key: String,
    /// How often it may happen: `pure`, `idempotent`, `keyed`, `queryable` or `irreversible`.
    pub(crate) class: String,
    /// What it does: `http`, `openapi`, `grpc`, `process`, `container`, `run`, `approval` or `command`.
    pub(crate) kind: String,
    /// What is known of it.
    pub(crate) state: EffectState,
    /// How often it was dispatched.
    pub(crate) dispatches: i32,
}

/// An entry of the effect ledger.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct LedgerEntry {
    /// The effect.
    pub(crate) effect: Effect,
    /// The task whose effect it is.
    pub(crate) task: Task,
    /// Position of the event that recorded the intent.
    pub(crate) position: Position,
}

/// Conditions on effects; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) state: Option<Vec<EffectState>>,
    pub(crate) kind: Option<Vec<String>>,
    pub(crate) run: Option<u64>,
}

/// A page of effects. Each state is looked up by itself and cut to the page.
pub(crate) async fn list(reader: &mut Reader, page: &Page, wanted: &Wanted) -> Result<Listed<LedgerEntry>> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT t.*, s.name AS stream, r.forked_from, r.forked FROM (");
    let states: Vec<Option<EffectState>> = match &wanted.state {
        None => vec![None],
        Some(states) => {
            let states = states.iter().enumerate().filter(|(index, one)| !states[..*index].contains(one));
            states.map(|(_, one)| Some(*one)).collect()
        }
    };
    if states.is_empty() {
        sql.push("SELECT key FROM tasks WHERE 0");
    }
    for (index, state) in states.into_iter().enumerate() {
        sql.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push("SELECT key FROM tasks WHERE effect IS NOT NULL");
        reader.reach().of_stream(&mut sql, "tasks.run");
        if let Some(state) = state {
            // The index by state leaves out what succeeded; SQLite uses it only when told that it is not wanted.
            if state != EffectState::Succeeded {
                sql.push(" AND effect <> 'succeeded'");
            }
            let column = if wanted.run.is_some() { "+effect" } else { "effect" };
            equal(&mut sql, column, Some(state.name()));
        }
        equal(&mut sql, "run", wanted.run.map(|key| i64::try_from(key).unwrap_or(i64::MAX)));
        any_of(&mut sql, "effect_kind", "kind", wanted.kind.clone())?;
        page.finish(&mut sql, "key");
        sql.push(")");
    }
    sql.push(
        ") AS p JOIN tasks t ON t.key = p.key JOIN streams s ON s.key = t.run JOIN runs r ON r.key = t.run ",
    );
    page.sort(&mut sql, "t.key");
    let (position, moment) = (reader.position().into(), reader.moment().cloned());
    let found = rows(reader, &mut sql).await?;
    let entry = |row: &SqliteRow| {
        let task = task::task(row, moment.clone())?;
        let effect = task.effect.clone().expect("the statement selects tasks with an effect");
        Ok(LedgerEntry { effect, position: task.position, task })
    };
    let entries = keyed(&found, entry, |one: &LedgerEntry| one.position.0)?;
    Ok(page.connect(entries, About { total_count: None, position }))
}

/// The effect of a task's row.
pub(crate) fn effect(row: &Columns<'_>) -> Result<Option<Effect>> {
    if row.get::<Option<&str>>("effect")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Effect {
        key: row.get("effect_key")?,
        class: row.get("effect_class")?,
        kind: row.get("effect_kind")?,
        state: row.status("effect", EffectState::parse)?,
        dispatches: row.get("dispatches")?,
    }))
}
