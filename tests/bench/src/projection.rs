//! The read model: how fast it is built from the log, and whether it keeps up with a full load.

use std::{path::Path, sync::Arc, time::Duration};

use openclaw_log::EventLog;
use openclaw_model::Position;
use openclaw_projection::{Projector, Status, Views};
use openclaw_sled::{Options, SledLog};
use tokio::time::Instant;

use crate::{
    engine::Engine,
    load::{Kind, Load, fill},
    report::{Check, Report, Target, median, millis, number, spread},
};

/// How often the lag is looked at under load.
const LOOK: Duration = Duration::from_millis(10);
/// How long a lagging projector is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Builds the read model of a log of `events` events `repeats` times, then lets it follow loads for `time` each.
pub(crate) async fn measure(
    dir: &Path,
    events: u64,
    repeats: usize,
    time: Duration,
) -> anyhow::Result<Report> {
    let mut report = Report::new(
        "projection",
        vec!["what", "events", "events/s", "worst lag events", "worst lag ms", "fresh after ms"],
    );
    let data = dir.join("rebuild");
    let end = fill(&data, events, |events| tracing::info!(events, "building the log")).await?;
    let log = Arc::new(SledLog::open(&data.join("log"), Options::default())?);
    let mut rates = Vec::new();
    for repeat in 0..repeats {
        let views = data.join(format!("views-{repeat}"));
        let started = Instant::now();
        let projector = Projector::start(Arc::clone(&log), &views).await?;
        reach(&projector.views(), end).await?;
        rates.push(end.0 as f64 / started.elapsed().as_secs_f64());
        projector.stop().await;
        std::fs::remove_dir_all(&views)?;
    }
    log.close();
    drop(log);
    std::fs::remove_dir_all(&data)?;
    let dash = || "-".to_owned();
    report.rows.push(vec!["rebuild".into(), end.to_string(), spread(&rates), dash(), dash(), dash()]);
    report.checks.push(Check::new("rebuild, events/s", median(rates), Target::AtLeast(50_000.0)));

    for (kind, what, callers) in
        [(Kind::Runs, "32 runs at once", 32), (Kind::Sessions, "512 conversations at once", 512)]
    {
        let followed = follow(&dir.join("follow"), kind, callers, time).await?;
        report.rows.push(vec![
            what.into(),
            followed.events.to_string(),
            number(followed.rate),
            followed.worst_events.to_string(),
            number(millis(followed.worst)),
            number(millis(followed.fresh_after)),
        ]);
        let seconds = followed.worst.max(followed.fresh_after).as_secs_f64();
        report.checks.push(Check::new(format!("{what}, worst lag in s"), seconds, Target::Below(1.0)));
    }
    report.notes.push(format!(
        "Runs, tasks and conversations written by the real engine. The lag in ms is the age of the oldest event that \
         is not shown, looked at every 10 ms for {} s.",
        number(time.as_secs_f64())
    ));
    Ok(report)
}

/// Waits until everything up to `end` is shown.
async fn reach(views: &Views, end: Position) -> anyhow::Result<()> {
    let shown = |progress: &openclaw_projection::Progress| {
        progress.position >= end && matches!(progress.status, Status::Fresh | Status::CatchingUp)
            || matches!(progress.status, Status::Failed(_))
    };
    let mut news = views.watch();
    let progress = tokio::time::timeout(PATIENCE, news.wait_for(shown)).await??.clone();
    anyhow::ensure!(progress.position >= end, "the projector stopped: {progress:?}");
    Ok(())
}

struct Followed {
    events: u64,
    rate: f64,
    worst_events: u64,
    worst: Duration,
    fresh_after: Duration,
}

async fn follow(dir: &Path, kind: Kind, callers: usize, time: Duration) -> anyhow::Result<Followed> {
    let engine = Arc::new(Engine::start(dir).await?);
    let projector = Projector::start(Arc::clone(&engine.log), &dir.join("views")).await?;
    let views = projector.views();
    reach(&views, engine.log.head().position).await?;

    let first = engine.log.head().position;
    let load = Load::start(&engine, kind, callers);
    let started = Instant::now();
    let mut seen = Vec::new();
    let (mut worst_events, mut worst) = (0, Duration::ZERO);
    while started.elapsed() < time {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let head = engine.log.head().position;
        seen.push((now, head));
        let shown = views.progress().position;
        worst_events = worst_events.max(head.0 - shown.0);
        // The first look that saw an event that is not shown yet: that event is at least as old as this.
        if let Some((at, _)) = seen.get(seen.partition_point(|(_, head)| *head <= shown)) {
            worst = worst.max(now - *at);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    load.stop().await?;
    let end = engine.log.head().position;
    let stopped = Instant::now();
    reach(&views, end).await?;
    let fresh_after = stopped.elapsed();
    projector.stop().await;
    Arc::into_inner(engine).expect("the callers have ended").stop().await;
    std::fs::remove_dir_all(dir)?;
    let events = end.0 - first.0;
    Ok(Followed { events, rate: events as f64 / seconds, worst_events, worst, fresh_after })
}
