//! Receivers of events outside.

use async_graphql::{ComplexObject, Context, Enum, Result, SimpleObject};
use openclaw_model::namespace;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{Columns, any_of, equal, keyed, reader, rows};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    fault,
    scalar::{DateTime, Json, Long, Position},
};

/// What became of an event that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::LetterState", rename_items = "lowercase")]
pub(crate) enum DeadLetterState {
    /// It stands in the list.
    Open,
    /// It was delivered after all.
    Delivered,
    /// It was dropped.
    Dropped,
}

impl DeadLetterState {
    fn name(self) -> &'static str {
        openclaw_projection::LetterState::from(self).as_str()
    }

    fn parse(text: &str) -> Option<Self> {
        openclaw_projection::LetterState::parse(text).map(Self::from)
    }
}

/// A receiver of events outside.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Webhook {
    /// Its name. That of a webhook in another namespace than `default` begins with `@NAMESPACE/`.
    pub(crate) name: String,
    /// The namespace it belongs to, whose events it is told of.
    pub(crate) namespace: String,
    /// Where events are sent.
    pub(crate) url: String,
    /// Types of CloudEvents that are sent; `*` at the end stands for any rest.
    pub(crate) types: Vec<String>,
    /// Headers that go along.
    pub(crate) headers: Json,
    /// Handle of the secret that signs them.
    pub(crate) secret: String,
    /// Who registered it.
    pub(crate) actor: String,
    /// When.
    pub(crate) registered_at: DateTime,
    /// Since when nothing is delivered any more.
    pub(crate) removed_at: Option<DateTime>,
    /// Every event up to here is done with.
    pub(crate) through: Position,
    /// How many were delivered, apart from dead letters.
    pub(crate) delivered: Long,
    /// How many dead letters are open.
    pub(crate) dead_letter_count: Long,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
    #[graphql(skip)]
    key: i64,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct DeadLetter {
    /// The log event that it was made of; `webhook.redrive` takes it.
    pub(crate) event_position: Position,
    /// What became of it.
    pub(crate) state: DeadLetterState,
    /// How often it was tried.
    pub(crate) attempts: i32,
    /// What went wrong the last time.
    pub(crate) reason: String,
    /// When it was tried first.
    pub(crate) since: DateTime,
    /// When it was given up, last.
    pub(crate) given_up_at: DateTime,
    /// When somebody asked for it to be tried again, last.
    pub(crate) redriven_at: Option<DateTime>,
    /// When it left the list.
    pub(crate) closed_at: Option<DateTime>,
    /// The CloudEvent.
    pub(crate) cloud_event: Json,
    /// Position of the event that put it into the list.
    pub(crate) position: Position,
}

#[ComplexObject]
impl Webhook {
    /// Events that could not be delivered, newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "the four arguments of a connection, a filter and an order"
    )]
    async fn dead_letters(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        state: Option<Vec<DeadLetterState>>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
    ) -> Result<Listed<DeadLetter>> {
        let page = PageArgs { first, after, last, before }.page('d', order)?;
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM dead_letters WHERE webhook = ");
        sql.push_bind(self.key);
        any_of(
            &mut sql,
            "state",
            "state",
            state.map(|all| all.into_iter().map(DeadLetterState::name).collect()),
        )?;
        page.finish(&mut sql, "key");
        let mut reader = reader(ctx).await?;
        let position = reader.position().into();
        let found = rows(&mut reader, &mut sql).await?;
        let letters = keyed(&found, letter, |one| one.position.0)?;
        Ok(page.connect(letters, About { total_count: None, position }))
    }
}

/// Conditions on webhooks; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) name: Option<String>,
    pub(crate) removed: Option<bool>,
}

/// A page of webhooks.
pub(crate) async fn list(reader: &mut Reader, page: &Page, wanted: Wanted) -> Result<Listed<Webhook>> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT w.*, s.name AS stream, s.last_position, l.text AS actor_name FROM webhooks w \
         JOIN streams s ON s.key = w.key JOIN labels l ON l.id = w.actor WHERE 1 = 1",
    );
    reader.reach().labelled(&mut sql, "s.namespace");
    equal(&mut sql, "s.name", wanted.name.map(|name| format!("webhook/{}", reader.whole(&name))));
    if let Some(removed) = wanted.removed {
        sql.push(if removed { " AND w.removed_at IS NOT NULL" } else { " AND w.removed_at IS NULL" });
    }
    page.finish(&mut sql, "w.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let webhooks = keyed(&found, webhook, |one| one.first_position.0)?;
    Ok(page.connect(webhooks, About { total_count: None, position }))
}

fn webhook(row: &SqliteRow) -> Result<Webhook> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    let name = stream.strip_prefix("webhook/").unwrap_or(stream);
    Ok(Webhook {
        namespace: namespace::of_name(name).to_owned(),
        name: name.to_owned(),
        url: row.get("url")?,
        types: serde_json::from_str(row.get("types")?)
            .map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?,
        headers: row.json("headers")?.unwrap_or_else(|| Json("{}".into())),
        secret: row.get("secret")?,
        actor: row.get("actor_name")?,
        registered_at: row.time("registered_at")?,
        removed_at: row.maybe_time("removed_at")?,
        through: row.position("through")?,
        delivered: row.long("delivered")?,
        dead_letter_count: row.long("dead")?,
        first_position: row.position("key")?,
        position: row.position("last_position")?,
        key: row.get("key")?,
    })
}

fn letter(row: &SqliteRow) -> Result<DeadLetter> {
    let row = Columns(row);
    Ok(DeadLetter {
        event_position: row.position("position")?,
        state: row.status("state", DeadLetterState::parse)?,
        attempts: row.get("attempts")?,
        reason: row.get("error")?,
        since: row.time("since")?,
        given_up_at: row.time("died_at")?,
        redriven_at: row.maybe_time("redriven_at")?,
        closed_at: row.maybe_time("closed_at")?,
        cloud_event: row.json("event")?.unwrap_or_else(|| Json("null".into())),
        position: row.position("key")?,
    })
}
