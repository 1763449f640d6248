//! Random histories of runs: what the rows say is what the run's own fold says, after every event, over restarts, in a
//! rebuild, and at every position of the past.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod writer;

use std::{path::Path, sync::Arc};

use common::{
    PATIENCE,
    history::{Scribe, run_id},
    rows::{dump, dump_tables},
};
use openclaw_core::run::{Phase, State};
use openclaw_log::{EventLog as _, MemoryLog};
use openclaw_model::{Event, Position, StreamId, Timestamp, Version};
use openclaw_projection::{FoldError, FoldLimits, Moment, Projector, Reader, Views};
use sqlx::Row as _;
use writer::{Dice, Writer};

const TABLES: [&str; 4] = ["runs", "tasks", "attempts", "run_labels"];
const LIMITS: FoldLimits = FoldLimits { events: 10_000, bytes: 10 << 20 };

/// What a row of an open task says that the fold says too.
type Open = (u32, Option<i64>, Option<i64>);

fn open_tasks(state: &State) -> Vec<Open> {
    let micros = |at: Timestamp| at.as_micros();
    let open = state.tasks.iter().map(|(id, task)| {
        let due = match &task.phase {
            Phase::Timer { due } | Phase::BackingOff { due, .. } => Some(micros(*due)),
            _ => None,
        };
        (id.0, due, task.deadline.map(micros))
    });
    open.collect()
}

async fn shown(reader: &mut Reader, run: &StreamId) -> (String, Vec<Open>) {
    let sql = "SELECT r.status FROM runs r JOIN streams s ON s.key = r.key WHERE s.name = ?1";
    let status: String = sqlx::query_scalar(sql).bind(run.as_str()).fetch_one(&mut **reader).await.unwrap();
    // A held task shows until when it would have waited; the fold does not.
    let sql = "SELECT t.task, CASE WHEN t.status = 'waiting' AND t.kind IN ('wait', 'try') THEN t.due END, t.deadline \
               FROM tasks t JOIN streams s ON s.key = t.run WHERE s.name = ?1 AND t.ended_at IS NULL ORDER BY t.task";
    let rows = sqlx::query(sql).bind(run.as_str()).fetch_all(&mut **reader).await.unwrap();
    (status, rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

async fn start(log: &MemoryLog, directory: &Path) -> (Projector, Views) {
    let projector = Projector::start(Arc::new(log.clone()), directory).await.unwrap();
    let views = projector.views();
    (projector, views)
}

/// One history: three runs, of which one is a fork of another.
async fn history(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut scribe = Scribe::new(MemoryLog::new());
    let mut writers: Vec<Writer> = (1..=2).map(|number| Writer::new(run_id(number))).collect();
    let (mut projector, mut views) = start(&scribe.log, directory.path()).await;
    let mut past: Vec<(Position, usize, Vec<String>)> = Vec::new();
    for step in 0..160_u32 {
        if step == 70 {
            let origin = writers[0].clone();
            writers.push(Writer::fork(run_id(3), &origin, 25));
        }
        let index = dice.below(writers.len());
        let events = writers[index].step(&mut dice, scribe.position());
        if events.is_empty() {
            continue;
        }
        let stream = writers[index].stream();
        let count = events.len();
        let all = events.iter().cloned().map(|event| (stream.clone(), Event::Run(event))).collect();
        scribe.command("runtime", all);
        for (offset, event) in events.iter().enumerate() {
            let position = Position(scribe.position() - (count - 1 - offset) as u64);
            writers[index].apply(event, Scribe::time(position));
        }
        let head = scribe.flush().await;
        if dice.chance(8) {
            // What was kept in memory is read back from the rows.
            projector.stop().await;
            (projector, views) = start(&scribe.log, directory.path()).await;
        }
        views.reach(head, PATIENCE).await.unwrap();
        let mut reader = views.reader().await.unwrap();
        let told = shown(&mut reader, &stream).await;
        let state = &writers[index].state;
        assert_eq!(
            told,
            (state.status().as_str().to_owned(), open_tasks(state)),
            "seed {seed}, step {step}, after {events:?}; before it {:?}",
            writers[index].history()
        );
        if dice.chance(10) {
            past.push((head, index, of_run(&mut reader, &stream).await));
        }
    }
    let live = dump(&views).await;
    views.rebuild().await.unwrap();
    assert_eq!(dump(&views).await, live, "seed {seed}: a rebuild gives other rows");

    for (position, index, rows) in past {
        let batches = scribe.log.read_stream(&writers[index].stream(), Version(1));
        let moment = Moment::fold(batches, position, LIMITS).await.unwrap();
        let mut reader = moment.reader().await.unwrap();
        let then = of_run(&mut reader, &writers[index].stream()).await;
        assert_eq!(then, rows, "seed {seed}: position {position} is remembered otherwise");
    }
    projector.stop().await;
}

/// The rows of one run, without the numbers of its actors, which depend on what else there is.
async fn of_run(reader: &mut Reader, run: &StreamId) -> Vec<String> {
    let key: i64 = sqlx::query_scalar("SELECT key FROM streams WHERE name = ?1")
        .bind(run.as_str())
        .fetch_one(&mut **reader)
        .await
        .unwrap();
    let owner = |table: &str| match table {
        "runs" => format!("key = {key}"),
        "attempts" => format!("task IN (SELECT key FROM tasks WHERE run = {key})"),
        _ => format!("run = {key}"),
    };
    dump_tables(reader, &TABLES, owner, &["actor"]).await
}

#[tokio::test]
async fn rows_of_random_histories_are_what_the_runs_themselves_are() {
    for seed in 1..=16 {
        history(seed).await;
    }
}

#[tokio::test]
async fn a_past_that_is_too_long_is_refused_with_a_code() {
    let mut scribe = Scribe::new(MemoryLog::new());
    scribe.run(run_id(1), "w", 20);
    let head = scribe.flush().await;
    let fold = |limits| {
        let batches = scribe.log.read_stream(&StreamId::run(run_id(1)), Version(1));
        Moment::fold(batches, head, limits)
    };
    assert!(fold(FoldLimits { events: 43, ..LIMITS }).await.is_ok());
    for limits in [FoldLimits { events: 42, ..LIMITS }, FoldLimits { bytes: 1_000, ..LIMITS }] {
        let error = fold(limits).await.unwrap_err();
        assert!(
            matches!(error, FoldError::TooLong(_)) && error.to_string().contains("OC-PRJ-009"),
            "{error}"
        );
    }
}
