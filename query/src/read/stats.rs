//! Figures over many rows, each from a bounded number of them.

use std::collections::BTreeMap;

use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use sqlx::{QueryBuilder, Sqlite};

use super::{Columns, reader, rows, run::RunStatus};
use crate::{
    Deps, fault,
    scalar::{DateTime, Long, Position},
};

/// Minutes of [`Stats::events_per_minute`].
const MINUTES: i64 = 60;
/// Task rows that durations are taken from.
const SAMPLES: i64 = 10_000;

/// Figures about what happened.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Stats {
    /// They show at least every event up to here.
    pub(crate) position: Position,
}

/// Runs in one status.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RunCount {
    /// The status.
    pub(crate) status: RunStatus,
    /// How many.
    pub(crate) runs: Long,
}

/// How long the tasks of a workflow took.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct TaskDurations {
    /// Namespace of the workflow.
    pub(crate) namespace: String,
    /// Name of the workflow.
    pub(crate) name: String,
    /// How many tasks the figures are from.
    pub(crate) samples: Long,
    /// Half took at most this, in milliseconds.
    pub p50_ms: Long,
    /// 95 of 100 took at most this, in milliseconds.
    pub p95_ms: Long,
    /// The longest took this, in milliseconds.
    pub(crate) max_ms: Long,
}

/// Events in one minute.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MinuteCount {
    /// Its beginning.
    pub(crate) minute: DateTime,
    /// How many.
    pub(crate) events: Long,
}

#[ComplexObject]
impl Stats {
    /// All runs by status; a status without runs is there with zero.
    async fn runs_by_status(&self, ctx: &Context<'_>) -> Result<Vec<RunCount>> {
        let mut reader = reader(ctx).await?;
        let mut sql =
            QueryBuilder::<Sqlite>::new("SELECT status, sum(runs) AS runs FROM run_counts WHERE 1 = 1");
        reader.reach().labelled(&mut sql, "namespace");
        sql.push(" GROUP BY status");
        let mut counts = BTreeMap::new();
        for row in rows(&mut reader, &mut sql).await? {
            let row = Columns(&row);
            counts.insert(row.get::<String>("status")?, row.long("runs")?);
        }
        let all = openclaw_projection::RunStatus::ALL.iter();
        Ok(all
            .map(|status| RunCount {
                status: (*status).into(),
                runs: counts.get(status.as_str()).copied().unwrap_or(Long(0)),
            })
            .collect())
    }

    /// Durations of completed tasks by workflow, from the newest 10,000 task rows. Tasks that consist of others
    /// (`do`, `for`, `fork`, `try`) are left out, their parts are in.
    async fn task_durations(&self, ctx: &Context<'_>) -> Result<Vec<TaskDurations>> {
        let mut reader = reader(ctx).await?;
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT r.namespace, r.name, (t.ended_at - t.started_at) / 1000 AS ms \
             FROM (SELECT run, kind, status, started_at, ended_at FROM tasks WHERE 1 = 1",
        );
        reader.reach().of_stream(&mut sql, "tasks.run");
        sql.push(" ORDER BY key DESC LIMIT ").push_bind(SAMPLES);
        sql.push(
            ") t JOIN runs r ON r.key = t.run \
             WHERE t.status = 'completed' AND t.kind NOT IN ('do', 'for', 'fork', 'try')",
        );
        let found: Vec<(String, String, i64)> =
            sql.build_query_as().fetch_all(&mut *reader).await.map_err(fault::database)?;
        let mut durations: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
        for (namespace, name, ms) in found {
            durations.entry((namespace, name)).or_default().push(ms);
        }
        let figures = durations.into_iter().map(|((namespace, name), mut samples)| {
            samples.sort_unstable();
            TaskDurations {
                namespace,
                name,
                samples: Long(samples.len() as u64),
                p50_ms: percentile(&samples, 50),
                p95_ms: percentile(&samples, 95),
                max_ms: percentile(&samples, 100),
            }
        });
        Ok(figures.collect())
    }

    /// Events in each of the last 60 minutes, the current one last.
    async fn events_per_minute(&self, ctx: &Context<'_>) -> Result<Vec<MinuteCount>> {
        let now = (ctx.data::<Deps>()?.now)().as_micros().div_euclid(60_000_000);
        let first = now - MINUTES + 1;
        let mut reader = reader(ctx).await?;
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT minute, sum(events) FROM event_minutes WHERE minute BETWEEN ",
        );
        sql.push_bind(first).push(" AND ").push_bind(now);
        reader.reach().labelled(&mut sql, "namespace");
        sql.push(" GROUP BY minute");
        let found: Vec<(i64, i64)> =
            sql.build_query_as().fetch_all(&mut *reader).await.map_err(fault::database)?;
        let counts: BTreeMap<i64, i64> = found.into_iter().collect();
        let minute = |minute: i64| MinuteCount {
            minute: DateTime::of(minute * 60_000_000),
            events: Long::of(counts.get(&minute).copied().unwrap_or_default()),
        };
        Ok((first..=now).map(minute).collect())
    }
}

/// The smallest sample that at least `percent` of all are not above; the nearest-rank method.
fn percentile(sorted: &[i64], percent: usize) -> Long {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    Long::of(sorted.get(rank - 1).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples: Vec<i64> = (1..=20).collect();
        assert_eq!(percentile(&samples, 50), Long(10));
        assert_eq!(percentile(&samples, 95), Long(19));
        assert_eq!(percentile(&samples, 100), Long(20));
        assert_eq!(percentile(&[7], 50), Long(7));
        assert_eq!(percentile(&[], 50), Long(0));
    }
}
