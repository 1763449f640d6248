//! Durable appends: the whole path of the log against a bare file.

use std::{
    fs::{self, File},
    future::Future,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use openclaw_log::{EventLog, Head, conformance::Author, pack};
use openclaw_model::{Position, Recorded, Version};
use openclaw_sled::{Options, SledLog};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    group::{self, Round, Sink},
    machine::Fsyncs,
    report::{Check, Report, Target, median, number, spread},
};

const PRODUCERS: [usize; 3] = [1, 64, 512];
/// Sizes of the events' JSON, in bytes.
const PAYLOAD: std::ops::Range<usize> = 300..1700;
const STREAMS: u64 = 10_000;
/// The writer of the log takes this many bytes for one commit, so the writer of the bare file does too.
const COMMIT_BYTES: usize = 2 << 20;
/// How long sealing may take after a round before something is wrong.
const SEALING: Duration = Duration::from_secs(60);

/// Compares the log with a bare file, `repeats` rounds of `time` each, in turns.
pub(crate) async fn measure(dir: &Path, repeats: usize, time: Duration) -> anyhow::Result<Report> {
    let mut report = Report::new(
        "append",
        vec![
            "producers",
            "bare file ev/s",
            "log ev/s",
            "ratio",
            "ratio with sealing done",
            "log p50 ms",
            "log p99 ms",
            "file p50 ms",
        ],
    );
    let source = Arc::new(Source::new());
    let mut fsyncs = Fsyncs::default();
    for producers in PRODUCERS {
        let path = dir.join(format!("log-{producers}"));
        let log = Arc::new(SledLog::open(&path, Options::default())?);
        let mut of_log = LogSink::new(Arc::clone(&log), Arc::clone(&source));
        let (mut raws, mut logs, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..repeats {
            fsyncs.sample(dir)?;
            let of_file = FileSink::create(dir.join("raw"), Arc::clone(&source))?;
            let (raw, of_file) = group::round(of_file, producers, time).await?;
            of_file.remove()?;
            raws.push(raw);
            let started = Instant::now();
            let (round, sink) = group::round(of_log, producers, time).await?;
            of_log = sink;
            wait_until_sealed(&path).await?;
            sealed.push(round.events as f64 / started.elapsed().as_secs_f64());
            logs.push(round);
        }
        log.close();
        drop((log, of_log.log));
        fs::remove_dir_all(&path)?;

        let ratios: Vec<f64> = logs.iter().zip(&raws).map(|(log, raw)| rate(log) / rate(raw)).collect();
        let with_sealing: Vec<f64> = sealed.iter().zip(&raws).map(|(log, raw)| log / rate(raw)).collect();
        report.rows.push(vec![
            producers.to_string(),
            spread(&raws.iter().map(rate).collect::<Vec<_>>()),
            spread(&logs.iter().map(rate).collect::<Vec<_>>()),
            spread(&ratios),
            spread(&with_sealing),
            number(median(logs.iter().map(|round| round.p50_ms))),
            number(median(logs.iter().map(|round| round.p99_ms))),
            number(median(raws.iter().map(|round| round.p50_ms))),
        ]);
        if producers > 1 {
            let what = |how| format!("{producers} producers, of a bare file's events/s{how}");
            report.checks.push(Check::new(what(""), median(ratios), Target::AtLeast(0.4)));
            let strict = median(with_sealing);
            report.checks.push(Check::new(what(", sealing waited for"), strict, Target::AtLeast(0.4)));
        }
    }
    report.notes.push(format!(
        "fdatasync after 1 KB appends: p50 {} ms, p99 {} ms. Figures are medians [least-greatest] of {repeats} turns \
         of {} s. With sealing done: the time until every closed segment is sealed counts too.",
        number(fsyncs.p50()),
        number(fsyncs.p99()),
        number(time.as_secs_f64()),
    ));
    Ok(report)
}

fn rate(round: &Round) -> f64 {
    round.events as f64 / round.elapsed.as_secs_f64()
}

/// Waits until the log in `dir` has one unsealed segment, the one that is written.
async fn wait_until_sealed(dir: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let entries = fs::read_dir(dir.join("segments"))?.collect::<Result<Vec<_>, _>>()?;
        let busy = entries.iter().filter(|entry| {
            entry.path().extension().is_some_and(|extension| extension == "active" || extension == "sealing")
        });
        if busy.count() <= 1 {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < SEALING, "the closed segments are not sealed after {SEALING:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Ready-made events, so that what is measured is the log and not the making of events.
struct Source(Vec<Recorded>);

impl Source {
    fn new() -> Self {
        let mut author = Author::new(Head::GENESIS);
        let event = |n| {
            let size = PAYLOAD.start + (mixed(n) as usize % (PAYLOAD.end - PAYLOAD.start));
            author.command(&n.to_string(), &[size])
        };
        Self((0..STREAMS).flat_map(event).collect())
    }

    fn template(&self, n: u64) -> &Recorded {
        &self.0[(mixed(n) % STREAMS) as usize]
    }
}

const fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

/// The log.
struct LogSink {
    log: Arc<SledLog>,
    source: Arc<Source>,
    versions: Vec<u64>,
    head: Head,
}

impl LogSink {
    fn new(log: Arc<SledLog>, source: Arc<Source>) -> Self {
        let head = log.head();
        Self { log, source, versions: vec![0; STREAMS as usize], head }
    }

    fn event(&mut self, position: u64) -> Recorded {
        let version = &mut self.versions[(mixed(position) % STREAMS) as usize];
        *version += 1;
        Recorded {
            position: Position(position),
            version: Version(*version),
            command: Author::command_id(position),
            ..self.source.template(position).clone()
        }
    }
}

impl Sink for LogSink {
    fn append(&mut self, events: usize) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let before = self.head;
        let commands =
            (before.position.0 + 1..).take(events).map(|position| vec![self.event(position)]).collect();
        let (frames, after) = pack(before, commands).expect("events of 2 KB fit into a frame");
        self.head = after;
        let log = Arc::clone(&self.log);
        async move {
            log.append(frames, before).await?;
            Ok(())
        }
    }
}

/// A bare file: a thread that writes what waits and syncs it.
struct FileSink {
    path: PathBuf,
    source: Arc<Source>,
    next: u64,
    jobs: mpsc::Sender<Job>,
    writer: std::thread::JoinHandle<()>,
}

type Job = (Vec<u8>, oneshot::Sender<std::io::Result<()>>);

impl FileSink {
    fn create(path: PathBuf, source: Arc<Source>) -> std::io::Result<Self> {
        let file = File::create(&path)?;
        let (jobs, waiting) = mpsc::channel();
        let writer = std::thread::Builder::new().spawn(move || write(file, &waiting))?;
        Ok(Self { path, source, next: 1, jobs, writer })
    }

    fn remove(self) -> anyhow::Result<()> {
        drop(self.jobs);
        self.writer.join().map_err(|_| anyhow::anyhow!("the writer of the bare file panicked"))?;
        Ok(fs::remove_file(self.path)?)
    }
}

impl Sink for FileSink {
    fn append(&mut self, events: usize) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let mut bytes = Vec::with_capacity(events * PAYLOAD.end);
        for _ in 0..events {
            bytes.extend_from_slice(&self.source.template(self.next).data);
            self.next += 1;
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send((bytes, answer));
        async move {
            sent?;
            Ok(answered.await??)
        }
    }
}

fn write(mut file: File, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut bytes = first.0.len();
        let mut group = vec![first];
        while bytes < COMMIT_BYTES
            && let Ok(job) = waiting.try_recv()
        {
            bytes += job.0.len();
            group.push(job);
        }
        let written =
            group.iter().try_for_each(|(bytes, _)| file.write_all(bytes)).and_then(|()| file.sync_data());
        for (_, answer) in group {
            let result = written.as_ref().copied().map_err(|error| error.kind().into());
            // The group commit waits for every answer.
            let _ = answer.send(result);
        }
    }
}
