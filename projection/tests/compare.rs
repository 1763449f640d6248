//! A read model that was kept up to date is the one that the log gives, row by row; one that somebody changed is not.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{fs, path::Path, sync::Arc};

use common::{
    history::{Scribe, run_id},
    rows::settled,
};
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::Position;
use openclaw_projection::{Comparison, Projector, Status, compare};
use sqlx::{Connection as _, SqliteConnection};

mod common;

/// A read model that was built, and then followed the log for a while.
async fn followed(directory: &Path) -> Scribe {
    let mut scribe = Scribe::new(MemoryLog::new());
    scribe.workflow("w", "1.0.0");
    scribe.run(run_id(1), "w", 10);
    scribe.flush().await;
    let projector = Projector::start(Arc::new(scribe.log.clone()), directory).await.unwrap();
    for number in 2..=6 {
        scribe.run(run_id(number), "w", 7);
        scribe.session(&format!("s{number}"), 3);
        scribe.flush().await;
        assert_eq!(settled(&projector.views()).await, Status::Fresh);
    }
    let (views, head) = (projector.views(), scribe.log.head().position);
    let mut news = views.watch();
    let done = news.wait_for(|progress| progress.position == head);
    tokio::time::timeout(common::PATIENCE, done).await.unwrap().unwrap();
    projector.stop().await;
    scribe
}

async fn compared(scribe: &Scribe, directory: &Path) -> Comparison {
    let scratch = tempfile::tempdir().unwrap();
    compare(&scribe.log, directory, scratch.path()).await.unwrap()
}

async fn change(directory: &Path, sql: &'static str) {
    let file = directory.join(fs::read_to_string(directory.join("current")).unwrap().trim());
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let changed = sqlx::query(sql).execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 1, "{sql}");
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_followed_the_log_are_those_that_it_gives() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = followed(directory.path()).await;
    let at = scribe.log.head().position;
    let Comparison::Same { position, rows } = compared(&scribe, directory.path()).await else {
        panic!("the read model is as the log says");
    };
    assert_eq!(position, at);
    assert!(rows > at.0, "every event has a row, and there are others");
    // What the log has since is not yet shown, which is nothing wrong.
    scribe.run(run_id(9), "w", 7);
    scribe.flush().await;
    assert_eq!(compared(&scribe, directory.path()).await, Comparison::Same { position, rows });
    assert_eq!(compared(&scribe, &directory.path().join("none")).await, Comparison::Nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_removed_or_put_in_is_named() {
    for (sql, table, reason) in [
        ("UPDATE events SET at = at + 1 WHERE position = 9", "events", "the log says something else"),
        ("DELETE FROM events WHERE position = 12", "events", "it is missing"),
        (
            "UPDATE runs SET status = 'faulted' WHERE key = (SELECT min(key) FROM runs)",
            "runs",
            "the log says something else",
        ),
        ("DELETE FROM messages WHERE key = (SELECT max(key) FROM messages)", "messages", "it is missing"),
        ("INSERT INTO event_minutes VALUES (7, 1, 1)", "event_minutes", "the log has no event for it"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let scribe = followed(directory.path()).await;
        change(directory.path(), sql).await;
        match compared(&scribe, directory.path()).await {
            Comparison::Different { table: found, key, reason: why } => {
                assert_eq!(found, table, "{sql}");
                assert_eq!(why, reason, "{sql}");
                assert!(!sql.contains("position = 9") || key == "9", "{sql}: {key}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_that_shows_more_than_the_log_has_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let _ = followed(directory.path()).await;
    let mut other = Scribe::new(MemoryLog::new());
    other.workflow("w", "1.0.0");
    other.flush().await;
    let found = compared(&other, directory.path()).await;
    assert!(matches!(found, Comparison::Different { .. }), "{found:?}");
    assert!(other.log.head().position > Position::START);
}
