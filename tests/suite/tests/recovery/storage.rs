//! Storage grows with what tasks hand over, not faster.

use std::path::Path;

use openclaw_suite::{
    Options, Server, bytes_on_disk,
    counting::{Counting, noise},
    documents::workflow,
    eventually, tell,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const TASKS: usize = 100;
const PAYLOAD: usize = 1024;
/// Enough for several sealed segments of the size below, so that what is not full yet does not count.
const RUNS: usize = 64;
/// A quarter of the default, so that there are some; a sealed one takes its space in pieces of 1 MiB.
const SEGMENT: u64 = 4 << 20;

/// A document of a hundred tasks, one after the other.
fn hundred(name: &str, task: impl Fn(usize) -> Value) -> Value {
    let tasks: Vec<Value> = (0..TASKS).map(|n| json!({ format!("t{n}"): task(n) })).collect();
    workflow(name, Value::Array(tasks))
}

/// The log on disk: bytes of sealed segments and payload files, the events in them, and bytes of what is not sealed.
struct Log {
    sealed: u64,
    events: u64,
    active: u64,
    segments: usize,
}

impl Log {
    fn of(directory: &Path) -> Self {
        let mut log =
            Self { sealed: bytes_on_disk(&directory.join("blobs")), events: 0, active: 0, segments: 0 };
        for entry in std::fs::read_dir(directory.join("segments")).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let name = name.into_string().unwrap();
            let Some((first, last)) = name.strip_suffix(".sealed").and_then(|span| span.split_once('-'))
            else {
                log.active += bytes_on_disk(&path);
                continue;
            };
            log.sealed += bytes_on_disk(&path);
            log.events += last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() + 1;
            log.segments += 1;
        }
        log
    }
}

fn unsealed(directory: &Path) -> usize {
    let names = std::fs::read_dir(directory.join("segments")).unwrap();
    names.filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".sealed")).count()
}

/// Runs `document` often and answers bytes on disk for each byte that its tasks hand over: of the log, and of the read
/// model.
async fn cost(kind: &str, document: Value) -> (f64, f64) {
    let data = tempfile::tempdir().unwrap();
    let options = Options::default().set("log.reserve_bytes", 0).set("log.segment_bytes", SEGMENT);
    let server = Server::start(data.path(), options).await;
    server.rpc("workflow.register", json!({ "definition": document })).await.unwrap();
    let workflow = json!({ "namespace": "default", "name": document["document"]["name"] });
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (caller, workflow) = (server.caller().clone(), workflow.clone());
        clients.spawn(async move {
            for run in (client..RUNS).step_by(8) {
                let input = json!({ "data": noise(run as u64, PAYLOAD) });
                let params = json!({ "workflow": workflow, "input": input, "wait": "60s" });
                let ended = caller.call("run.start", &params, None).await.unwrap().unwrap();
                assert_eq!(ended["status"], "completed", "{ended}");
            }
        });
    }
    clients.join_all().await;
    let log = data.path().join("log");
    eventually("one segment that is not sealed", async || (unsealed(&log) == 1).then_some(())).await;
    let events = server.terminate().await.0.len() as f64;
    let payload = (RUNS * TASKS * PAYLOAD) as f64;
    let Log { sealed, events: in_sealed, active, segments } = Log::of(&log);
    assert!(segments >= 3, "{segments} sealed segments are too few to tell");
    let ratios = (
        sealed as f64 / (payload * in_sealed as f64 / events),
        bytes_on_disk(&data.path().join("views")) as f64 / payload,
    );
    tell(&format!(
        "storage: {kind}: for each byte {:.2} in the log, {:.2} in the read model; {active} bytes not sealed",
        ratios.0, ratios.1
    ));
    // sled takes its space in pieces of 4 MiB, and small frames several times over until they are sealed.
    assert!(active < 4 * SEGMENT + (16 << 20), "what is not sealed is bounded: {active}");
    ratios
}

async fn cheap(kind: &str, document: Value) {
    let (log, views) = cost(kind, document).await;
    assert!(log + views < 5.0, "{kind}: {log:.2} in the log and {views:.2} in the read model for each byte");
}

#[tokio::test]
async fn a_hundred_tasks_that_compute_take_less_than_five_times_what_they_hand_over() {
    cheap("set", hundred("set", |n| json!({ "set": { "data": "${ .data }", "n": n } }))).await;
}

#[tokio::test]
async fn a_hundred_calls_take_less_than_five_times_what_they_answer() {
    let counting = Counting::start().await;
    counting.fresh("/fresh", PAYLOAD - r#"{"data":""}"#.len());
    let with = json!({ "method": "post", "endpoint": counting.url("/fresh"), "body": "${ . }" });
    cheap("call", hundred("call", |_| json!({ "call": "http", "with": with }))).await;
}
