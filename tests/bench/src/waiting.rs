//! Thousands of runs that wait: what each costs in memory, how long a start with them takes, and how late they wake up.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::StreamExt;
use openclaw_client::{Client, StartRun, WorkflowRef};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, StreamId, TaskId, Timestamp,
    event::run::{RunEvent, Work},
};
use openclaw_sled::{Options, SledLog};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    drive::register,
    machine::resident_mb,
    report::{Check, Report, Target, median, millis, number, quantile, spread},
    scenario::{NAMESPACE, document},
    server::{self, Server},
};

/// How long a server is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(2);
/// Callers that start the runs.
const CALLERS: usize = 32;
/// Due times are spread over this long.
const WINDOW: Duration = Duration::from_secs(10);
/// Runs that are executed before memory is looked at for the first time.
const WARM_UP: usize = 200;
const STARTS: usize = 3;
/// A log that has not grown for this long is quiet.
const QUIET: Duration = Duration::from_secs(2);

/// What runs wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// A time.
    Timer,
    /// A person.
    Approval,
}

impl For {
    const fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Approval => "approval",
        }
    }

    fn document(self) -> Value {
        let task = match self {
            Self::Timer => json!({ "wait": { "milliseconds": "${ .ms }" } }),
            Self::Approval => {
                json!({ "call": "approval", "with": { "title": "May it go on?", "assignees": ["ada"] } })
            }
        };
        document(self.name(), vec![json!({ "pause": task }), json!({ "done": { "set": { "done": true } } })])
    }
}

/// Lets 1,000 and 10,000 runs wait for timers, and 10,000 for approvals.
pub(crate) async fn measure(dir: &Path) -> anyhow::Result<Report> {
    let columns = vec![
        "waiting for",
        "runs",
        "memory, KB/run",
        "start ms",
        "start, of an empty one's",
        "resident after start MB",
        "empty MB",
        "late p50 ms",
        "late p99 ms",
        "latest ms",
    ];
    let mut report = Report::new("waiting", columns);
    let Some(binary) = server::binary()? else {
        report.notes.push(server::MISSING.to_owned());
        return Ok(report);
    };
    for (what, runs) in [(For::Timer, 1_000), (For::Timer, 10_000), (For::Approval, 10_000)] {
        tracing::info!(what = what.name(), runs, "waiting runs");
        let data = dir.join(format!("waiting-{}-{runs}", what.name()));
        let seen = Wait { binary: binary.clone(), data: data.clone(), what, runs }.measure().await?;
        std::fs::remove_dir_all(&data)?;
        let ratio = median(seen.starts.iter().copied()) / median(seen.empty_starts.iter().copied());
        let late = |share| match seen.late.is_empty() {
            true => "-".to_owned(),
            false => number(quantile(seen.late.iter().copied(), share)),
        };
        report.rows.push(vec![
            what.name().into(),
            runs.to_string(),
            number((seen.waiting_mb - seen.before_mb) * 1e3 / runs as f64),
            spread(&seen.starts),
            number(ratio),
            number(seen.started_mb),
            number(seen.empty_mb),
            late(0.5),
            late(0.99),
            late(1.0),
        ]);
        let name = format!("{runs} waiting for {}s", what.name());
        let start = median(seen.starts.iter().copied());
        report.checks.push(Check::new(format!("{name}, start, ms"), start, Target::Below(1000.0)));
        if what == For::Timer {
            let late = quantile(seen.late.iter().copied(), 0.99);
            report.checks.push(Check::new(format!("{name}, late p99, ms"), late, Target::Below(100.0)));
        }
    }
    report.notes.push(format!(
        "Memory: what the resident set grew by between {WARM_UP} runs that ended and all runs waiting. Starts are \
         from the process to its line `listening on`, {STARTS} with the waiting runs and {STARTS} before them with an \
         empty log; resident memory {} s later. Late: the time of the event that ends the wait minus its due time; due \
         times are spread over {} s, after the last of the starts.",
        IDLE.as_secs(),
        WINDOW.as_secs(),
    ));
    Ok(report)
}

struct Wait {
    binary: PathBuf,
    data: PathBuf,
    what: For,
    runs: usize,
}

struct Seen {
    empty_starts: Vec<f64>,
    empty_mb: f64,
    before_mb: f64,
    waiting_mb: f64,
    starts: Vec<f64>,
    started_mb: f64,
    /// Milliseconds, of each run.
    late: Vec<f64>,
}

impl Wait {
    async fn measure(&self) -> anyhow::Result<Seen> {
        // The first start makes the directory.
        Server::start(&self.binary, &self.data).await?.terminate().await?;
        let (empty_starts, empty_mb, server) = self.restart(None).await?;
        let before_mb = warmed_up(&server, self.what).await?;

        // Enough for the starts of the runs and of the server, on a machine that has other things to do as well.
        let first_due =
            Instant::now() + Duration::from_secs(15) + Duration::from_millis(3) * self.runs as u32;
        let step = WINDOW / self.runs as u32;
        begin(&server.client, self.what, self.runs, move |index| {
            let due = first_due + step * index as u32;
            due.saturating_duration_since(Instant::now()).as_millis() as u64
        })
        .await?;
        server.caught_up().await?;
        tokio::time::sleep(IDLE).await;
        let waiting_mb = resident_mb(server.id()?)?;
        let (starts, started_mb, server) = self.restart(Some(server)).await?;
        let mut late = Vec::new();
        if self.what == For::Timer {
            let left = first_due.checked_duration_since(Instant::now());
            let left =
                left.ok_or_else(|| anyhow::anyhow!("the first runs were due before all of them waited"))?;
            tokio::time::sleep(left + WINDOW).await;
            quiet(&server).await?;
            server.terminate().await?;
            late = lateness(&self.data, WARM_UP).await?;
            anyhow::ensure!(late.len() == self.runs, "{} of {} runs woke up", late.len(), self.runs);
        } else {
            server.terminate().await?;
        }
        Ok(Seen { empty_starts, empty_mb, before_mb, waiting_mb, starts, started_mb, late })
    }

    /// Starts the server several times, and tells how long each took and what it needs when it is idle.
    async fn restart(&self, running: Option<Server>) -> anyhow::Result<(Vec<f64>, f64, Server)> {
        let mut running = running;
        let mut starts = Vec::new();
        loop {
            if let Some(server) = running.take() {
                server.terminate().await?;
            }
            let server = Server::start(&self.binary, &self.data).await?;
            starts.push(millis(server.ready_after));
            if starts.len() == STARTS {
                tokio::time::sleep(IDLE).await;
                let resident = resident_mb(server.id()?)?;
                return Ok((starts, resident, server));
            }
            running = Some(server);
        }
    }
}

/// Lets so many runs sleep for an hour, and comes back when the server has nothing else to do any more.
pub(crate) async fn sleepers(server: &Server, runs: usize) -> anyhow::Result<()> {
    register(&server.client, vec![For::Timer.document()]).await?;
    begin(&server.client, For::Timer, runs, |_| 3_600_000).await?;
    server.caught_up().await?;
    tokio::time::sleep(IDLE).await;
    Ok(())
}

/// Registers what is needed, executes some runs, and tells how many MB the server needs then.
async fn warmed_up(server: &Server, what: For) -> anyhow::Result<f64> {
    register(&server.client, vec![For::Timer.document(), what.document()]).await?;
    begin(&server.client, For::Timer, WARM_UP, |_| 1).await?;
    server.caught_up().await?;
    tokio::time::sleep(IDLE).await;
    Ok(resident_mb(server.id()?)?)
}

/// Starts so many runs. `ms` says how long the run with an index is to wait.
async fn begin(
    client: &Client,
    what: For,
    runs: usize,
    ms: impl Fn(usize) -> u64 + Clone + Send + 'static,
) -> anyhow::Result<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, ms) = (client.clone(), ms.clone());
        callers.spawn(async move {
            for index in (caller..runs).step_by(CALLERS) {
                let start = StartRun {
                    workflow: Some(WorkflowRef::latest(NAMESPACE, what.name())),
                    input: Some(json!({ "ms": ms(index) })),
                    ..StartRun::default()
                };
                client.start_run(&start, None).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(begun) = callers.join_next().await {
        begun??;
    }
    Ok(())
}

/// Waits until nothing is appended any more.
async fn quiet(server: &Server) -> anyhow::Result<()> {
    let mut last = Position::START;
    loop {
        let now = server.client.health().await?.position;
        if now == last {
            return Ok(());
        }
        last = now;
        tokio::time::sleep(QUIET).await;
    }
}

/// How late each timer ended, in milliseconds, without those of the first `skipped` runs.
async fn lateness(data: &Path, skipped: usize) -> anyhow::Result<Vec<f64>> {
    let log = SledLog::open(&data.join("log"), Options::default())?;
    let mut history = log.read(Position::START.next());
    let mut due: HashMap<(StreamId, TaskId), Timestamp> = HashMap::new();
    let mut late = Vec::new();
    while let Some(batch) = history.next().await {
        for recorded in batch?.iter() {
            match recorded.decode()? {
                Event::Run(RunEvent::TaskStarted(started)) => {
                    if let Work::Timer { due: at } = started.work {
                        due.insert((recorded.stream.clone(), started.task), at);
                    }
                }
                Event::Run(RunEvent::TaskCompleted(completed)) => {
                    if let Some(at) = due.remove(&(recorded.stream.clone(), completed.task)) {
                        late.push((recorded.at.as_micros() - at.as_micros()) as f64 / 1e3);
                    }
                }
                _ => {}
            }
        }
    }
    drop(history);
    log.close();
    Ok(late.split_off(skipped.min(late.len())))
}

#[cfg(test)]
mod tests {
    use openclaw_workflow::definition;

    use super::*;

    #[test]
    fn what_is_waited_for_is_a_valid_workflow() {
        for what in [For::Timer, For::Approval] {
            let read = definition::from_value(what.document());
            assert!(read.is_ok(), "{what:?}: {:?}", read.err());
        }
    }
}
