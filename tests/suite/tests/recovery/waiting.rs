//! Many runs that wait cost little: not much memory, nothing at a start, no work while they wait; and they wake on time.

use std::time::Duration;

use openclaw_model::Timestamp;
use openclaw_suite::{Caller, Options, Server, documents::workflow, eventually, tell};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const RUNS: usize = 10_000;
/// Memory that a waiting run may take: a place in an index of those that wait, not its state.
const BYTES_PER_RUN: u64 = 5 << 10;
/// Memory that a run may leave behind in caches, all of them bounded, when it has just begun to wait.
const BYTES_PER_START: u64 = 16 << 10;

/// Starts `count` runs of the registered workflow `name` as fast as a few clients can.
async fn start(caller: &Caller, name: &str, input: Value, count: usize) {
    const CLIENTS: usize = 32;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (caller, name, input) = (caller.clone(), name.to_owned(), input.clone());
        let mine = count / CLIENTS + usize::from(client < count % CLIENTS);
        clients.spawn(async move {
            for _ in 0..mine {
                let params = json!({ "workflow": { "namespace": "default", "name": name }, "input": input });
                caller.call("run.start", &params, None).await.expect("an answer").expect("it is accepted");
            }
        });
    }
    clients.join_all().await;
}

/// Runs by status, once the read model shows everything.
async fn shown(server: &Server, status: &str) -> u64 {
    let data = server.query("{ stats { runsByStatus { status runs } } }", json!({})).await;
    let counts = data["stats"]["runsByStatus"].as_array().unwrap().clone();
    let of = counts.iter().find(|count| count["status"] == status);
    of.map_or(0, |count| count["runs"].as_u64().unwrap())
}

async fn all_are(server: &Server, status: &str, count: usize) {
    eventually(&format!("{count} runs {status}"), async || {
        (shown(server, status).await == count as u64).then_some(())
    })
    .await;
}

/// Waits until nothing is left to do, and answers how long the process computed in the five seconds after that.
async fn idle(server: &Server) -> Duration {
    let mut before = server.ticks();
    eventually("a second of rest", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = server.ticks();
        let used = now - std::mem::replace(&mut before, now);
        (used <= 5).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    Duration::from_millis((server.ticks() - before) * 10)
}

/// Ten thousand runs of `document` that wait: what they cost while they wait, and what a start makes of them.
async fn ten_thousand(document: Value, status: &str) {
    const FIRST: usize = 500;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default()).await;
    let _ = idle(&server).await;
    let empty = server.memory(false);
    let name = document["document"]["name"].as_str().unwrap().to_owned();
    server.rpc("workflow.register", json!({ "definition": document })).await.unwrap();
    // What the first ones load does not count for each.
    start(server.caller(), &name, json!({}), FIRST).await;
    all_are(&server, status, FIRST).await;
    let _ = idle(&server).await;
    let before = server.memory(false);
    start(server.caller(), &name, json!({}), RUNS).await;
    all_are(&server, status, RUNS + FIRST).await;
    let worked = idle(&server).await;
    let grown = server.memory(false).saturating_sub(before) / RUNS as u64;
    assert_eq!(server.metric("openclaw_runs_active").await, Some(0.0), "none of them is in memory");

    let server = server.kill9_and_restart().await;
    let folded = server.metric("openclaw_runtime_folded_at_start_total").await.expect("it is counted");
    let worked_after = idle(&server).await;
    let kept = server.memory(false).saturating_sub(empty) / RUNS as u64;
    all_are(&server, status, RUNS + FIRST).await;
    tell(&format!(
        "{name}: {grown} bytes of memory for each run that begins to wait, {worked:?} of work in five idle seconds; \
         after a kill {folded} runs folded, {kept} bytes for each, {worked_after:?} of work",
    ));
    server.terminate().await;
    assert!(grown < BYTES_PER_START, "{grown} bytes for each run that began to wait");
    assert!(kept < BYTES_PER_RUN, "{kept} bytes for each waiting run");
    assert!(worked < Duration::from_millis(250), "nobody looks whether it is time: {worked:?}");
    assert!(worked_after < Duration::from_millis(250), "nor after a start: {worked_after:?}");
    // Those that began to wait after the index was saved last are looked at once more.
    assert!(folded <= (RUNS / 2) as f64, "a start does not look at all of them: {folded}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_runs_that_wait_for_a_time() {
    let nap = json!([{ "nap": { "wait": { "hours": 24 } } }, { "end": { "set": { "n": 1 } } }]);
    ten_thousand(workflow("nap", nap), "waiting").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_runs_that_wait_for_a_person() {
    let ask = json!({ "call": "approval", "with": { "title": "Go on?" } });
    ten_thousand(workflow("ask", json!([{ "ask": ask }, { "end": { "set": { "n": 1 } } }])), "waiting").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_wait_wake_in_order_and_on_time() {
    const SLEEPERS: usize = 1_000;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default()).await;
    let nap = workflow("nap", json!([{ "nap": { "wait": "${ .nap }" } }]));
    server.rpc("workflow.register", json!({ "definition": nap })).await.unwrap();
    let far = workflow("far", json!([{ "nap": { "wait": { "hours": 24 } } }]));
    server.rpc("workflow.register", json!({ "definition": far })).await.unwrap();
    start(server.caller(), "far", json!({}), RUNS / 10).await;
    start(server.caller(), "nap", json!({ "nap": { "seconds": 6 } }), SLEEPERS).await;
    all_are(&server, "completed", SLEEPERS).await;
    let history = server.terminate().await;
    let mut late: Vec<u64> = Vec::new();
    for (stream, entries) in history.streams("run/") {
        let Some(completed) = entries.iter().find(|entry| entry.r#type == "run.task_completed") else {
            continue;
        };
        let started = entries.iter().find(|entry| entry.r#type == "run.task_started").unwrap();
        let due: Timestamp = started.data["work"]["due"].as_str().unwrap().parse().unwrap();
        let at: Timestamp = completed.at.parse().unwrap();
        assert!(at >= due, "{stream} woke too early");
        late.push(at.millis_since(due));
    }
    late.sort_unstable();
    let of = |part: usize| late[(late.len() - 1) * part / 100];
    tell(&format!(
        "waiting: {} wake-ups late by p50 {} p99 {} max {} ms",
        late.len(),
        of(50),
        of(99),
        of(100)
    ));
    assert_eq!(late.len(), SLEEPERS);
    // A second of slack for a machine that does other things; BENCHMARKS.md has the real figure.
    assert!(of(50) < 1_000, "late by {} ms", of(50));
}
