//! `kill -9` in the middle of a run, of both systems, and what they do after the next start.
//!
//! The call that is open at that moment has to be made again, because nobody can know how it went. Every call more
//! than that was done already and is done twice.

use std::{path::PathBuf, time::Duration};

use openclaw_client::{Client, StartRun, WorkflowRef};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Both,
    process::{Peer, Process},
};
use crate::{
    drive::register,
    report::{Check, Report, Target, number},
    scenario::{NAMESPACE, document, each, item, post},
    server::Server,
};

/// How long a run may take to its end after the restart. What has not ended by then does not end.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a run may stand still that waits for somebody.
const SUSPENDED: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
/// How long the run sleeps that is killed asleep, and when it is killed.
const NAP: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(4));

/// A way to be killed.
struct Case {
    /// For people.
    what: &'static str,
    /// Its name, here and for the peer.
    workflow: &'static str,
    /// The place, and which call of it, that is open when the process is killed. Nothing for a sleeping run.
    open: Option<(&'static str, usize)>,
    /// Places that were called before.
    before: &'static [&'static str],
    /// How many calls are needed, the open one twice.
    needed: usize,
    /// Whether its calls fail, and its end is a failure.
    fails: bool,
    /// Whether somebody has to decide before.
    decides: bool,
}

const fn case(what: &'static str, workflow: &'static str, open: &'static str, needed: usize) -> Case {
    Case { what, workflow, open: Some((open, 1)), before: &[], needed, fails: false, decides: false }
}

const CASES: [Case; 8] = [
    case("3rd of 5 tasks", "five", "c", 6),
    Case { before: &["left", "right"], ..case("slow branch of 3, two are done", "branches", "slow", 4) },
    case("item 7 of 10", "items", "6", 11),
    case("turn 4 of a loop of 6", "loop", "3", 7),
    Case { open: None, ..case("4 s into a sleep of 6 s", "nap", "woken", 1) },
    Case { open: Some(("try", 3)), fails: true, ..case("3rd of 5 attempts", "flaky", "try", 6) },
    case("2nd task of a child run", "nested", "second", 5),
    Case { decides: true, ..case("the task after an approval", "decision", "pay", 4) },
];

/// What came of it.
#[derive(Debug)]
struct Outcome {
    calls: usize,
    /// How the run ended, or how it stands.
    status: String,
    /// From the start of the run.
    seconds: f64,
}

impl Both {
    /// Kills both in every case.
    pub(super) async fn crash(&self) -> anyhow::Result<Report> {
        let columns = vec![
            "killed in",
            "calls needed",
            "openclaw's calls",
            "its run",
            "s",
            "Mastra's calls",
            "its run",
            "s",
        ];
        let mut report = Report::new("peer-crash", columns);
        let mut exact = 0;
        for case in &CASES {
            tracing::info!(what = case.what, "kill -9");
            let data = self.dir.join(format!("crash-{}", case.workflow));
            let ours = Openclaw::start(self.binary.clone(), data.clone()).await?;
            let ours = self.kill(System::Openclaw(ours), case).await?;
            let theirs =
                Mastra::start(self.peer.clone(), data.with_extension("db"), self.observer.base()).await?;
            let theirs = self.kill(System::Mastra(theirs), case).await?;
            let end = if case.fails { "faulted" } else { "completed" };
            exact += usize::from(ours.calls == case.needed && ours.status == end);
            report.rows.push(vec![
                case.what.into(),
                case.needed.to_string(),
                ours.calls.to_string(),
                ours.status,
                number(ours.seconds),
                theirs.calls.to_string(),
                theirs.status,
                number(theirs.seconds),
            ]);
        }
        report.checks.push(Check::new(
            format!("rows of {} with exactly the calls needed", CASES.len()),
            exact as f64,
            Target::AtLeast(CASES.len() as f64),
        ));
        report.notes.push(
            "Calls are counted at the server that both call; the one that was open at the kill counts twice. After \
             the kill the process is started again; Mastra is then told to restart its active runs \
             (`restartAllActiveWorkflowRuns`), as its documentation says; openclaw needs no telling. `suspended` \
             stands for a run that waits for a decision which it had been given."
                .to_owned(),
        );
        Ok(report)
    }

    async fn kill(&self, mut system: System, case: &Case) -> anyhow::Result<Outcome> {
        let observer = &self.observer;
        observer.reset();
        if let Some((place, number)) = case.open {
            observer.hold(place, number);
        }
        if case.fails {
            observer.fail(case.open.map_or("", |(place, _)| place));
        }
        system.register(case, observer.base()).await?;
        let started = Instant::now();
        let run = system.begin(case.workflow).await?;
        if case.decides {
            system.decide(case.workflow, &run).await?;
        }
        for place in case.before {
            observer.arrived(place, 1).await?;
        }
        match case.open {
            Some((place, number)) => observer.arrived(place, number).await?,
            None => tokio::time::sleep(NAP.1).await,
        }
        let mut system = system.kill_and_start(observer.base()).await?;
        // Whoever goes on makes the open call again. It is let go at once, so that whoever does not is seen as well.
        if let Some((place, _)) = case.open {
            observer.release(place);
        }
        let (mut status, mut changed) = (String::new(), Instant::now());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let now = system.status(case.workflow, &run).await?;
            if now != status {
                (status, changed) = (now, Instant::now());
            }
            let is_final = matches!(status.as_str(), "completed" | "faulted" | "cancelled");
            if is_final || status == "suspended" && changed.elapsed() > SUSPENDED {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let seconds = started.elapsed().as_secs_f64();
        system.stop().await?;
        Ok(Outcome { calls: observer.take().len(), status, seconds })
    }
}

/// One of the two.
enum System {
    Openclaw(Openclaw),
    Mastra(Mastra),
}

struct Openclaw {
    binary: PathBuf,
    data: PathBuf,
    server: Server,
}

struct Mastra {
    peer: Peer,
    database: PathBuf,
    process: Process,
}

impl Openclaw {
    async fn start(binary: PathBuf, data: PathBuf) -> anyhow::Result<Self> {
        let server = Server::start(&binary, &data).await?;
        Ok(Self { binary, data, server })
    }
}

impl Mastra {
    async fn start(peer: Peer, database: PathBuf, base: &str) -> anyhow::Result<Self> {
        let process = peer.start(&database, base).await?;
        Ok(Self { peer, database, process })
    }
}

impl System {
    async fn register(&mut self, case: &Case, base: &str) -> anyhow::Result<()> {
        match self {
            Self::Openclaw(openclaw) => {
                register(&openclaw.server.client, documents(case.workflow, base)).await
            }
            // It comes with the program.
            Self::Mastra(_) => Ok(()),
        }
    }

    /// Starts a run and does not wait for it.
    async fn begin(&mut self, workflow: &str) -> anyhow::Result<String> {
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
                let run = Uuid::from_u128(std::process::id().into()).to_string();
                mastra.process.ask("begin", json!({ "workflow": workflow, "runId": run })).await?;
                Ok(run)
            }
        }
    }

    /// Waits until the run asks for a decision, and approves.
    async fn decide(&mut self, workflow: &str, run: &str) -> anyhow::Result<()> {
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

    async fn kill_and_start(self, base: &str) -> anyhow::Result<Self> {
        match self {
            Self::Openclaw(Openclaw { binary, data, server }) => {
                server.kill().await?;
                Ok(Self::Openclaw(Openclaw::start(binary, data).await?))
            }
            Self::Mastra(Mastra { peer, database, process }) => {
                process.kill().await?;
                let mut mastra = Mastra::start(peer, database, base).await?;
                mastra.process.ask("recover", json!({})).await?;
                Ok(Self::Mastra(mastra))
            }
        }
    }

    /// How the run stands, in our words.
    async fn status(&mut self, workflow: &str, run: &str) -> anyhow::Result<String> {
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

    async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Openclaw(openclaw) => openclaw.server.terminate().await,
            // It may be at work for a long time yet.
            Self::Mastra(mastra) => mastra.process.kill().await,
        }
    }
}

/// Approves what waits for a decision, if anything does.
async fn approve(client: &Client) -> anyhow::Result<bool> {
    let data = client.graphql("{ approvals(first: 1) { nodes { id digest } } }", json!({})).await?;
    let Some(open) = data["approvals"]["nodes"].get(0) else { return Ok(false) };
    let decide = json!({ "approvalId": open["id"], "digest": open["digest"], "choice": "approve", "by": { "name": "ada" } });
    let _: Value = client.call("approval.decide", &decide, None).await?;
    Ok(true)
}

/// The documents of a case.
fn documents(workflow: &str, base: &str) -> Vec<Value> {
    let call = |name: &str| json!({ name: post(base, name) });
    let tasks = match workflow {
        "five" => ["a", "b", "c", "d", "e"].map(call).to_vec(),
        "branches" => {
            let branches = ["left", "right", "slow"].map(call);
            vec![json!({ "all": { "fork": { "branches": branches } } })]
        }
        "items" => vec![each(10, json!({ "call": item(base) }))],
        "loop" => vec![json!({ "turns": {
            "for": { "each": "item", "in": "[range(100)]" },
            "while": "$item < 6",
            "do": [{ "call": item(base) }],
        } })],
        "nap" => {
            vec![json!({ "nap": { "wait": { "milliseconds": NAP.0.as_millis() as u64 } } }), call("woken")]
        }
        "flaky" => vec![json!({ "persist": {
            "try": [call("try")],
            "catch": { "retry": { "limit": { "attempt": { "count": 5 } } } },
        } })],
        "nested" => {
            let child = json!({ "run": { "workflow": { "namespace": NAMESPACE, "name": "pair", "version": "1.0.0" } } });
            let tasks = vec![call("before"), json!({ "pair": child }), call("after")];
            return vec![document("pair", vec![call("first"), call("second")]), document(workflow, tasks)];
        }
        _ => {
            let approve = json!({ "call": "approval", "with": { "title": "Pay?", "assignees": ["ada"] } });
            vec![call("before"), json!({ "approve": approve }), call("pay"), call("after")]
        }
    };
    vec![document(workflow, tasks)]
}

#[cfg(test)]
mod tests {
    use openclaw_workflow::definition;

    use super::*;

    #[test]
    fn every_case_has_valid_documents() {
        for document in CASES.iter().flat_map(|case| documents(case.workflow, "http://127.0.0.1:1")) {
            let read = definition::from_value(document.clone());
            assert!(read.is_ok(), "{document}: {:?}", read.err());
        }
    }
}
