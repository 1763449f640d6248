//! Runs of ten sequential tasks, each its own durable step.

use std::{path::Path, sync::Arc, time::Duration};

use openclaw_log::EventLog;
use tokio::time::Instant;

use crate::{
    engine::Engine,
    load::{Kind, Load},
    machine::Fsyncs,
    report::{Check, Report, Target, median, number, spread},
};

/// The target for one run at a time is for disks whose fsync takes at most this long.
const FSYNC_LIMIT_MS: f64 = 0.5;
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures runs per second, one at a time and 32 at once, `repeats` times for `time` each, in turns.
pub(crate) async fn measure(dir: &Path, repeats: usize, time: Duration) -> anyhow::Result<Report> {
    let mut report =
        Report::new("runs", vec!["at once", "runs/s", "durable steps/s", "events/s", "fsync p50 ms"]);
    let engine = Arc::new(Engine::start(&dir.join("runs")).await?);
    let mut fsyncs = [Fsyncs::default(), Fsyncs::default()];
    let (mut runs, mut events) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let at_once = [1, 32];
    for _ in 0..repeats {
        for (index, callers) in at_once.into_iter().enumerate() {
            fsyncs[index].sample(dir)?;
            let load = Load::start(&engine, Kind::Runs, callers);
            tokio::time::sleep(WARM_UP).await;
            let (done, position, started) = (load.done(), engine.log.head().position, Instant::now());
            tokio::time::sleep(time).await;
            let seconds = started.elapsed().as_secs_f64();
            runs[index].push((load.done() - done) as f64 / seconds);
            events[index].push((engine.log.head().position.0 - position.0) as f64 / seconds);
            load.stop().await?;
        }
    }
    Arc::into_inner(engine).expect("the callers have ended").stop().await;

    for (index, callers) in at_once.into_iter().enumerate() {
        // The start, the first intent, and each of ten outcomes with the next intent or the end.
        let steps: Vec<f64> = runs[index].iter().map(|runs| runs * 12.0).collect();
        report.rows.push(vec![
            callers.to_string(),
            spread(&runs[index]),
            number(median(steps)),
            number(median(events[index].iter().copied())),
            number(fsyncs[index].p50()),
        ]);
    }
    let [one, many] = runs;
    let slow = fsyncs[0].p50() > FSYNC_LIMIT_MS;
    report.checks.push(Check::new("32 runs at once, runs/s", median(many), Target::AtLeast(1000.0)));
    report.checks.push(
        Check::new("one run at a time, runs/s", median(one), Target::AtLeast(150.0))
            .excused_if(slow, "an fsync took more than 0.5 ms"),
    );
    report.notes.push(format!(
        "Runtime, sequencer and log as the server has them, effects that do nothing. fdatasync after 1 KB appends: \
         p50 {} ms, p99 {} ms. Medians [least-greatest] of {repeats} turns of {} s.",
        number(fsyncs[0].p50()),
        number(fsyncs[0].p99()),
        number(time.as_secs_f64()),
    ));
    Ok(report)
}
