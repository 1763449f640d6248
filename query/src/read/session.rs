//! Conversations.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::{SessionId, StreamId, access::Need, namespace};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, TimeRange, TokenUsage, any_of, equal,
    event::{self, Event, EventFilter},
    keyed,
    message::{self, Message, MessageFilter},
    reader, rows, within,
};
use crate::{
    access::{Needs, Reader, needs},
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    fault::Code,
    scalar::{DateTime, Json, Long, Position},
};

const SELECT: &str = "SELECT c.*, s.name AS stream, s.version AS stream_version, s.last_position \
     FROM sessions c JOIN streams s ON s.key = c.key WHERE 1 = 1";

/// Keys of a session's state that one answer has at most.
const MAX_STATE: i64 = 200;

/// Whether a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::SessionStatus", rename_items = "lowercase")]
pub(crate) enum SessionStatus {
    /// It does.
    Active,
    /// It was closed.
    Ended,
}

impl SessionStatus {
    fn name(self) -> &'static str {
        openclaw_projection::SessionStatus::from(self).as_str()
    }
}

/// A conversation with a peer on a channel.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Session {
    /// Its id. That of a session in another namespace than `default` begins with `@NAMESPACE/`.
    pub(crate) id: ID,
    /// The namespace it belongs to.
    pub(crate) namespace: String,
    /// Whether it goes on.
    pub(crate) status: SessionStatus,
    /// Where the peer talks to us.
    pub(crate) channel: String,
    /// Who talks to us.
    pub(crate) peer: String,
    /// The agent that answers.
    pub(crate) agent: String,
    /// The account on the channel.
    pub(crate) account: String,
    /// When it was opened first.
    pub(crate) started_at: DateTime,
    /// When anything happened last.
    pub(crate) active_at: DateTime,
    /// When it was closed.
    pub(crate) ended_at: Option<DateTime>,
    /// Why it was closed.
    pub(crate) end_reason: Option<String>,
    /// How many messages it has.
    pub(crate) message_count: Long,
    /// What its answers cost.
    pub(crate) usage: TokenUsage,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
    /// Version of its stream.
    pub(crate) version: Long,
    #[graphql(skip)]
    pub(crate) key: u64,
    #[graphql(skip)]
    stream: String,
}

/// A key of a session's state.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct StateEntry {
    /// Which key.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: Json,
    /// Position of the event that set it.
    pub(crate) position: Position,
    /// When it was set.
    pub(crate) at: DateTime,
}

/// Conditions on sessions; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct SessionFilter {
    /// One of these.
    pub(crate) status: Option<Vec<SessionStatus>>,
    /// On this channel.
    pub(crate) channel: Option<String>,
    /// With this peer.
    pub(crate) peer: Option<String>,
    /// With this agent.
    pub(crate) agent: Option<String>,
    /// Opened in this time.
    pub(crate) started_at: Option<TimeRange>,
    /// Last active in this time.
    pub(crate) active_at: Option<TimeRange>,
}

#[ComplexObject]
impl Session {
    /// What was said, in order.
    #[expect(
        clippy::too_many_arguments,
        reason = "the four arguments of a connection, a filter and an order"
    )]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<MessageFilter>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Message>> {
        let page = PageArgs { first, after, last, before }.page('m', order)?;
        let total = filter.is_none().then_some(self.message_count);
        message::list(&mut reader(ctx).await?, &page, filter.unwrap_or_default(), Some(self.key), total).await
    }

    /// Its events.
    #[graphql(guard = "Needs(Need::Audit)", directive = needs::apply("audit".into()))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Asc")] order: SortOrder,
    ) -> Result<Listed<Event>> {
        let page = PageArgs { first, after, last, before }.page('e', order)?;
        let filter = EventFilter { stream: Some(self.stream.clone()), ..EventFilter::default() };
        event::list(ctx, &mut reader(ctx).await?, &page, filter).await
    }

    /// Its state: the first 200 keys in order, or those of `keys` that are set.
    async fn state(&self, ctx: &Context<'_>, keys: Option<Vec<String>>) -> Result<Vec<StateEntry>> {
        let mut sql =
            QueryBuilder::<Sqlite>::new("SELECT name, value, position, at FROM session_state WHERE 1 = 1");
        equal(&mut sql, "session", Some(i64::try_from(self.key).unwrap_or(i64::MAX)));
        any_of(&mut sql, "name", "keys", keys)?;
        sql.push(" ORDER BY name LIMIT ").push_bind(MAX_STATE);
        let entry = |row: &SqliteRow| {
            let row = Columns(row);
            Ok(StateEntry {
                key: row.get("name")?,
                value: row.json("value")?.unwrap_or_else(|| Json("null".into())),
                position: row.position("position")?,
                at: row.time("at")?,
            })
        };
        rows(&mut reader(ctx).await?, &mut sql).await?.iter().map(entry).collect()
    }
}

/// Stream of the session of an argument.
pub(crate) fn stream_of(reader: &Reader, id: &ID) -> Result<StreamId> {
    let id =
        SessionId::new(&reader.whole(id)).map_err(|error| Code::BadArgument.error(format!("{error}")))?;
    Ok(StreamId::session(&id))
}

/// One session by its id.
pub(crate) async fn one(reader: &mut Reader, id: &ID) -> Result<Option<Session>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "s.name", Some(stream_of(reader, id)?.as_str().to_owned()));
    reader.reach().labelled(&mut sql, "s.namespace");
    rows(reader, &mut sql).await?.first().map(session).transpose()
}

/// The session of a stream's key.
pub(crate) async fn of_key(reader: &mut Reader, key: u64) -> Result<Option<Session>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "c.key", Some(i64::try_from(key).unwrap_or(i64::MAX)));
    reader.reach().labelled(&mut sql, "s.namespace");
    rows(reader, &mut sql).await?.first().map(session).transpose()
}

/// A page of sessions.
pub(crate) async fn list(reader: &mut Reader, page: &Page, filter: SessionFilter) -> Result<Listed<Session>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    reader.reach().labelled(&mut sql, "s.namespace");
    let status = filter.status.map(|wanted| wanted.into_iter().map(SessionStatus::name).collect());
    any_of(&mut sql, "c.status", "status", status)?;
    equal(&mut sql, "c.channel", filter.channel);
    equal(&mut sql, "c.peer", filter.peer);
    equal(&mut sql, "c.agent", filter.agent);
    within(&mut sql, "c.started_at", filter.started_at);
    within(&mut sql, "c.active_at", filter.active_at);
    page.finish(&mut sql, "c.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    Ok(page.connect(keyed(&found, session, |one| one.key)?, About { total_count: None, position }))
}

fn session(row: &SqliteRow) -> Result<Session> {
    let row = Columns(row);
    let stream: String = row.get("stream")?;
    let id = stream.strip_prefix("session/").unwrap_or(&stream);
    let known = |text: &str| match text {
        "active" => Some(SessionStatus::Active),
        "ended" => Some(SessionStatus::Ended),
        _ => None,
    };
    Ok(Session {
        id: id.into(),
        namespace: namespace::of_name(id).to_owned(),
        status: row.status("status", known)?,
        channel: row.get("channel")?,
        peer: row.get("peer")?,
        agent: row.get("agent")?,
        account: row.get("account")?,
        started_at: row.time("started_at")?,
        active_at: row.time("active_at")?,
        ended_at: row.maybe_time("ended_at")?,
        end_reason: row.get("end_reason")?,
        message_count: row.long("messages")?,
        usage: TokenUsage {
            input_tokens: row.long("input_tokens")?,
            output_tokens: row.long("output_tokens")?,
        },
        first_position: row.position("key")?,
        position: row.position("last_position")?,
        version: row.long("stream_version")?,
        key: row.key("key")?,
        stream,
    })
}
