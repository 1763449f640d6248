//! Audit, against the real binary: what is signed, what is found, what can be shown to others.

mod copies;
mod faults;

use std::path::{Path, PathBuf};

use openclaw_suite::{Finished, Options, Server, openclaw};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A data directory, and a place outside of it for the key and the checkpoints.
struct Place {
    data: TempDir,
    outside: TempDir,
}

impl Place {
    fn new() -> Self {
        let new = || tempfile::tempdir().expect("a temporary directory");
        Self { data: new(), outside: new() }
    }

    fn data(&self) -> &Path {
        self.data.path()
    }

    fn checkpoints(&self) -> PathBuf {
        self.outside.path().join("checkpoints.jsonl")
    }

    fn options(&self) -> Options {
        Options::default()
            .set("audit.interval", "100ms")
            .set("audit.checkpoints_file", self.checkpoints().display())
            .set("audit.key_file", self.outside.path().join("audit.key").display())
    }

    async fn server(&self) -> Server {
        Server::start(self.data(), self.options()).await
    }

    /// A command on the directory of a stopped server.
    async fn cli(&self, arguments: &[&str]) -> Finished {
        let data = self.data().to_str().expect("a Unicode name");
        openclaw(self.data(), arguments, &[("OPENCLAW_DATA", data)], None).await
    }

    /// Verifies against the checkpoints that were kept outside. Answers the exit code and the findings.
    async fn verify(&self) -> (i32, Value) {
        let file = self.checkpoints();
        let file = file.to_str().expect("a Unicode name");
        let finished = self.cli(&["audit", "verify", "--json", "--checkpoints", file]).await;
        (finished.code.expect("it ends by itself"), finished.json())
    }
}

/// Runs something, and answers the id of the run.
async fn work(server: &Server) -> String {
    let document = json!({
        "document": { "dsl": "1.0.0", "namespace": "shop", "name": "add", "version": "1.0.0" },
        "do": [{ "sum": { "set": { "sum": "${ .a + .b }" } } }],
    });
    let run = server.run(document, json!({ "a": 1, "b": 2 })).await;
    run["runId"].as_str().expect("a run has an id").to_owned()
}

fn codes(findings: &Value) -> Vec<&str> {
    let problems = findings["problems"].as_array().expect("a list");
    problems.iter().map(|problem| problem["code"].as_str().expect("a code")).collect()
}
