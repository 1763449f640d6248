//! What was said in conversations.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, TimeRange, TokenUsage, any_of, equal, keyed, reader, rows,
    session::{self, Session},
    within,
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    fault::Code,
    scalar::{DateTime, Json, Long, Position},
};

const SELECT: &str =
    "SELECT m.*, s.name AS stream FROM messages m JOIN streams s ON s.key = m.session WHERE 1 = 1";

/// Characters that a text filter needs at least.
const MIN_TEXT: usize = 2;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::Direction", rename_items = "lowercase")]
pub(crate) enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
    /// What the agent's model answered.
    Agent,
}

impl Direction {
    fn name(self) -> &'static str {
        openclaw_projection::Direction::from(self).as_str()
    }
}

/// Something that was said.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Message {
    /// Position of its event, which is also its place in the conversation.
    pub(crate) position: Position,
    /// The conversation.
    pub(crate) session_id: ID,
    /// Which way it went.
    pub(crate) direction: Direction,
    /// Its id in the conversation; an answer of the model has none.
    pub(crate) message_id: Option<String>,
    /// When.
    pub(crate) at: DateTime,
    /// Its text.
    pub(crate) content: String,
    /// Descriptions of what came with it.
    pub(crate) attachments: Option<Json>,
    /// The model that wrote it.
    pub(crate) model: Option<String>,
    /// What it cost.
    pub(crate) usage: Option<TokenUsage>,
    #[graphql(skip)]
    session_key: u64,
}

/// Conditions on messages; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct MessageFilter {
    /// In this conversation.
    pub(crate) session_id: Option<ID>,
    /// One of these.
    pub(crate) direction: Option<Vec<Direction>>,
    /// With this text in it, in any case of ASCII letters; at least 2 characters.
    pub(crate) text: Option<String>,
    /// Said in this time.
    pub(crate) at: Option<TimeRange>,
}

#[ComplexObject]
impl Message {
    /// The conversation.
    async fn session(&self, ctx: &Context<'_>) -> Result<Option<Session>> {
        session::of_key(&mut reader(ctx).await?, self.session_key).await
    }
}

/// A page of messages, of one conversation or of all.
pub(crate) async fn list(
    reader: &mut Reader,
    page: &Page,
    filter: MessageFilter,
    session: Option<u64>,
    total_count: Option<Long>,
) -> Result<Listed<Message>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    reader.reach().labelled(&mut sql, "s.namespace");
    equal(&mut sql, "m.session", session.map(|key| i64::try_from(key).unwrap_or(i64::MAX)));
    if let Some(id) = &filter.session_id {
        equal(&mut sql, "s.name", Some(session::stream_of(reader, id)?.as_str().to_owned()));
    }
    let direction = filter.direction.map(|wanted| wanted.into_iter().map(Direction::name).collect());
    any_of(&mut sql, "m.direction", "direction", direction)?;
    if let Some(text) = filter.text {
        if text.chars().count() < MIN_TEXT {
            return Err(Code::BadArgument.error(format!("`text` needs at least {MIN_TEXT} characters")));
        }
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        sql.push(" AND m.content LIKE ").push_bind(format!("%{escaped}%")).push(" ESCAPE '\\'");
    }
    within(&mut sql, "m.at", filter.at);
    page.finish(&mut sql, "m.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    Ok(page.connect(keyed(&found, message, |one| one.position.0)?, About { total_count, position }))
}

fn message(row: &SqliteRow) -> Result<Message> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    let known = |text: &str| match text {
        "received" => Some(Direction::Received),
        "sent" => Some(Direction::Sent),
        "agent" => Some(Direction::Agent),
        _ => None,
    };
    let tokens = |name| Ok::<_, async_graphql::Error>(row.get::<Option<i64>>(name)?.map(Long::of));
    let usage = tokens("input_tokens")?.zip(tokens("output_tokens")?);
    Ok(Message {
        position: row.position("key")?,
        session_id: stream.strip_prefix("session/").unwrap_or(stream).into(),
        direction: row.status("direction", known)?,
        message_id: row.get("message_id")?,
        at: row.time("at")?,
        content: row.get("content")?,
        attachments: row.json("attachments")?,
        model: row.get("model")?,
        usage: usage.map(|(input_tokens, output_tokens)| TokenUsage { input_tokens, output_tokens }),
        session_key: row.key("session")?,
    })
}
