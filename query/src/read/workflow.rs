//! Registered workflow definitions.

use async_graphql::{ComplexObject, Context, InputObject, Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    Columns, equal, keyed, reader, rows,
    run::{self, Run, RunFilter},
};
use crate::{
    access::Reader,
    cursor::{About, Listed, Page, PageArgs, SortOrder},
    scalar::{DateTime, Json, Position},
};

const SELECT: &str =
    "SELECT w.*, l.text AS actor_name FROM workflows w JOIN labels l ON l.id = w.actor WHERE 1 = 1";

/// One version of a workflow definition. It never changes.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Workflow {
    /// Namespace of the document.
    pub(crate) namespace: String,
    /// Name of the document.
    pub(crate) name: String,
    /// Semantic version of the document.
    pub(crate) version: String,
    /// Title of the document.
    pub(crate) title: Option<String>,
    /// BLAKE3 of the definition, hexadecimal.
    pub(crate) digest: String,
    /// Tasks in the document, at all depths.
    pub(crate) task_count: i32,
    /// Who registered it.
    pub(crate) actor: String,
    /// When.
    pub(crate) registered_at: DateTime,
    /// Since when it may no longer be started.
    pub(crate) retired_at: Option<DateTime>,
    /// Whether it may no longer be started.
    pub(crate) retired: bool,
    /// The document.
    pub(crate) definition: Json,
    /// Position of the event that registered it.
    pub(crate) position: Position,
    #[graphql(skip)]
    key: u64,
}

/// Conditions on workflows; all must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct WorkflowFilter {
    /// In this namespace.
    pub(crate) namespace: Option<String>,
    /// Of this name.
    pub(crate) name: Option<String>,
    /// Retired, or not.
    pub(crate) retired: Option<bool>,
}

#[ComplexObject]
impl Workflow {
    /// Runs of this version, newest first.
    async fn runs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "SortOrder::Desc")] order: SortOrder,
    ) -> Result<Listed<Run>> {
        let page = PageArgs { first, after, last, before }.page('r', order)?;
        let filter = RunFilter {
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            version: Some(self.version.clone()),
            ..RunFilter::default()
        };
        run::list(&mut reader(ctx).await?, &page, filter, false).await
    }
}

/// One version of a workflow; without a version the highest that is not retired, or else the highest.
pub(crate) async fn version(
    reader: &mut Reader,
    namespace: &str,
    name: &str,
    version: Option<&str>,
) -> Result<Option<Workflow>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    equal(&mut sql, "w.namespace", Some(namespace.to_owned()));
    equal(&mut sql, "w.name", Some(name.to_owned()));
    reader.reach().named(&mut sql, "w.namespace");
    if version.is_some() {
        equal(&mut sql, "w.version", version.map(str::to_owned));
        return rows(reader, &mut sql).await?.first().map(workflow).transpose();
    }
    let mut highest = None;
    for row in rows(reader, &mut sql).await? {
        let found = workflow(&row)?;
        // Versions are semantic; what is none comes before all that are.
        let rank = (!found.retired, semver::Version::parse(&found.version).ok(), found.key);
        if highest.as_ref().is_none_or(|(best, _)| rank > *best) {
            highest = Some((rank, found));
        }
    }
    Ok(highest.map(|(_, found)| found))
}

/// A page of workflow versions.
pub(crate) async fn list(
    reader: &mut Reader,
    page: &Page,
    filter: WorkflowFilter,
) -> Result<Listed<Workflow>> {
    let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
    reader.reach().named(&mut sql, "w.namespace");
    equal(&mut sql, "w.namespace", filter.namespace);
    equal(&mut sql, "w.name", filter.name);
    if let Some(retired) = filter.retired {
        sql.push(if retired { " AND w.retired_at IS NOT NULL" } else { " AND w.retired_at IS NULL" });
    }
    page.finish(&mut sql, "w.key");
    let position = reader.position().into();
    let found = rows(reader, &mut sql).await?;
    Ok(page.connect(keyed(&found, workflow, |one| one.key)?, About { total_count: None, position }))
}

fn workflow(row: &SqliteRow) -> Result<Workflow> {
    let row = Columns(row);
    let retired_at = row.maybe_time("retired_at")?;
    Ok(Workflow {
        namespace: row.get("namespace")?,
        name: row.get("name")?,
        version: row.get("version")?,
        title: row.get("title")?,
        digest: row.hex("digest")?,
        task_count: row.get("tasks")?,
        actor: row.get("actor_name")?,
        registered_at: row.time("registered_at")?,
        retired_at,
        retired: retired_at.is_some(),
        definition: row.json("definition")?.unwrap_or_else(|| Json("null".into())),
        position: row.position("key")?,
        key: row.key("key")?,
    })
}
