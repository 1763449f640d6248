//! Rows of policies and of their decisions.

use sqlx::SqliteConnection;

use super::{super::bulk::Bulk, int, key, time};
use crate::views::policy::Changes;

const POLICIES: Bulk = Bulk {
    head: "INSERT OR REPLACE INTO policies (key, version, digest, actor, changed_at, document)",
    columns: 6,
    tail: "",
};
const REMOVED: Bulk = Bulk {
    head: "UPDATE policies SET removed_at = v.column2 FROM (",
    columns: 2,
    tail: ") AS v WHERE policies.key = v.column1",
};
const DECISIONS: Bulk = Bulk {
    head: "INSERT INTO decisions (key, run, task, at, version, action, tool, policy, rule, labels)",
    columns: 10,
    tail: "",
};

pub(super) async fn write(to: &mut SqliteConnection, changes: &Changes) -> sqlx::Result<()> {
    POLICIES
        .execute(to, changes.rows.iter(), |v, (id, row)| {
            v.push(key(*id)).push(int(row.version)).push(&row.digest.0[..]).push(row.actor);
            v.push(row.changed_at.as_micros()).push(&*row.document);
        })
        .await?;
    REMOVED
        .execute(to, changes.removed.iter(), |v, (id, at)| {
            v.push(key(*id)).push(time(*at));
        })
        .await?;
    DECISIONS
        .execute(to, changes.decisions.iter(), |v, (id, row)| {
            v.push(key(*id)).push(key(row.run)).push(key(row.task)).push(row.at.as_micros());
            v.push(int(row.version)).push(row.action.as_str()).push(&*row.tool).push(&*row.policy);
            v.push(row.rule.as_deref()).push(&*row.labels);
        })
        .await?;
    Ok(())
}
