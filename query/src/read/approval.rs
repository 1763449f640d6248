//! Decisions of people.

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject};
use openclaw_model::{ApprovalId, StreamId};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, any_of, equal, keyed, reader, rows,
    run::{self, Run},
    task::{self, Task},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    fault::{self, Code},
    scalar::{DateTime, Json, Long, Position},
};

const SELECT: &str = "SELECT a.*, s.name AS stream, s.version AS stream_version, s.last_position FROM approvals a \
     JOIN streams s ON s.key = a.key WHERE 1 = 1";
/// Most names that are shown of those who may decide.
const MAX_DECIDERS: i64 = 500;

/// How an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "openclaw_projection::ApprovalState", rename_items = "lowercase")]
pub(crate) enum ApprovalState {
    /// It can be decided.
    Open,
    /// It is decided.
    Resolved,
    /// Nobody waits for it any more.
    Voided,
}

impl ApprovalState {
    fn name(self) -> &'static str {
        openclaw_projection::ApprovalState::from(self).as_str()
    }

    fn parse(text: &str) -> Option<Self> {
        openclaw_projection::ApprovalState::parse(text).map(Self::from)
    }
}

/// Something that may be chosen.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ApprovalChoice {
    /// Its name.
    pub(crate) name: String,
    /// What people see.
    pub(crate) title: Option<String>,
    /// JSON Schema of the answer that goes with it.
    pub(crate) schema: Option<Json>,
}

/// Who may decide. At most 500 names are shown.
#[derive(Clone, Debug, Default, SimpleObject)]
pub(crate) struct Deciders {
    /// People by name.
    pub(crate) assignees: Vec<String>,
    /// People by role.
    pub(crate) roles: Vec<String>,
    /// Whether everybody may.
    pub(crate) anybody: bool,
}

/// Somebody's choice.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Vote {
    /// Who.
    pub(crate) by: String,
    /// Name of the choice.
    pub(crate) choice: String,
    /// The answer that goes with it.
    pub(crate) answer: Option<Json>,
    /// In their words.
    pub(crate) comment: Option<String>,
    /// When.
    pub(crate) at: DateTime,
    /// Whether it was about something that has changed since.
    pub(crate) void: bool,
    /// Position of its event.
    pub(crate) position: Position,
}

/// A durable decision of people.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Approval {
    /// Its id.
    pub(crate) id: ID,
    /// How it stands.
    pub(crate) state: ApprovalState,
    /// The run that waits for it.
    pub(crate) run_id: ID,
    /// Ordinal of the task that waits for it.
    pub(crate) task_id: i32,
    /// What is asked, in a line.
    pub(crate) title: String,
    /// What the deciders should know.
    pub(crate) details: Option<Json>,
    /// What exactly is decided about.
    pub(crate) subject: Option<Json>,
    /// BLAKE3 of all that is decided about, hexadecimal. A decision names it.
    pub(crate) digest: String,
    /// What may be chosen.
    pub(crate) choices: Vec<ApprovalChoice>,
    /// How many have to choose the same.
    pub(crate) quorum: i32,
    /// How many have voted on what is asked now.
    pub(crate) vote_count: i32,
    /// Whether others were asked because nobody decided in time.
    pub(crate) escalated: bool,
    /// When the time to decide is over.
    pub(crate) due: Option<DateTime>,
    /// What happens then.
    pub(crate) on_deadline: Option<Json>,
    /// When it was asked, last.
    pub(crate) requested_at: DateTime,
    /// When it was decided or voided.
    pub(crate) ended_at: Option<DateTime>,
    /// What was chosen; null if it is open, voided or denied.
    pub(crate) choice: Option<String>,
    /// The answer that goes with it.
    pub(crate) answer: Option<Json>,
    /// How it was decided: `votes`, `deadline` or `no_quorum`.
    pub(crate) how: Option<String>,
    /// Why it was voided.
    pub(crate) reason: Option<String>,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
    /// Version of its stream.
    pub(crate) version: Long,
    #[graphql(skip)]
    key: i64,
    #[graphql(skip)]
    round: i32,
}

/// Conditions on approvals; all must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) state: Option<Vec<ApprovalState>>,
    pub(crate) assignee: Option<String>,
    pub(crate) role: Option<Vec<String>>,
    pub(crate) run_id: Option<ID>,
}

#[ComplexObject]
impl Approval {
    /// Who may decide.
    async fn deciders(&self, ctx: &Context<'_>) -> Result<Deciders> {
        let sql = "SELECT kind, name FROM approval_deciders WHERE approval = ?1 AND round = ?2 \
                   ORDER BY kind, name LIMIT ?3";
        let found = sqlx::query_as::<_, (String, String)>(sql)
            .bind(self.key)
            .bind(self.round)
            .bind(MAX_DECIDERS)
            .fetch_all(&mut *reader(ctx).await?)
            .await
            .map_err(fault::database)?;
        let mut deciders = Deciders::default();
        for (kind, name) in found {
            match kind.as_str() {
                "assignee" => deciders.assignees.push(name),
                "role" => deciders.roles.push(name),
                _ => deciders.anybody = true,
            }
        }
        Ok(deciders)
    }

    /// The votes, those on what was asked before among them.
    async fn votes(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Vote>> {
        let page = PageArgs { first, after, last, before }.page('v', SortOrder::Asc)?;
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM approval_votes WHERE approval = ");
        sql.push_bind(self.key);
        page.finish(&mut sql, "key");
        let mut reader = reader(ctx).await?;
        let position = reader.position().into();
        let found = rows(&mut reader, &mut sql).await?;
        let votes = keyed(&found, |row| vote(row, self.round), |one| one.position.0)?;
        Ok(page.connect(votes, About { total_count: None, position }))
    }

    /// The run that waits for it.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        run::one(&mut reader(ctx).await?, &self.run_id).await
    }

    /// The task that waits for it.
    async fn task(&self, ctx: &Context<'_>) -> Result<Option<Task>> {
        task::one(&mut reader(ctx).await?, &self.run_id, self.task_id).await
    }
}

/// The stream of the approval that an argument names.
pub(crate) fn stream_of(id: &ID) -> Result<StreamId> {
    let id: ApprovalId = id.parse().map_err(|error| Code::BadArgument.error(format!("{error}")))?;
    Ok(StreamId::approval(id))
}

/// One approval by its id.
pub(crate) async fn one(reader: &mut Reader, id: &ID) -> Result<Option<Approval>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "s.name", Some(stream_of(id)?.as_str().to_owned()));
    reader.reach().labelled(&mut sql, "s.namespace");
    rows(reader, &mut sql).await?.first().map(approval).transpose()
}

/// A page of approvals.
pub(crate) async fn list(reader: &mut Reader, page: &Page, wanted: Wanted) -> Result<Listed<Approval>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    reader.reach().labelled(&mut sql, "s.namespace");
    any_of(
        &mut sql,
        "a.state",
        "state",
        wanted.state.map(|all| all.into_iter().map(ApprovalState::name).collect()),
    )?;
    let run = wanted.run_id.as_ref().map(run::id_of).transpose()?;
    equal(&mut sql, "a.run", run.map(|id| id.0.as_bytes().to_vec()));
    if wanted.assignee.is_some() || wanted.role.is_some() {
        sql.push(
            " AND EXISTS (SELECT 1 FROM approval_deciders d WHERE d.approval = a.key AND d.round = a.round \
             AND (d.kind = 'anybody'",
        );
        if let Some(name) = wanted.assignee {
            sql.push(" OR (d.kind = 'assignee' AND d.name = ").push_bind(name).push(")");
        }
        if wanted.role.is_some() {
            sql.push(" OR (d.kind = 'role'");
            any_of(&mut sql, "d.name", "role", wanted.role)?;
            sql.push(")");
        }
        sql.push("))");
    }
    page.finish(&mut sql, "a.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let approvals = keyed(&found, approval, |one| one.first_position.0)?;
    Ok(page.connect(approvals, About { total_count: None, position }))
}

fn approval(row: &SqliteRow) -> Result<Approval> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    let choices: Vec<openclaw_model::event::approval::Choice> = serde_json::from_str(row.get("choices")?)
        .map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?;
    Ok(Approval {
        id: stream.strip_prefix("approval/").unwrap_or(stream).into(),
        state: row.status("state", ApprovalState::parse)?,
        run_id: row.uuid("run")?.unwrap_or_default().into(),
        task_id: row.get("task")?,
        title: row.get("title")?,
        details: row.json("details")?,
        subject: row.json("subject")?,
        digest: row.hex("digest")?,
        choices: choices
            .into_iter()
            .map(|choice| ApprovalChoice {
                name: choice.name,
                title: choice.title,
                schema: choice.schema.map(|schema| Json(schema.to_string().into())),
            })
            .collect(),
        quorum: row.get("quorum")?,
        vote_count: row.get("votes")?,
        escalated: row.get("escalated")?,
        due: row.maybe_time("due")?,
        on_deadline: row.json("deadline")?,
        requested_at: row.time("requested_at")?,
        ended_at: row.maybe_time("ended_at")?,
        choice: row.get("choice")?,
        answer: row.json("answer")?,
        how: row.get("how")?,
        reason: row.get("reason")?,
        first_position: row.position("key")?,
        position: row.position("last_position")?,
        version: row.long("stream_version")?,
        key: row.get("key")?,
        round: row.get("round")?,
    })
}

fn vote(row: &SqliteRow, round: i32) -> Result<Vote> {
    let row = Columns(row);
    Ok(Vote {
        by: row.get("voter")?,
        choice: row.get("choice")?,
        answer: row.json("answer")?,
        comment: row.get("comment")?,
        at: row.time("at")?,
        void: row.get::<i32>("round")? != round,
        position: row.position("key")?,
    })
}
