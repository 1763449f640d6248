//! Callers of the real server that each wait for the end of one run before they begin the next.

use std::time::Duration;

use anyhow::Context;
use openclaw_client::{Client, RegisterWorkflow, StartRun, Status, WorkflowRef};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    report::millis,
    scenario::{NAMESPACE, Scenario},
};

/// How long a caller lets the server hold its answer back.
const WAIT: &str = "5m";

/// What the callers saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Driven {
    /// From the first start to the last end.
    pub(crate) seconds: f64,
    /// From start to end of each run, in milliseconds.
    pub(crate) latencies: Vec<f64>,
}

impl Driven {
    /// Runs per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }
}

/// Registers what a scenario runs.
pub(crate) async fn register(client: &Client, documents: Vec<Value>) -> anyhow::Result<()> {
    for definition in documents {
        let text = definition.to_string();
        client.register_workflow(&RegisterWorkflow { definition }, None).await.with_context(|| text)?;
    }
    Ok(())
}

/// Executes `workflow` once and waits for its end.
pub(crate) async fn once(client: &Client, workflow: &str) -> anyhow::Result<()> {
    let start = StartRun {
        workflow: Some(WorkflowRef::latest(NAMESPACE, workflow)),
        input: Some(json!({ "n": 0 })),
        wait: Some(WAIT.into()),
        ..StartRun::default()
    };
    let run = client.start_run(&start, None).await?;
    anyhow::ensure!(run.status == Status::Completed, "{workflow} ended otherwise: {run:?}");
    Ok(())
}

/// Lets `at_once` callers work for `time`. Runs that are under way then are waited for and counted.
pub(crate) async fn drive(
    client: &Client,
    scenario: Scenario,
    at_once: usize,
    time: Duration,
) -> anyhow::Result<Driven> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..at_once {
        let (client, name) = (client.clone(), scenario.name());
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < time {
                let started = Instant::now();
                once(&client, &name).await?;
                latencies.push(millis(started.elapsed()));
            }
            anyhow::Ok(latencies)
        });
    }
    let mut driven = Driven::default();
    while let Some(latencies) = callers.join_next().await {
        driven.latencies.extend(latencies??);
    }
    driven.seconds = began.elapsed().as_secs_f64();
    Ok(driven)
}
