//! Rounds of load, kill and recovery on one data directory. `OPENCLAW_CRASH_ROUNDS` sets how many (5),
//! `OPENCLAW_CRASH_SEED` repeats the load of an earlier run.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openclaw_suite::{History, Options, Server, counting::Counting, eventually, tell};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::load::{Random, Sent, client, document};

const CLIENTS: usize = 6;

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long it runs")]
fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_before_a_kill_is_there_once_after_it() {
    let rounds = setting("OPENCLAW_CRASH_ROUNDS").unwrap_or(5);
    let seed = setting("OPENCLAW_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    tell(&format!("crash: {rounds} rounds, OPENCLAW_CRASH_SEED={seed}"));
    let mut random = Random::new(seed);
    let data = tempfile::tempdir().unwrap();
    let counting = Counting::start().await;
    // Small segments, so that rounds fall on their change and on their sealing as well.
    let options = Options::default()
        .set("log.segment_bytes", 256 << 10)
        .set("log.segment_events", 2_000)
        .set("log.reserve_bytes", 1 << 20);
    let mut server = Server::start(data.path(), options).await;
    let mut all: Vec<Sent> = Vec::new();
    for round in 0..rounds {
        let (mut clients, acknowledged) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        for number in 0..CLIENTS {
            let name = format!("{round}.{number}");
            let own = Random::new(seed ^ (round << 32) ^ (number as u64) << 16);
            let caller = server.caller().clone();
            clients.spawn(client(caller, document(&counting), name, own, acknowledged.clone()));
        }
        // On a machine that does other things the first answer may take longer than the round.
        eventually("a first answer", async || (acknowledged.load(Ordering::Relaxed) > 0).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(50 + random.below(1_500))).await;
        server = server.kill9_and_restart().await;
        let mut sent: Vec<Sent> = clients.join_all().await.into_iter().flatten().collect();
        assert!(sent.iter().any(|command| command.result.is_some()), "round {round} came to nothing");
        repeat(&server, &mut sent).await;
        all.extend(sent);
    }

    let runs: Vec<&str> =
        all.iter().filter_map(|command| command.result.as_ref()?["runId"].as_str()).collect();
    eventually("the end of all runs", async || (open_runs(&server).await == 0).then_some(())).await;
    for id in &runs {
        let run = server.ended(id).await;
        assert_eq!(run["status"], "completed", "run {id}: {run}");
    }
    let shown = shown(&server).await;
    let history = server.terminate().await;
    tell(&format!("crash: {} commands, {} runs, {} events", all.len(), runs.len(), history.0.len()));
    check_commands(&all, &history);
    check_effects(&counting, &history, data.path());
    check_rows(&shown, &history);
}

/// Sends what has a key again: what was acknowledged gets its answer again, what was not is now.
async fn repeat(server: &Server, sent: &mut [Sent]) {
    for command in sent.iter_mut().filter(|command| command.key.is_some()) {
        let mut params = command.params.clone();
        // Whether it is waited for is not part of the command.
        params.as_object_mut().expect("parameters are an object").remove("wait");
        let answer = server.caller().call(command.method, &params, command.key.as_deref()).await;
        let answer =
            answer.expect("the server answers").unwrap_or_else(|error| panic!("{command:?}: {error}"));
        match &command.result {
            Some(first) if command.method == "run.start" => {
                assert_eq!(answer["runId"], first["runId"], "{command:?}")
            }
            Some(first) => assert_eq!(answer, *first, "{command:?}"),
            None => command.result = Some(answer),
        }
    }
}

async fn open_runs(server: &Server) -> u64 {
    let data = server
        .query("{ stats { runsByStatus { status runs } } freshness { position head } }", json!({}))
        .await;
    let open =
        |entry: &&Value| !matches!(entry["status"].as_str(), Some("completed" | "faulted" | "cancelled"));
    let counts = data["stats"]["runsByStatus"].as_array().expect("a count for each status");
    counts.iter().filter(open).map(|entry| entry["runs"].as_u64().expect("a number")).sum()
}

/// Every acknowledged command is at its position, and its mark stands in as many events as it caused: one.
fn check_commands(all: &[Sent], history: &History) {
    let mut marks: BTreeMap<&str, Vec<&openclaw_suite::Entry>> = BTreeMap::new();
    for entry in &history.0 {
        let mark = match entry.r#type.as_str() {
            "session.started" => entry.stream.strip_prefix("session/"),
            "session.message_received" => entry.data["content"].as_str(),
            "session.state_changed" => entry.data["value"].as_str(),
            "run.started" => entry.data["input"]["mark"].as_str(),
            _ => None,
        };
        marks.entry(mark.unwrap_or_default()).or_default().push(entry);
    }
    for command in all {
        let entries = marks.get(command.mark.as_str()).map_or(&[][..], Vec::as_slice);
        let Some(result) = &command.result else {
            assert!(entries.len() <= 1, "never acknowledged, yet twice: {command:?}");
            continue;
        };
        assert_eq!(entries.len(), 1, "acknowledged: {command:?}");
        let entry = entries[0];
        match result["runId"].as_str() {
            Some(run) => assert_eq!(entry.stream, format!("run/{run}")),
            None => {
                let place = (Some(entry.position), Some(entry.version));
                assert_eq!(
                    place,
                    (result["position"].as_u64(), result["streamVersion"].as_u64()),
                    "{command:?}"
                );
            }
        }
    }
}

/// No effect was performed more often than the log has it dispatched, and each at least once.
fn check_effects(counting: &Counting, history: &History, data: &Path) {
    let dispatches = history.dispatches();
    for (key, count) in counting.by_key() {
        let dispatched = dispatches.get(&key).copied().unwrap_or_default();
        assert!(
            count <= dispatched,
            "the effect {key} was performed {count} times, dispatched {dispatched} times"
        );
    }
    let performed = counting.by_key();
    for (stream, entries) in history.streams("run/") {
        let mut traces = 0;
        for entry in &entries {
            if entry.data["work"]["request"]["type"] == "http" {
                let key = entry.data["work"]["key"].as_str().expect("an effect has a key");
                assert!(performed.contains_key(key), "{stream} completed without its effect {key}");
            } else if entry.data["name"] == "trace" {
                traces += dispatches[entry.data["work"]["key"].as_str().expect("an effect has a key")];
            }
        }
        let id = stream.trim_start_matches("run/");
        let file = data.join("workspaces").join(id).join("trace");
        let lines = std::fs::read_to_string(file).expect("the process has left its trace").lines().count();
        assert!((1..=traces).contains(&lines), "{stream}: {lines} processes, {traces} dispatches");
    }
}

/// What GraphQL shows: runs with status, version and tasks; sessions with version and messages; how many events.
struct Shown {
    runs: BTreeMap<String, Value>,
    sessions: BTreeMap<String, Value>,
    last: String,
}

async fn shown(server: &Server) -> Shown {
    let head = server.client().health().await.expect("the server answers").position.to_string();
    let all = async |field: &str, wanted: &str| {
        let query = format!(
            "query($after: String, $at: Position) {{ {field}(first: 200, after: $after, minPosition: $at) {{
             nodes {{ id version {wanted} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let (mut rows, mut cursor) = (BTreeMap::new(), Value::Null);
        loop {
            let page = server.query(&query, json!({ "after": cursor, "at": head })).await[field].clone();
            for node in page["nodes"].as_array().expect("a list") {
                rows.insert(node["id"].as_str().expect("an id").to_owned(), node.clone());
            }
            cursor = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                return rows;
            }
        }
    };
    let last = server.query("{ events(first: 1) { nodes { position } } }", json!({})).await;
    Shown {
        runs: all("runs", "status taskCount").await,
        sessions: all("sessions", "messageCount").await,
        last: last["events"]["nodes"][0]["position"].as_str().expect("a position").to_owned(),
    }
}

/// The rows are what folding the log gives.
fn check_rows(shown: &Shown, history: &History) {
    assert_eq!(shown.last, history.0.len().to_string());
    let (runs, sessions) = (history.streams("run/"), history.streams("session/"));
    assert_eq!((shown.runs.len(), shown.sessions.len()), (runs.len(), sessions.len()));
    let count = |entries: &[&openclaw_suite::Entry], types: &[&str]| {
        entries.iter().filter(|entry| types.contains(&entry.r#type.as_str())).count()
    };
    for (stream, entries) in runs {
        let row = &shown.runs[stream.trim_start_matches("run/")];
        let status = entries.last().expect("streams have events").r#type.trim_start_matches("run.");
        let tasks = count(&entries, &["run.task_started", "run.task_skipped"]);
        let expected = (json!(status), json!(entries.len()), json!(tasks));
        assert_eq!(
            (row["status"].clone(), row["version"].clone(), row["taskCount"].clone()),
            expected,
            "{stream}"
        );
    }
    for (stream, entries) in sessions {
        let row = &shown.sessions[stream.trim_start_matches("session/")];
        let messages = count(&entries, &["session.message_received", "session.message_sent"]);
        assert_eq!(
            (&row["version"], &row["messageCount"]),
            (&json!(entries.len()), &json!(messages)),
            "{stream}"
        );
    }
}
