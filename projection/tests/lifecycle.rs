//! What happens to the files: restarts, damage, other shapes, poison, rebuilds.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::{
    PATIENCE,
    history::{Scribe, run_id},
    rows::{dump, settled},
};
use openclaw_log::MemoryLog;
use openclaw_model::Position;
use openclaw_projection::{Projector, Status, Unavailable};

mod common;

async fn start(log: &MemoryLog, directory: &Path) -> Projector {
    Projector::start(Arc::new(log.clone()), directory).await.unwrap()
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sqlite"))
        .collect();
    names.sort();
    names
}

fn current(directory: &Path) -> PathBuf {
    directory.join(fs::read_to_string(directory.join("current")).unwrap().trim())
}

async fn history(log: MemoryLog, runs: u64) -> Scribe {
    let mut scribe = Scribe::new(log);
    scribe.workflow("w", "1.0.0");
    for number in 1..=runs {
        scribe.run(run_id(number), "w", 10);
        scribe.session(&format!("s{number}"), 2);
    }
    scribe.flush().await;
    scribe
}

#[tokio::test]
async fn a_restart_takes_up_the_same_file_from_its_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = history(MemoryLog::new(), 5).await;
    let projector = start(&scribe.log, directory.path()).await;
    assert_eq!(settled(&projector.views()).await, Status::Fresh);
    projector.stop().await;
    let before = files(directory.path());

    // A run that is half done at the restart goes on in rows that were read back.
    scribe.run(run_id(99), "w", 3);
    let head = scribe.flush().await;
    let projector = start(&scribe.log, directory.path()).await;
    let views = projector.views();
    views.reach(head, PATIENCE).await.unwrap();
    assert_eq!(files(directory.path()), before);
    projector.stop().await;
}

#[tokio::test]
async fn rows_made_live_and_rows_made_by_a_rebuild_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::new(MemoryLog::new());
    let projector = start(&scribe.log, directory.path()).await;
    let views = projector.views();
    for number in 1..=20 {
        scribe.run(run_id(number), "w", 10);
        scribe.session(&format!("s{number}"), 2);
        // Small batches, so that most rows are updated after they were written.
        let head = scribe.flush().await;
        views.reach(head, PATIENCE).await.unwrap();
    }
    let live = dump(&views).await;
    let file = current(directory.path());
    let position = views.rebuild().await.unwrap();
    assert_eq!(position.0, 20 * 30);
    assert_ne!(current(directory.path()), file, "another generation serves");
    assert_eq!(files(directory.path()).len(), 1, "and the old one is gone");
    assert_eq!(dump(&views).await, live);

    let head = {
        scribe.run(run_id(21), "w", 1);
        scribe.flush().await
    };
    views.reach(head, PATIENCE).await.unwrap();
    projector.stop().await;
}

#[tokio::test]
async fn whatever_is_wrong_with_the_files_the_next_start_shows_the_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let scribe = history(MemoryLog::new(), 5).await;
    let projector = start(&scribe.log, directory.path()).await;
    settled(&projector.views()).await;
    let whole = dump(&projector.views()).await;
    projector.stop().await;

    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("the pointer is missing", |dir| fs::remove_file(dir.join("current")).unwrap()),
        ("the pointer is nonsense", |dir| fs::write(dir.join("current"), "../../etc/passwd").unwrap()),
        ("the file is missing", |dir| fs::remove_file(current(dir)).unwrap()),
        ("the file is no database", |dir| fs::write(current(dir), vec![0x5a; 10_000]).unwrap()),
        ("the file is empty", |dir| fs::write(current(dir), "").unwrap()),
        ("everything is gone", |dir| fs::remove_dir_all(dir).unwrap()),
    ];
    for (what, damage) in damages {
        damage(directory.path());
        let projector = start(&scribe.log, directory.path()).await;
        assert_eq!(settled(&projector.views()).await, Status::Fresh, "{what}");
        assert_eq!(dump(&projector.views()).await, whole, "{what}");
        projector.stop().await;
        assert_eq!(files(directory.path()).len(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_file_of_another_log_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let long = history(MemoryLog::new(), 9).await;
    let projector = start(&long.log, directory.path()).await;
    settled(&projector.views()).await;
    projector.stop().await;

    // Shorter: the checkpoint lies beyond its head.
    let short = history(MemoryLog::new(), 2).await;
    let projector = start(&short.log, directory.path()).await;
    assert_eq!(settled(&projector.views()).await, Status::Fresh);
    assert_eq!(projector.views().progress().position, Position(1 + 2 * 30));
    projector.stop().await;

    // As long, but with another event at the checkpoint.
    let mut other = Scribe::new(MemoryLog::new());
    other.workflow("x", "1.0.0");
    other.tamper(|recorded| recorded.id = openclaw_model::EventId(uuid::Uuid::from_u128(77)));
    other.run(run_id(1), "x", 29);
    other.tamper(|recorded| {
        recorded.id = openclaw_model::EventId(uuid::Uuid::from_u128(recorded.position.0.into()))
    });
    other.flush().await;
    let projector = start(&other.log, directory.path()).await;
    let views = projector.views();
    assert_eq!(settled(&views).await, Status::Fresh);
    assert!(dump(&views).await.iter().any(|row| row.starts_with("workflows:") && row.contains("'x'")));
    projector.stop().await;
}

#[tokio::test]
async fn a_poison_event_stops_the_worker_before_it_and_what_was_shown_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = history(MemoryLog::new(), 2).await;
    let projector = start(&scribe.log, directory.path()).await;
    let views = projector.views();
    let before = views.reach(Position(61), PATIENCE).await.unwrap().position;

    scribe.run(run_id(3), "w", 1);
    scribe.session("bad", 1);
    scribe.tamper(|recorded| {
        if recorded.version.0 == 2 {
            recorded.event_type = "session.never_heard_of".into();
        }
    });
    scribe.run(run_id(4), "w", 1);
    let head = scribe.flush().await;
    let mut news = views.watch();
    let stopped = news.wait_for(|progress| matches!(progress.status, Status::Failed(_)));
    let stopped = tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap().status.clone();
    let Status::Failed(failure) = stopped else { panic!("it was waited for") };
    assert_eq!(failure.code(), "OC-PRJ-001");
    assert_eq!(failure.position(), Position(before.0 + 5 + 2), "{failure}");
    assert_eq!(views.progress().position, Position(before.0 + 5 + 1), "what stands before it is shown");
    assert!(dump(&views).await.iter().any(|row| row.starts_with("sessions:")));
    let stale = views.reach(head, Duration::from_secs(3600)).await.unwrap_err();
    assert_eq!(stale.wanted, head, "who waits for more is told at once");
    projector.stop().await;

    // The next start, and a start without any file, stop at the same event and serve what is before it.
    for wipe in [false, true] {
        if wipe {
            fs::remove_dir_all(directory.path()).unwrap();
        }
        let projector = start(&scribe.log, directory.path()).await;
        let views = projector.views();
        assert_eq!(settled(&views).await, Status::Failed(failure.clone()));
        assert_eq!(views.progress().position, Position(before.0 + 5 + 1));
        assert!(dump(&views).await.iter().any(|row| row.starts_with("runs:")));
        projector.stop().await;
    }
}

#[tokio::test]
async fn an_event_that_contradicts_its_stream_is_poison_too() {
    type Twist = fn(&mut openclaw_model::Recorded);
    let twists: [(&str, Twist); 2] = [
        ("a task ends that was never started", |recorded| {
            if &*recorded.event_type == "run.task_completed" {
                recorded.data = br#"{"task":7,"output":null}"#.to_vec().into();
            }
        }),
        ("the data is no JSON", |recorded| {
            if &*recorded.event_type == "run.task_completed" {
                recorded.data = b"{".to_vec().into();
            }
        }),
    ];
    for (what, twist) in twists {
        let directory = tempfile::tempdir().unwrap();
        let mut scribe = Scribe::new(MemoryLog::new());
        scribe.run(run_id(1), "w", 1);
        scribe.tamper(twist);
        scribe.flush().await;
        let projector = start(&scribe.log, directory.path()).await;
        let Status::Failed(failure) = settled(&projector.views()).await else { panic!("{what}: it went on") };
        assert_eq!((failure.code(), failure.position()), ("OC-PRJ-001", Position(4)), "{what}: {failure}");
        projector.stop().await;
    }
}

#[tokio::test]
async fn a_file_of_other_code_serves_until_its_successor_is_built_and_one_of_other_tables_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let scribe = history(MemoryLog::new(), 3).await;
    let projector = start(&scribe.log, directory.path()).await;
    settled(&projector.views()).await;
    let whole = dump(&projector.views()).await;
    projector.stop().await;

    for (prefix, suffix) in [(8, "ffff"), (0, "ffffffffffff")] {
        let file = current(directory.path());
        let name = file.file_name().unwrap().to_str().unwrap();
        let renamed = format!("{}{suffix}{}", &name[..prefix], &name[12..]);
        fs::rename(&file, directory.path().join(&renamed)).unwrap();
        fs::write(directory.path().join("current"), &renamed).unwrap();
        let projector = start(&scribe.log, directory.path()).await;
        let views = projector.views();
        // Nothing has run between the start and here: this is what a reader meets while the build is under way.
        let progress = views.progress();
        assert_eq!(progress.status, Status::Rebuilding { built: Position::START });
        assert_eq!(progress.position, if prefix == 8 { Position(91) } else { Position::START });
        assert_eq!(settled(&views).await, Status::Fresh);
        assert_ne!(current(directory.path()).file_name().unwrap().to_str().unwrap(), renamed);
        assert_eq!(dump(&views).await, whole);
        projector.stop().await;
    }
}

#[tokio::test]
async fn a_worker_stopped_at_any_moment_goes_on_where_it_stood() {
    let directory = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::new(MemoryLog::new());
    for round in 0..12_u64 {
        for number in 0..40 {
            scribe.run(run_id(round * 100 + number), "w", 5);
        }
        let head = scribe.flush().await;
        let projector = start(&scribe.log, directory.path()).await;
        let views = projector.views();
        // From "before anything" to "after everything", without a clock.
        for _ in 0..round * 5 {
            tokio::task::yield_now().await;
        }
        if round == 11 {
            views.reach(head, PATIENCE).await.unwrap();
        }
        projector.stop().await;
    }
    let projector = start(&scribe.log, directory.path()).await;
    let resumed = dump(&projector.views()).await;
    projector.views().rebuild().await.unwrap();
    assert_eq!(dump(&projector.views()).await, resumed);
    projector.stop().await;
}

#[tokio::test]
async fn a_reader_that_works_too_long_is_interrupted_and_others_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let scribe = history(MemoryLog::new(), 1).await;
    let projector = start(&scribe.log, directory.path()).await;
    let views = projector.views();
    settled(&views).await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut reader = views.reader().await.unwrap();
    let error = sqlx::query(endless).fetch_one(&mut *reader).await.unwrap_err();
    assert!(openclaw_projection::Reader::is_exhausted(&error), "{error}");
    drop(reader);
    let mut reader = views.reader().await.unwrap();
    let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *reader).await.unwrap();
    assert_eq!(one, 1);
    let written = sqlx::query("DELETE FROM runs").execute(&mut *reader).await;
    assert!(written.is_err(), "readers only read");
    projector.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_refused_with_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Projector::start(Arc::new(MemoryLog::new()), &file.join("views")).await.unwrap_err();
    assert!(error.to_string().contains("OC-PRJ-006"), "{error}");
    assert!(Unavailable::Storage(sqlx::Error::PoolTimedOut).to_string().contains("OC-PRJ-008"));
}
