//! Measures a rebuild from the whole log and how the worker keeps up with live appends.
//!
//! `cargo run --release -p openclaw-projection --example rebuild -- [events]`

#![expect(clippy::disallowed_macros, reason = "an example prints its figures")]

use std::{sync::Arc, time::Duration};

use openclaw_log::{EventLog as _, MemoryLog};
use openclaw_projection::{Projector, Status};
use tokio::time::Instant;

#[path = "../tests/common/history.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod history;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let events: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(500_000);
    let mut scribe = history::Scribe::new(MemoryLog::new());
    scribe.workflow("bench", "1.0.0");
    let mut number = 0;
    while scribe.log.head().position.0 < events {
        for _ in 0..200 {
            number += 1;
            scribe.run(history::run_id(number), "bench", 10);
            if number % 10 == 0 {
                scribe.session(&format!("session-{number}"), 8);
            }
        }
        scribe.flush().await;
    }
    let head = scribe.log.head().position;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = Arc::new(scribe.log.clone());
    let began = Instant::now();
    let projector = Projector::start(log, directory.path()).await.expect("the projector starts");
    let views = projector.views();
    let mut news = views.watch();
    news.wait_for(|progress| {
        progress.position >= head && !matches!(progress.status, Status::Rebuilding { .. })
    })
    .await
    .expect("the projector is alive");
    let took = began.elapsed();
    println!("{:?}", views.progress());
    println!("rebuild: {head} events in {took:?}: {:.0} events/s", head.0 as f64 / took.as_secs_f64());
    let size = std::fs::read_dir(directory.path()).expect("it is there").flatten();
    let size: u64 = size.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum();
    println!("size: {:.0} bytes/event", size as f64 / head.0 as f64);

    // Live: 20,000 events a second in 50 ms steps, for 5 s; the lag is taken before every step.
    let mut worst = 0;
    let began = Instant::now();
    let mut appended = 0_u64;
    for step in 1..=100 {
        let behind = scribe.log.head().position.0 - views.progress().position.0;
        worst = worst.max(behind);
        while appended < step * 1_000 {
            number += 1;
            scribe.run(history::run_id(number), "bench", 10);
            appended += 23;
        }
        scribe.flush().await;
        tokio::time::sleep_until(began + Duration::from_millis(50) * u32::try_from(step).expect("small"))
            .await;
    }
    let head = scribe.log.head().position;
    let end = Instant::now();
    news.wait_for(|progress| progress.position >= head).await.expect("the projector is alive");
    println!(
        "live: {appended} events in {:?}, worst lag {worst} events, caught up {:?} after the last",
        end - began,
        end.elapsed()
    );
    projector.stop().await;
}
