//! Runs of a server that is killed: begun without waiting, followed by what the log says, and measured.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Entry, History, Server, eventually};

impl Server {
    /// Starts a document that comes with the call, and answers the run's id at once.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn begin(&self, definition: impl Into<Value>, input: Value) -> String {
        let params = json!({ "definition": definition.into(), "input": input });
        let started = self.rpc("run.start", params).await.expect("the document is right");
        started["runId"].as_str().expect("a run has an id").to_owned()
    }

    /// Waits until the log has `count` events of a type for a run, and answers their data, in order.
    ///
    /// # Panics
    /// When it has not within a minute.
    pub async fn happened(&self, run: &str, event: &str, count: usize) -> Vec<Value> {
        self.appended(&format!("run/{run}"), event, count).await
    }

    /// Waits until the log has `count` events of a type in a stream, and answers their data, in order.
    ///
    /// # Panics
    /// When it has not within a minute.
    pub async fn appended(&self, stream: &str, event: &str, count: usize) -> Vec<Value> {
        const QUERY: &str =
            "query($filter: EventFilter) { events(first: 200, filter: $filter) { nodes { version data } } }";
        let filter = json!({ "filter": { "stream": stream, "type": [event] } });
        eventually(&format!("{count} {event} in {stream}"), async || {
            let mut data = self.query(QUERY, filter.clone()).await;
            let nodes = data["events"]["nodes"].as_array_mut().expect("a list");
            nodes.sort_by_key(|node| node["version"].as_u64());
            let found = nodes.iter_mut().map(|node| node["data"].take()).collect::<Vec<_>>();
            (found.len() >= count).then_some(found)
        })
        .await
    }

    /// Waits until a run is shown with `status`.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn shows(&self, run: &str, status: &str) {
        const QUERY: &str = "query($id: ID!) { run(id: $id) { status } }";
        eventually(&format!("run {run} {status}"), async || {
            let data = self.query(QUERY, json!({ "id": run })).await;
            (data["run"]["status"] == status).then_some(())
        })
        .await;
    }

    /// The value of a metric without labels; none if the server does not name it.
    ///
    /// # Panics
    /// When it is no number.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.caller().get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(line.trim().parse().unwrap_or_else(|error| panic!("{name} {line}: {error}")))
    }

    /// Time that its threads have spent computing, in clock ticks (hundredths of a second).
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the server runs");
        // The name of the program stands in parentheses and may hold spaces.
        let (_, rest) = stat.rsplit_once(')').expect("a process has a name");
        let field = |index: usize| -> u64 {
            rest.split_whitespace().nth(index).and_then(|text| text.parse().ok()).expect("a number")
        };
        field(11) + field(12)
    }
}

impl History {
    /// The events of one type of a run.
    #[must_use]
    pub fn of_type(&self, run: &str, event: &str) -> Vec<&Entry> {
        self.of_run(run).into_iter().filter(|entry| entry.r#type == event).collect()
    }

    /// The names of the tasks of a run, in the order in which they started.
    #[must_use]
    pub fn started(&self, run: &str) -> Vec<&str> {
        let started = self.of_type(run, "run.task_started");
        started.into_iter().filter_map(|entry| entry.data["name"].as_str()).collect()
    }

    /// The numbers under `field` of the events of one type of a run.
    #[must_use]
    pub fn numbers(&self, run: &str, event: &str, field: &str) -> Vec<u64> {
        self.of_type(run, event).into_iter().filter_map(|entry| entry.data[field].as_u64()).collect()
    }
}

/// Bytes that the files under `directory` take on disk: their blocks, so that holes cost nothing.
///
/// # Panics
/// When a file cannot be looked at.
#[must_use]
pub fn bytes_on_disk(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a directory can be read").path();
        let metadata = path.symlink_metadata().expect("nothing removes it meanwhile");
        if metadata.is_dir() { bytes_on_disk(&path) } else { metadata.blocks() * 512 }
    };
    entries.map(size).sum()
}
