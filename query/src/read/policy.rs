//! Tool policies, and what they said about the effects of runs.

use async_graphql::{Enum, ID, InputObject, Result, SimpleObject};
use openclaw_model::StreamId;
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{Columns, TimeRange, any_of, equal, keyed, rows, run, within};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page},
    fault,
    scalar::{DateTime, Json, Long, Position},
};

/// What a policy does about the use of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(rename_items = "lowercase")]
pub(crate) enum PolicyAction {
    /// It happens.
    Allow,
    /// People decide.
    Ask,
    /// It does not happen.
    Deny,
}

impl PolicyAction {
    const ALL: [(Self, &'static str); 3] = [(Self::Allow, "allow"), (Self::Ask, "ask"), (Self::Deny, "deny")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("deny", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(one, _)| *one)
    }
}

/// The tool policy of a namespace.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Policy {
    /// The namespace; `*` for the policy that counts everywhere.
    pub(crate) namespace: String,
    /// Version of its newest rules.
    pub(crate) version: Long,
    /// BLAKE3 over the canonical bytes of the document, hexadecimal.
    pub(crate) digest: String,
    /// The rules.
    pub(crate) document: Json,
    /// Who changed it last.
    pub(crate) actor: String,
    /// When.
    pub(crate) changed_at: DateTime,
    /// Since when it counts no more.
    pub(crate) removed_at: Option<DateTime>,
    /// Position of its first event.
    pub(crate) first_position: Position,
    /// Position of its newest event.
    pub(crate) position: Position,
}

/// What the policies said about one use of a tool.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Decision {
    /// What they said.
    pub(crate) action: PolicyAction,
    /// The tool, for example `http`.
    pub(crate) tool: String,
    /// Namespace of the policy that decided.
    pub(crate) policy: String,
    /// Its version.
    pub(crate) version: Long,
    /// The rule that decided; null if it was the policy's default.
    pub(crate) rule: Option<String>,
    /// Labels of the data that had reached the run.
    pub(crate) labels: Vec<String>,
    /// The run.
    pub(crate) run_id: ID,
    /// Ordinal of the task in the run.
    pub(crate) task: i32,
    /// Name of the task.
    pub(crate) task_name: String,
    /// When.
    pub(crate) at: DateTime,
    /// Position of the event that it is recorded in.
    pub(crate) position: Position,
}

/// Conditions on decisions; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct DecisionFilter {
    /// One of these.
    pub(crate) action: Option<Vec<PolicyAction>>,
    /// One of these tools.
    pub(crate) tool: Option<Vec<String>>,
    /// By the policy of this namespace.
    pub(crate) policy: Option<String>,
    /// By the rule of this name.
    pub(crate) rule: Option<String>,
    /// Where data with this label had reached the run.
    pub(crate) label: Option<String>,
    /// Of this run.
    pub(crate) run_id: Option<ID>,
    /// In this time.
    pub(crate) at: Option<TimeRange>,
}

/// A page of policies.
pub(crate) async fn policies(
    reader: &mut Reader,
    page: &Page,
    removed: Option<bool>,
) -> Result<Listed<Policy>> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT p.*, s.name AS stream, s.last_position, l.text AS actor_name FROM policies p \
         JOIN streams s ON s.key = p.key JOIN labels l ON l.id = p.actor WHERE 1 = 1",
    );
    reader.audit().labelled(&mut sql, "s.namespace");
    if let Some(removed) = removed {
        sql.push(if removed { " AND p.removed_at IS NOT NULL" } else { " AND p.removed_at IS NULL" });
    }
    page.finish(&mut sql, "p.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let policies = keyed(&found, policy, |one| one.first_position.0)?;
    Ok(page.connect(policies, About { total_count: None, position }))
}

/// Selects decisions as [`decision`] reads them.
const DECISIONS: &str = "SELECT d.*, s.name AS stream, t.task AS ordinal, t.name AS task_name FROM decisions d \
     JOIN streams s ON s.key = d.run JOIN tasks t ON t.key = d.task WHERE 1 = 1";

/// A page of decisions.
pub(crate) async fn decisions(
    reader: &mut Reader,
    page: &Page,
    filter: DecisionFilter,
) -> Result<Listed<Decision>> {
    let mut sql = QueryBuilder::<Sqlite>::new(DECISIONS);
    reader.audit().labelled(&mut sql, "s.namespace");
    let actions = filter.action.map(|all| all.into_iter().map(PolicyAction::name).collect());
    any_of(&mut sql, "d.action", "action", actions)?;
    any_of(&mut sql, "d.tool", "tool", filter.tool)?;
    equal(&mut sql, "d.policy", filter.policy);
    equal(&mut sql, "d.rule", filter.rule);
    if let Some(label) = filter.label {
        sql.push(" AND EXISTS (SELECT 1 FROM json_each(d.labels) AS one");
        sql.push(" WHERE one.value = ").push_bind(label).push(")");
    }
    if let Some(id) = &filter.run_id {
        equal(&mut sql, "s.name", Some(StreamId::run(run::id_of(id)?).as_str().to_owned()));
    }
    within(&mut sql, "d.at", filter.at);
    page.finish(&mut sql, "d.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    let decisions = keyed(&found, decision, |one| one.position.0)?;
    Ok(page.connect(decisions, About { total_count: None, position }))
}

/// The newest decision about the effect of a task; none if no policy counted for it.
pub(crate) async fn of_task(reader: &mut Reader, task: u64) -> Result<Option<Decision>> {
    let mut sql = QueryBuilder::<Sqlite>::new(DECISIONS);
    equal(&mut sql, "d.task", Some(i64::try_from(task).unwrap_or(i64::MAX)));
    sql.push(" ORDER BY d.key DESC LIMIT 1");
    rows(reader, &mut sql).await?.first().map(decision).transpose()
}

fn policy(row: &SqliteRow) -> Result<Policy> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    Ok(Policy {
        namespace: stream.strip_prefix("policy/").unwrap_or(stream).to_owned(),
        version: row.long("version")?,
        digest: row.hex("digest")?,
        document: row.json("document")?.unwrap_or_else(|| Json("null".into())),
        actor: row.get("actor_name")?,
        changed_at: row.time("changed_at")?,
        removed_at: row.maybe_time("removed_at")?,
        first_position: row.position("key")?,
        position: row.position("last_position")?,
    })
}

fn decision(row: &SqliteRow) -> Result<Decision> {
    let row = Columns(row);
    let stream: &str = row.get("stream")?;
    Ok(Decision {
        action: row.status("action", PolicyAction::parse)?,
        tool: row.get("tool")?,
        policy: row.get("policy")?,
        version: row.long("version")?,
        rule: row.get("rule")?,
        labels: serde_json::from_str(row.get("labels")?)
            .map_err(|error| fault::database(sqlx::Error::Decode(error.into())))?,
        run_id: stream.strip_prefix("run/").unwrap_or(stream).into(),
        task: row.get("ordinal")?,
        task_name: row.get("task_name")?,
        at: row.time("at")?,
        position: row.position("key")?,
    })
}
