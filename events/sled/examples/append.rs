//! Measures the log against a bare file with the same group commit and fdatasync, in one run:
//!
//! ```text
//! cargo run --release -p openclaw-sled --example append -- DIR [append | open | scan] [EVENTS]
//! ```
#![expect(clippy::disallowed_macros, reason = "prints its measurements")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails shall stop")]

use std::{fs::File, io::Write, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesOrdered};
use openclaw_log::{EventLog, conformance::Author, pack};
use openclaw_model::{Position, Recorded};
use openclaw_sled::{Options, SledLog};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

const ROUND: Duration = Duration::from_millis(2500);
const PAYLOAD: std::ops::Range<usize> = 300..1700;
const STREAMS: u64 = 10_000;

type Waiting = (u64, oneshot::Sender<()>);

/// Ready-made events, so that what is measured is the log and not the making of test data.
struct Source {
    templates: Vec<Recorded>,
    versions: Vec<u64>,
}

impl Source {
    fn new() -> Self {
        let mut author = Author::new(openclaw_log::Head::GENESIS);
        let templates = (0..STREAMS).flat_map(|n| {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let size = PAYLOAD.start + mixed as usize % (PAYLOAD.end - PAYLOAD.start);
            author.command(&n.to_string(), &[size])
        });
        Self { templates: templates.collect(), versions: vec![0; STREAMS as usize] }
    }

    fn payload(&self, n: u64) -> &[u8] {
        &self.templates[(n % STREAMS) as usize].data
    }

    fn event(&mut self, position: u64) -> Recorded {
        let stream = (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % STREAMS;
        let mut event = self.templates[stream as usize].clone();
        self.versions[stream as usize] += 1;
        event.version = openclaw_model::Version(self.versions[stream as usize]);
        event.position = Position(position);
        event.command = Author::command_id(position);
        event
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(args.first().expect("a directory"));
    let events = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    match args.get(1).map_or("append", String::as_str) {
        "append" => appends(dir).await,
        "build" => build(dir, events).await,
        "open" => open(dir, events).await,
        "scan" => scan(dir).await,
        "hold" => hold(dir).await,
        other => panic!("what is {other}?"),
    }
}

async fn appends(dir: &Path) {
    println!("producers  log ev/s  raw ev/s  ratio  events per fsync");
    for producers in [1, 64, 512] {
        let mut ratios = Vec::new();
        for repeat in 0..3 {
            let raw = raw(dir, producers).await;
            let (log, group) = log(dir, producers, repeat).await;
            ratios.push(log / raw);
            println!("{producers:9}  {log:8.0}  {raw:8.0}  {:5.2}  {group:.0}", log / raw);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{producers:9}  median ratio {:.2}", ratios[1]);
    }
}

/// Producers that each wait for their command before they send the next; returns how many were done in a round.
async fn drive(producers: usize, commands: mpsc::Sender<Waiting>) -> u64 {
    let mut tasks = JoinSet::new();
    let end = Instant::now() + ROUND;
    for producer in 0..producers as u64 {
        let commands = commands.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while Instant::now() < end {
                let (answer, answered) = oneshot::channel();
                if commands.send((done * 1000 + producer, answer)).await.is_err() || answered.await.is_err() {
                    break;
                }
                done += 1;
            }
            done
        });
    }
    drop(commands);
    tasks.join_all().await.into_iter().sum()
}

async fn log(dir: &Path, producers: usize, repeat: usize) -> (f64, f64) {
    let path = dir.join(format!("log-{producers}-{repeat}"));
    let log = Arc::new(SledLog::open(&path, options()).unwrap());
    let (commands, mut waiting) = mpsc::channel::<Waiting>(1024);
    let sequencer = {
        let log = Arc::clone(&log);
        async move {
            let mut source = Source::new();
            let mut head = log.head();
            let mut commits = 0u64;
            let mut flying = FuturesOrdered::new();
            let mut open = true;
            while open || !flying.is_empty() {
                let mut group = Vec::new();
                tokio::select! {
                    biased;
                    Some(()) = flying.next(), if !flying.is_empty() => {}
                    count = waiting.recv_many(&mut group, 512), if open && flying.len() < 2 => {
                        open = count > 0;
                        if open {
                            let first = head.position.0 + 1;
                            let events = (first..).zip(&group).map(|(n, _)| vec![source.event(n)]).collect();
                            let (frames, after) = pack(head, events).unwrap();
                            let appending = log.append(frames, head);
                            head = after;
                            commits += 1;
                            flying.push_back(async move {
                                appending.await.unwrap();
                                for (_, answer) in group {
                                    let _ = answer.send(());
                                }
                            });
                        }
                    }
                }
            }
            commits
        }
    };
    let sequencer = JoinSet::from_iter([sequencer]);
    let started = Instant::now();
    let done = drive(producers, commands).await;
    let seconds = started.elapsed().as_secs_f64();
    let commits: u64 = sequencer.join_all().await.into_iter().sum();
    drop(log);
    std::fs::remove_dir_all(path).unwrap();
    (done as f64 / seconds, done as f64 / commits as f64)
}

async fn raw(dir: &Path, producers: usize) -> f64 {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join("raw");
    let mut file = File::create(&path).unwrap();
    let (commands, mut waiting) = mpsc::channel::<Waiting>(1024);
    let writer = std::thread::spawn(move || {
        let source = Source::new();
        let mut group = Vec::new();
        while waiting.blocking_recv_many(&mut group, 512) > 0 {
            let mut bytes = Vec::new();
            for (n, _) in &group {
                bytes.extend_from_slice(source.payload(*n));
            }
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
            for (_, answer) in group.drain(..) {
                let _ = answer.send(());
            }
        }
    });
    let started = Instant::now();
    let done = drive(producers, commands).await;
    let seconds = started.elapsed().as_secs_f64();
    writer.join().unwrap();
    std::fs::remove_file(path).unwrap();
    done as f64 / seconds
}

async fn build(dir: &Path, events: u64) {
    let log = SledLog::open(dir, Options::default()).unwrap();
    let mut source = Source::new();
    let mut head = log.head();
    let started = Instant::now();
    while head.position.0 < events {
        let commands = (1..257).map(|n| vec![source.event(head.position.0 + n)]).collect();
        let (frames, after) = pack(head, commands).unwrap();
        log.append(frames, head).await.unwrap();
        head = after;
    }
    println!(
        "built {} events, {:.0} ev/s, {}",
        head.position,
        head.position.0 as f64 / started.elapsed().as_secs_f64(),
        memory()
    );
    if dir.join("clean").exists() {
        let started = Instant::now();
        log.close();
        println!("closed in {:?}", started.elapsed());
    }
    std::process::abort();
}

async fn open(dir: &Path, _: u64) {
    let before = memory();
    let started = Instant::now();
    let log = SledLog::open(dir, Options::default()).unwrap();
    println!(
        "opened at {} in {:?}, memory before {before}, after {}",
        log.head().position,
        started.elapsed(),
        memory()
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("after three seconds {}", memory());
    let started = Instant::now();
    let command = Author::command_id(u64::MAX);
    assert_eq!(log.find_command(command).unwrap(), None);
    println!("first find_command of a new command {:?}", started.elapsed());
    let started = Instant::now();
    for n in 0..10_000 {
        log.find_command(Author::command_id(u64::MAX - n)).unwrap();
    }
    println!("then {:?} each", started.elapsed() / 10_000);
    let started = Instant::now();
    for n in 0..1000 {
        log.stream_head(&Author::stream(&(n * 7).to_string())).unwrap().unwrap();
    }
    println!("stream_head {:?} each", started.elapsed() / 1000);
    let started = Instant::now();
    log.close();
    println!("closed in {:?}", started.elapsed());
}

async fn scan(dir: &Path) {
    let log = SledLog::open(dir, Options::default()).unwrap();
    for _ in 0..2 {
        let started = Instant::now();
        let mut count = 0;
        let mut history = log.read(Position(1));
        while let Some(batch) = history.next().await {
            count += batch.unwrap().len();
        }
        println!("scan {:.0} ev/s, {}", count as f64 / started.elapsed().as_secs_f64(), memory());
    }
    let started = Instant::now();
    let mut count = 0;
    let mut stream = log.read_stream(&Author::stream("7"), openclaw_model::Version(1));
    while let Some(batch) = stream.next().await {
        count += batch.unwrap().len();
    }
    println!("stream of {count} events {:?}", started.elapsed());
    log.close();
    let started = Instant::now();
    let verified = openclaw_sled::verify(dir, Options::default()).unwrap();
    println!("verified {} events in {:?}", verified.events, started.elapsed());
}

async fn hold(dir: &Path) {
    let log = SledLog::open(dir, Options::default()).unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("{} {}", log.head().position, memory());
}

/// With a fourth argument, segments of that many MiB.
fn options() -> Options {
    match std::env::args().nth(4).and_then(|mib| mib.parse::<u64>().ok()) {
        Some(mib) => {
            Options { segment_bytes: mib << 20, segment_events: (mib * 2048) as u32, ..Options::default() }
        }
        None => Options::default(),
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmRSS")).collect()
}
