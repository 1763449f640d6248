//! The log of a stopped server, as `openclaw log export` prints it, and what must hold of every log.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use serde_json::Value;

use crate::openclaw;

/// One event.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Its place in the log.
    pub position: u64,
    /// What it happened to, `kind/id`.
    pub stream: String,
    /// Its place in the stream.
    pub version: u64,
    /// What happened.
    pub r#type: String,
    /// When.
    pub at: String,
    /// Who asked for it.
    pub actor: String,
    /// The command that led to it.
    pub command: String,
    /// Its data.
    pub data: Value,
}

/// The events of a log, in order.
#[derive(Clone, Debug)]
pub struct History(pub Vec<Entry>);

impl History {
    /// Exports the log of a data directory that no server runs on, verifies its chain, and checks what holds of
    /// every log: see [`History::check`].
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn verified(data: &Path) -> Self {
        let path = data.to_str().expect("temporary directories have Unicode names");
        let verified = openclaw(data, &["log", "verify", "--json", "--data", path], &[], None).await;
        assert_eq!(verified.code, Some(0), "the chain is broken: {verified:?}");
        let history = Self::exported(data).await;
        assert_eq!(
            verified.json()["events"],
            history.0.len() as u64,
            "verify and export see the same events"
        );
        history.check();
        history
    }

    /// Exports the log of a data directory that no server runs on.
    ///
    /// # Panics
    /// When it cannot be exported.
    pub async fn exported(data: &Path) -> Self {
        let path = data.to_str().expect("temporary directories have Unicode names");
        let exported = openclaw(data, &["log", "export", "--data", path], &[], None).await.succeeded();
        let entry = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self(exported.stdout.lines().map(entry).collect())
    }

    /// Positions and the versions of each stream have no gaps, time never goes back, no event belongs to two streams'
    /// ends, every task of a run starts once, ends at most once, and never after its run.
    ///
    /// # Panics
    /// When any of it does not hold.
    pub fn check(&self) {
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        let mut at = "";
        for (entry, position) in self.0.iter().zip(1..) {
            assert_eq!(entry.position, position, "positions have no gap");
            let version = versions.entry(&entry.stream).or_default();
            *version += 1;
            assert_eq!(entry.version, *version, "versions of {} have no gap", entry.stream);
            assert!(entry.at.as_str() >= at, "time goes back at {position}");
            at = &entry.at;
        }
        for (stream, entries) in self.streams("run/") {
            check_run(stream, &entries);
        }
    }

    /// The events of each stream whose name begins with `prefix`.
    #[must_use]
    pub fn streams(&self, prefix: &str) -> BTreeMap<&str, Vec<&Entry>> {
        let mut streams: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in self.0.iter().filter(|entry| entry.stream.starts_with(prefix)) {
            streams.entry(&entry.stream).or_default().push(entry);
        }
        streams
    }

    /// The events of one run.
    #[must_use]
    pub fn of_run(&self, id: &str) -> Vec<&Entry> {
        let stream = format!("run/{id}");
        self.0.iter().filter(|entry| entry.stream == stream).collect()
    }

    /// The event at a position.
    #[must_use]
    pub fn at(&self, position: u64) -> Option<&Entry> {
        self.0.get(usize::try_from(position.checked_sub(1)?).ok()?)
    }

    /// How often each effect, by its idempotency key, was dispatched according to the log.
    #[must_use]
    pub fn dispatches(&self) -> BTreeMap<String, usize> {
        let mut keys: BTreeMap<(&str, u64), &str> = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for entry in &self.0 {
            let key = match (entry.r#type.as_str(), entry.data["work"]["type"].as_str()) {
                ("run.task_started", Some("effect")) => {
                    let key = entry.data["work"]["key"].as_str().expect("an effect has a key");
                    keys.insert((&entry.stream, task(entry)), key);
                    key
                }
                ("run.effect_redispatched", _) => keys[&(entry.stream.as_str(), task(entry))],
                _ => continue,
            };
            *counts.entry(key.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Which task an event is about.
fn task(entry: &Entry) -> u64 {
    entry.data["task"].as_u64().unwrap_or_else(|| panic!("{} is about a task: {}", entry.r#type, entry.data))
}

fn check_run(stream: &str, entries: &[&Entry]) {
    assert_eq!(entries[0].r#type, "run.started", "{stream} begins with its start");
    let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let (mut over, mut retried) = (false, false);
    for entry in entries {
        assert!(!over || entry.r#type == "run.retried", "{stream} goes on after its end: {entry:?}");
        over = false;
        match entry.r#type.as_str() {
            "run.task_started" => {
                assert!(started.insert(task(entry)), "{stream} starts task {} twice", task(entry));
            }
            "run.task_skipped" => {
                assert!(
                    started.insert(task(entry)) && ended.insert(task(entry)),
                    "{stream} skips a task twice"
                );
            }
            "run.task_completed" | "run.task_faulted" | "run.task_cancelled" => {
                assert!(
                    started.contains(&task(entry)),
                    "{stream} ends task {} that never began",
                    task(entry)
                );
                assert!(ended.insert(task(entry)), "{stream} ends task {} twice", task(entry));
            }
            // What had failed is open again, and may end once more.
            "run.retried" => {
                ended.clear();
                retried = true;
            }
            "run.completed" | "run.faulted" | "run.cancelled" => over = true,
            _ => {}
        }
    }
    if over && !retried {
        assert_eq!(started, ended, "{stream} ended and left tasks open");
    }
}
