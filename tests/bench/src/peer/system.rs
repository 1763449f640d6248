//! The two systems as the crash table sees them: something that begins runs, is killed, and is asked how they stand.

use std::{path::PathBuf, time::Duration};

use openclaw_client::{Client, StartRun, WorkflowRef};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::process::{Peer, Process};
use crate::{drive::register, scenario::NAMESPACE, server::Server};

/// How long a run may take to its end after the restart. What has not ended by then does not end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a run may stand still that waits for somebody.
const SUSPENDED: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

/// One of the two.
pub(super) enum System {
    Openclaw(Openclaw),
    Mastra(Mastra),
}

pub(super) struct Openclaw {
    binary: PathBuf,
    data: PathBuf,
    server: Server,
}

pub(super) struct Mastra {
    peer: Peer,
    database: PathBuf,
    process: Process,
    /// How many runs this process has begun; numbers them.
    begun: u128,
}

impl Openclaw {
    pub(super) async fn start(binary: PathBuf, data: PathBuf) -> anyhow::Result<Self> {
        let server = Server::start(&binary, &data).await?;
        Ok(Self { binary, data, server })
    }
}

impl Mastra {
    pub(super) async fn start(peer: Peer, database: PathBuf, base: &str) -> anyhow::Result<Self> {
        let process = peer.start(&database, base).await?;
        Ok(Self { peer, database, process, begun: 0 })
    }
}

impl System {
    /// Makes documents known.
    pub(super) async fn register(&mut self, documents: Vec<Value>) -> anyhow::Result<()> {
        match self {
            Self::Openclaw(openclaw) => register(&openclaw.server.client, documents).await,
            // It comes with the program.
            Self::Mastra(_) => Ok(()),
        }
    }

    /// Starts a run and does not wait for it.
    pub(super) async fn begin(&mut self, workflow: &str) -> anyhow::Result<String> {
        match self {
            Self::Openclaw(openclaw) => {
                let start = StartRun {
                    workflow: Some(WorkflowRef::latest(NAMESPACE, workflow)),
                    input: Some(json!({})),
                    ..StartRun::default()
                };
                Ok(openclaw.server.client.start_run(&start, None).await?.run_id.to_string())
            }
            Self::Mastra(mastra) => {
                mastra.begun += 1;
                let run = Uuid::from_u128(mastra.begun).to_string();
                mastra.process.ask("begin", json!({ "workflow": workflow, "runId": run })).await?;
                Ok(run)
            }
        }
    }

    /// Waits until the run asks for a decision, and approves.
    pub(super) async fn decide(&mut self, workflow: &str, run: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            anyhow::ensure!(Instant::now() < deadline, "{workflow} does not ask for a decision");
            match self {
                Self::Openclaw(openclaw) => {
                    if approve(&openclaw.server.client).await? {
                        return Ok(());
                    }
                }
                Self::Mastra(mastra) => {
                    let status =
                        mastra.process.ask("status", json!({ "workflow": workflow, "runId": run })).await?;
                    if status["status"] == "suspended" {
                        let resume = json!({ "workflow": workflow, "runId": run, "step": "approve" });
                        mastra.process.ask("resume", resume).await?;
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it with SIGKILL, starts it again, and tells it to go on where it has to be told.
    pub(super) async fn kill_and_start(self, base: &str) -> anyhow::Result<Self> {
        match self {
            Self::Openclaw(Openclaw { binary, data, server }) => {
                server.kill().await?;
                Ok(Self::Openclaw(Openclaw::start(binary, data).await?))
            }
            Self::Mastra(Mastra { peer, database, process, .. }) => {
                process.kill().await?;
                let mut mastra = Mastra::start(peer, database, base).await?;
                mastra.process.ask("recover", json!({})).await?;
                Ok(Self::Mastra(mastra))
            }
        }
    }

    /// How the run stands, in our words.
    pub(super) async fn status(&mut self, workflow: &str, run: &str) -> anyhow::Result<String> {
        match self {
            Self::Openclaw(openclaw) => {
                let query = "query ($id: ID!) { run(id: $id) { status } }";
                let data = openclaw.server.client.graphql(query, json!({ "id": run })).await?;
                Ok(data["run"]["status"].as_str().unwrap_or("unknown").to_owned())
            }
            Self::Mastra(mastra) => {
                let answer =
                    mastra.process.ask("status", json!({ "workflow": workflow, "runId": run })).await?;
                Ok(match answer["status"].as_str().unwrap_or("unknown") {
                    "success" => "completed".to_owned(),
                    "failed" => "faulted".to_owned(),
                    "canceled" => "cancelled".to_owned(),
                    other => other.to_owned(),
                })
            }
        }
    }

    /// Waits until the run has ended, or waits for somebody and nobody comes, or until there is no hope.
    pub(super) async fn settled(&mut self, workflow: &str, run: &str) -> anyhow::Result<String> {
        let (mut status, mut changed) = (String::new(), Instant::now());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let now = self.status(workflow, run).await?;
            if now != status {
                (status, changed) = (now, Instant::now());
            }
            let is_final = matches!(status.as_str(), "completed" | "faulted" | "cancelled");
            if is_final || status == "suspended" && changed.elapsed() > SUSPENDED {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(status)
    }

    /// Ends it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Openclaw(openclaw) => openclaw.server.terminate().await,
            // It may be at work for a long time yet.
            Self::Mastra(mastra) => mastra.process.kill().await,
        }
    }
}

/// Approves what waits for a decision, if anything does.
async fn approve(client: &Client) -> anyhow::Result<bool> {
    let query =
        "query ($state: [ApprovalState!]) { approvals(first: 1, state: $state) { nodes { id digest } } }";
    let data = client.graphql(query, json!({ "state": ["open"] })).await?;
    let Some(open) = data["approvals"]["nodes"].get(0) else { return Ok(false) };
    let decide = json!({ "approvalId": open["id"], "digest": open["digest"], "choice": "approve", "by": { "name": "ada" } });
    let _: Value = client.call("approval.decide", &decide, None).await?;
    Ok(true)
}
