//! The same work by the framework that users would otherwise take, Mastra with LibSQL: how fast, at what price, and
//! what is left of it after `kill -9`.

mod crash;
mod process;
mod system;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use self::process::{Peer, Process};
use crate::{
    drive::{Driven, drive, once, register},
    machine::{resident_mb, written_bytes},
    observer::{Observer, gaps},
    report::{Check, Report, Target, median, millis, number, quantile, spread},
    scenario::Scenario,
    server::{self, Server},
    storage::{PAYLOAD, blocks, execute},
    waiting,
};

/// What both do, with so many callers. Many callers come last, because the peer is slower for all that comes after them:
/// they make it use connections to its database that sync each write.
const ROUNDS: [(Scenario, usize); 8] = [
    (Scenario::Sequence(5), 1),
    (Scenario::Sequence(10), 1),
    (Scenario::Sequence(100), 1),
    (Scenario::Fork(10), 1),
    (Scenario::For(100), 1),
    (Scenario::Children(10), 1),
    (Scenario::Compute(10), 1),
    (Scenario::Sequence(10), 32),
];
/// Runs before the first round of each.
const WARM_UP: usize = 5;
/// Runs of a hundred tasks with a payload, whose bytes are counted.
const STORED: usize = 20;
/// Runs more, until most of what openclaw keeps is as it stays.
const STORED_MORE: usize = 300;
/// Runs that sleep, whose memory is looked at.
const ASLEEP: usize = 1_000;
/// How long a process is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(2);

/// Measures both in turns, `repeats` times for `time` each; then what each stores and keeps in memory.
pub(crate) async fn measure(dir: &Path, repeats: usize, time: Duration) -> anyhow::Result<Vec<Report>> {
    let columns = vec![
        "what",
        "at once",
        "openclaw runs/s",
        "Mastra runs/s",
        "ratio",
        "run p50 ms",
        "Mastra's",
        "step p50 ms",
        "Mastra's",
        "step p99 ms",
        "Mastra's",
    ];
    let mut speed = Report::new("peer", columns);
    let mut price = Report::new("peer-price", vec!["what", "openclaw", "Mastra"]);
    match Both::new(dir).await? {
        Ok(both) => {
            both.speed(&mut speed, &mut price, repeats, time).await?;
            both.price(&mut price).await?;
            both.asleep(&mut price).await?;
        }
        Err(skipped) => speed.notes.push(skipped),
    }
    Ok(vec![speed, price])
}

/// Kills both in many ways, and looks what is left.
pub(crate) async fn crash(dir: &Path) -> anyhow::Result<Report> {
    match Both::new(dir).await? {
        Ok(both) => both.crash().await,
        Err(skipped) => {
            let mut report = Report::new("peer-crash", vec!["killed in"]);
            report.notes.push(skipped);
            Ok(report)
        }
    }
}

/// The two systems, and the server that both of them call.
struct Both {
    binary: PathBuf,
    peer: Peer,
    dir: PathBuf,
    observer: Observer,
}

/// What was seen of one system in one kind of round.
#[derive(Debug, Default)]
struct Seen {
    rates: Vec<f64>,
    runs: Vec<f64>,
    steps: Vec<f64>,
}

impl Seen {
    fn add(&mut self, scenario: Scenario, driven: Driven, observer: &Observer) {
        self.rates.push(driven.rate());
        self.runs.extend(driven.latencies);
        let calls = observer.take();
        if scenario.is_sequential() {
            self.steps.extend(gaps(&calls));
        }
    }

    fn run(&self) -> String {
        number(median(self.runs.iter().copied()))
    }

    fn step(&self, share: f64) -> String {
        match self.steps.is_empty() {
            true => "-".to_owned(),
            false => number(quantile(self.steps.iter().copied(), share)),
        }
    }
}

impl Both {
    /// Installs the peer below `dir` unless it is there. The inner error says why there is nothing to compare.
    async fn new(dir: &Path) -> anyhow::Result<Result<Self, String>> {
        let Some(binary) = server::binary()? else {
            return Ok(Err(server::MISSING.to_owned()));
        };
        let peer = match Peer::install(dir).await {
            Ok(peer) => peer,
            Err(error) => return Ok(Err(format!("Skipped: the peer could not be installed: {error:#}"))),
        };
        let both = Self { binary, peer, dir: dir.join("peer"), observer: Observer::start().await? };
        fs::create_dir_all(&both.dir)?;
        Ok(Ok(both))
    }

    async fn speed(
        &self,
        report: &mut Report,
        price: &mut Report,
        repeats: usize,
        time: Duration,
    ) -> anyhow::Result<()> {
        let server = Server::start(&self.binary, &self.dir.join("openclaw")).await?;
        let mut mastra = self.peer.start(&self.dir.join("speed.db"), self.observer.base()).await?;
        let ready = (server.ready_after, mastra.ready_after);
        for (scenario, at_once) in ROUNDS {
            if at_once == 1 {
                register(&server.client, scenario.documents(self.observer.base())).await?;
            }
            for _ in 0..WARM_UP {
                once(&server.client, &scenario.name()).await?;
            }
            mastra.ask("runs", json!({ "workflow": scenario.name(), "count": WARM_UP })).await?;
            self.observer.take();
            let (mut ours, mut theirs) = (Seen::default(), Seen::default());
            for _ in 0..repeats {
                ours.add(scenario, drive(&server.client, scenario, at_once, time).await?, &self.observer);
                let driven = drive_peer(&mut mastra, scenario, at_once, time).await?;
                theirs.add(scenario, driven, &self.observer);
            }
            let ratio = median(ours.rates.iter().copied()) / median(theirs.rates.iter().copied());
            report.rows.push(vec![
                scenario.title(),
                at_once.to_string(),
                spread(&ours.rates),
                spread(&theirs.rates),
                number(ratio),
                ours.run(),
                theirs.run(),
                ours.step(0.5),
                theirs.step(0.5),
                ours.step(0.99),
                theirs.step(0.99),
            ]);
            let name = format!("{}, {at_once} at once, times the peer's runs/s", scenario.title());
            report.checks.push(Check::new(name, ratio, Target::AtLeast(1.0)));
        }
        let resident = (resident_mb(server.id()?)?, resident_mb(mastra.id()?)?);
        price.rows.push(vec!["start, ms".into(), number(millis(ready.0)), number(millis(ready.1))]);
        price.rows.push(vec!["resident after the rounds, MB".into(), number(resident.0), number(resident.1)]);
        server.terminate().await?;
        mastra.quit().await?;
        report.notes.push(format!(
            "{}, on the same machine, in turns: the default engine and a LibSQL file, as its documentation has it for \
             one machine. Both make the same HTTP POSTs to one server in the measuring process, which also takes the \
             time of a step: from its answer to one call to the arrival of the next of the same run. openclaw is a \
             server that the caller reaches over HTTP and that has each intent and each outcome on disk (fsync) before \
             it goes on; Mastra runs inside the calling process and, with one caller, leaves its writes to the page \
             cache. Medians [least-greatest] of {repeats} turns of {} s; runs under way at the end are waited for and \
             counted.",
            self.peer.versions()?,
            number(time.as_secs_f64()),
        ));
        Ok(())
    }

    /// What a hundred tasks with a payload leave on the disk, and what is written for it.
    async fn price(&self, report: &mut Report) -> anyhow::Result<()> {
        let scenario = Scenario::Sequence(100);
        self.observer.payload(PAYLOAD);
        let (data, database) = (self.dir.join("price"), self.dir.join("price.db"));
        let server = Server::start(&self.binary, &data).await?;
        register(&server.client, scenario.documents(self.observer.base())).await?;
        server.caught_up().await?;
        server.terminate().await?;
        let before = blocks(&data)?;
        let server = Server::start(&self.binary, &data).await?;
        let written = written_bytes(server.id()?)?;
        for _ in 0..STORED {
            once(&server.client, &scenario.name()).await?;
        }
        server.caught_up().await?;
        let written = written_bytes(server.id()?)? - written;
        execute(&server.client, &self.observer, scenario, STORED_MORE).await?;
        server.terminate().await?;
        let stored = blocks(&data)?.saturating_sub(before);

        let mut mastra = self.peer.start(&database, self.observer.base()).await?;
        let peer_written = written_bytes(mastra.id()?)?;
        mastra.ask("runs", json!({ "workflow": scenario.name(), "count": STORED })).await?;
        let peer_written = written_bytes(mastra.id()?)? - peer_written;
        mastra.quit().await?;
        let mut peer_stored = 0;
        for suffix in ["db", "db-wal", "db-shm"] {
            peer_stored += blocks(&database.with_extension(suffix)).unwrap_or_default();
        }
        self.observer.payload(0);
        self.observer.take();

        let share =
            |bytes: u64, runs: usize| number(bytes as f64 / (runs * scenario.tasks() * PAYLOAD) as f64);
        report.rows.push(vec![
            "on disk, of the payload".into(),
            share(stored, STORED + STORED_MORE),
            share(peer_stored, STORED),
        ]);
        report.rows.push(vec![
            "written to the disk, of the payload".into(),
            share(written, STORED),
            share(peer_written, STORED),
        ]);
        report.notes.push(format!(
            "Bytes: {STORED} runs of 100 calls, one after the other, with {PAYLOAD} bytes of payload from each call to \
             the next; everything in the data directory, the read model and its indexes included, against the \
             database with its write-ahead log. What openclaw keeps is looked at after {STORED_MORE} runs more, when \
             the segment that it has not compressed yet, at most 32 MiB, does not count for much."
        ));
        Ok(())
    }

    /// What each needs while runs sleep.
    async fn asleep(&self, report: &mut Report) -> anyhow::Result<()> {
        let server = Server::start(&self.binary, &self.dir.join("asleep")).await?;
        waiting::sleepers(&server, ASLEEP).await?;
        let ours = resident_mb(server.id()?)?;
        server.terminate().await?;

        let mut mastra = self.peer.start(&self.dir.join("asleep.db"), self.observer.base()).await?;
        mastra.ask("doze", json!({ "count": ASLEEP })).await?;
        tokio::time::sleep(IDLE).await;
        let theirs = resident_mb(mastra.id()?)?;
        mastra.quit().await?;
        report.rows.push(vec![
            format!("resident with {ASLEEP} runs asleep, MB"),
            number(ours),
            number(theirs),
        ]);
        Ok(())
    }
}

async fn drive_peer(
    mastra: &mut Process,
    scenario: Scenario,
    at_once: usize,
    time: Duration,
) -> anyhow::Result<Driven> {
    let command = json!({ "workflow": scenario.name(), "atOnce": at_once, "ms": time.as_millis() as u64 });
    let answer = mastra.ask("drive", command).await?;
    let latencies = answer["latencies"].as_array().into_iter().flatten();
    Ok(Driven {
        seconds: answer["seconds"].as_f64().unwrap_or(f64::NAN),
        latencies: latencies.filter_map(serde_json::Value::as_f64).collect(),
    })
}
