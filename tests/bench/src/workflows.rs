//! Workflows of several shapes in the real server, over real sockets, against the spine's ten tasks of the same turn.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    drive::{Driven, drive, register},
    engine::Engine,
    load::{Kind, Load},
    observer::{Observer, gaps},
    report::{Report, median, number, quantile, spread},
    scenario::Scenario,
    server::{self, Server},
};

/// What is measured. The first is the twin of what the spine does.
const SCENARIOS: [Scenario; 7] = [
    Scenario::Sequence(10),
    Scenario::Sequence(5),
    Scenario::Sequence(100),
    Scenario::Fork(10),
    Scenario::For(100),
    Scenario::Children(10),
    Scenario::Compute(10),
];
/// Callers.
const AT_ONCE: [usize; 2] = [1, 32];
/// Tasks of one run of the spine.
const SPINE_TASKS: f64 = 10.0;
const WARM_UP: Duration = Duration::from_millis(300);

/// What was seen of one scenario with so many callers, over all turns.
#[derive(Debug, Default)]
struct Seen {
    rates: Vec<f64>,
    /// Tasks per second, as a share of the spine's in the same turn.
    shares: Vec<f64>,
    runs: Vec<f64>,
    steps: Vec<f64>,
}

/// Measures each scenario for `time`, `repeats` times in turns.
pub(crate) async fn measure(dir: &Path, repeats: usize, time: Duration) -> anyhow::Result<Report> {
    let columns = vec![
        "what",
        "at once",
        "runs/s",
        "tasks/s",
        "tasks/s, of the spine's",
        "run p50 ms",
        "run p99 ms",
        "step p50 ms",
        "step p99 ms",
    ];
    let mut report = Report::new("workflows", columns);
    let Some(binary) = server::binary()? else {
        report.notes.push(server::MISSING.to_owned());
        return Ok(report);
    };
    let observer = Observer::start().await?;
    let data = dir.join("workflows");
    let server = Server::start(&binary, &data).await?;
    for scenario in SCENARIOS {
        register(&server.client, scenario.documents(observer.base())).await?;
    }
    let engine = Arc::new(Engine::start(&dir.join("spine")).await?);

    for at_once in AT_ONCE {
        let mut spine = Vec::new();
        let mut seen: Vec<Seen> = SCENARIOS.iter().map(|_| Seen::default()).collect();
        for _ in 0..repeats {
            let rate = spine_rate(&engine, at_once, time).await?;
            spine.push(rate);
            for (scenario, seen) in SCENARIOS.into_iter().zip(&mut seen) {
                drive(&server.client, scenario, at_once, WARM_UP).await?;
                observer.take();
                let driven = drive(&server.client, scenario, at_once, time).await?;
                seen.add(scenario, &driven, rate * SPINE_TASKS);
                if scenario.is_sequential() {
                    seen.steps.extend(gaps(&observer.take()));
                }
            }
        }
        let tasks = spine.iter().map(|rate| rate * SPINE_TASKS);
        let dash = || "-".to_owned();
        report.rows.push(vec![
            "the spine: 10 tasks, in process".into(),
            at_once.to_string(),
            spread(&spine),
            number(median(tasks)),
            "1".into(),
            dash(),
            dash(),
            dash(),
            dash(),
        ]);
        for (scenario, seen) in SCENARIOS.into_iter().zip(seen) {
            report.rows.push(seen.row(scenario, at_once));
        }
    }
    server.terminate().await?;
    Arc::into_inner(engine).expect("the callers have ended").stop().await;
    report.notes.push(format!(
        "The spine's row is the engine inside the measuring process, with effects that do nothing. All others are the \
         real server: the caller starts a run over HTTP and waits for its end, each call is an HTTP POST to a server \
         in the measuring process, and its intent is on disk before it is made. A step: from the answer to one call to \
         the arrival of the next of the same run, seen from outside. Medians [least-greatest] of {repeats} turns of {} s.",
        number(time.as_secs_f64()),
    ));
    Ok(report)
}

async fn spine_rate(engine: &Arc<Engine>, at_once: usize, time: Duration) -> anyhow::Result<f64> {
    let load = Load::start(engine, Kind::Runs, at_once);
    tokio::time::sleep(WARM_UP).await;
    let (done, started) = (load.done(), Instant::now());
    tokio::time::sleep(time).await;
    let rate = (load.done() - done) as f64 / started.elapsed().as_secs_f64();
    load.stop().await?;
    Ok(rate)
}

impl Seen {
    fn add(&mut self, scenario: Scenario, driven: &Driven, spine: f64) {
        let rate = driven.rate();
        self.rates.push(rate);
        self.shares.push(rate * scenario.tasks() as f64 / spine);
        self.runs.extend(&driven.latencies);
    }

    fn row(&self, scenario: Scenario, at_once: usize) -> Vec<String> {
        let step = |share| match self.steps.is_empty() {
            true => "-".to_owned(),
            false => number(quantile(self.steps.iter().copied(), share)),
        };
        let tasks = self.rates.iter().map(|rate| rate * scenario.tasks() as f64);
        vec![
            scenario.title(),
            at_once.to_string(),
            spread(&self.rates),
            number(median(tasks)),
            number(median(self.shares.iter().copied())),
            number(quantile(self.runs.iter().copied(), 0.5)),
            number(quantile(self.runs.iter().copied(), 0.99)),
            step(0.5),
            step(0.99),
        ]
    }
}
