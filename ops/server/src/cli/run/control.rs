//! `openclaw run pause` and its like: taking a run in hand.

use std::{path::PathBuf, process::ExitCode};

use openclaw_client::{
    CancelRun, Client, EffectOutcome, Error, ForkAt, ForkRun, HaltRun, Problem, ReconcileEffect, ResumeRun,
    RetryRun, RunAccepted, SignalRun,
};
use openclaw_model::{Position, RunId, TaskId, Version};
use serde_json::{Value, json};

use super::{fresh_key, read, value};
use crate::cli::{connect::Server, output};

/// What is done with a run.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Begin nothing new in a run until it is resumed.
    Pause(Halt),
    /// Let a paused run go on. Errors of held tasks go on up.
    Resume(Whole),
    /// Ask a run to stop; it may compensate first.
    Cancel(Halt),
    /// Stop a run at once, without compensation.
    Kill(Halt),
    /// Run failed tasks again: the one that faulted the run, or those that are held.
    Retry(Retry),
    /// Send a run a signal.
    Signal(Signal),
    /// Start a run with the history of another one up to a point.
    Fork(Fork),
    /// Say what became of an effect whose outcome is unknown.
    Reconcile(Reconcile),
}

/// A run, and how it is reached.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Whole {
    /// The run.
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// A run and a reason.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Halt {
    #[command(flatten)]
    whole: Whole,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Retry {
    #[command(flatten)]
    whole: Whole,
    /// Ordinal of the task; without it all that failed.
    #[arg(long, value_name = "NUMBER")]
    task: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Signal {
    #[command(flatten)]
    whole: Whole,
    /// Name of the signal.
    #[arg(value_name = "NAME")]
    name: String,
    /// What it carries: JSON, or else text; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    payload: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(id = "point", required = true, multiple = false, args = ["version", "position", "before_task"])]
pub(in crate::cli) struct Fork {
    #[command(flatten)]
    whole: Whole,
    /// After the event with this version in the run's stream; 1 is its start.
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// As it was at this position of the log.
    #[arg(long, value_name = "NUMBER")]
    position: Option<u64>,
    /// Before this task began: its ordinal, its name, or its JSON pointer.
    #[arg(long, value_name = "TASK")]
    before_task: Option<String>,
    /// Input of the new run: JSON, or else text.
    #[arg(long, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// The context from there on: JSON, or else text.
    #[arg(long, value_name = "FILE|-")]
    context: Option<PathBuf>,
    /// A document to go on with.
    #[arg(long, value_name = "FILE|-")]
    definition: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(id = "outcome", required = true, multiple = false, args = ["succeeded", "failed", "not_done"])]
pub(in crate::cli) struct Reconcile {
    #[command(flatten)]
    whole: Whole,
    /// Ordinal of the task.
    #[arg(value_name = "TASK")]
    task: u32,
    /// It happened; the file has what it gave: JSON, or else text.
    #[arg(long, value_name = "FILE|-")]
    succeeded: Option<PathBuf>,
    /// It failed, for this reason.
    #[arg(long, value_name = "TEXT")]
    failed: Option<String>,
    /// It did not happen, and is to be tried again.
    #[arg(long)]
    not_done: bool,
    /// How that was found out.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// The error type of an effect that somebody says has failed.
const FAILED: &str = "https://serverlessworkflow.io/spec/1.0.0/errors/runtime";

pub(in crate::cli) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let whole = match &command {
        Command::Pause(halt) | Command::Cancel(halt) | Command::Kill(halt) => &halt.whole,
        Command::Resume(whole) => whole,
        Command::Retry(retry) => &retry.whole,
        Command::Signal(signal) => &signal.whole,
        Command::Fork(fork) => &fork.whole,
        Command::Reconcile(reconcile) => &reconcile.whole,
    };
    let (run_id, as_json) = (whole.run, whole.json);
    let client = whole.server.running(&whole.server.load()?).await?;
    let answer = ask(&client, run_id, command, &fresh_key()?).await?;
    let told = match &answer {
        Answer::Run(run) => json!({ "runId": run.run_id, "status": run.status, "position": run.position }),
        Answer::Fork(fork) => serde_json::to_value(fork)?,
    };
    match answer {
        _ if as_json => output::data(&told.to_string())?,
        Answer::Run(_) => {
            let status = told["status"].as_str().unwrap_or_default();
            output::note(&format!("run {run_id} is {status} at position {}", told["position"]));
        }
        Answer::Fork(fork) => {
            output::note(&format!("run {run_id} was forked after its event {}", fork.at));
            output::data(&fork.run_id.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

enum Answer {
    Run(RunAccepted),
    Fork(openclaw_client::ForkedRun),
}

async fn ask(client: &Client, run_id: RunId, command: Command, key: &str) -> anyhow::Result<Answer> {
    let key = Some(key);
    let answered: Result<RunAccepted, Error> = match command {
        Command::Pause(Halt { reason, .. }) => client.pause_run(&HaltRun { run_id, reason }, key).await,
        Command::Kill(Halt { reason, .. }) => client.kill_run(&HaltRun { run_id, reason }, key).await,
        Command::Cancel(Halt { reason, .. }) => client.cancel_run(&CancelRun { run_id, reason }, key).await,
        Command::Resume(_) => client.resume_run(&ResumeRun { run_id }, key).await,
        Command::Retry(Retry { task, .. }) => {
            client.retry_run(&RetryRun { run_id, task: task.map(TaskId) }, key).await
        }
        Command::Signal(Signal { name, payload, .. }) => {
            let data = payload.as_deref().map(read).transpose()?.map(value);
            client.signal_run(&SignalRun { run_id, name, data }, key).await
        }
        Command::Reconcile(Reconcile { task, succeeded, failed, note, .. }) => {
            let outcome = match (succeeded, failed) {
                (Some(file), _) => EffectOutcome::Succeeded(value(read(&file)?)),
                (None, Some(detail)) => EffectOutcome::Failed(Problem {
                    r#type: FAILED.into(),
                    status: 500,
                    title: None,
                    detail: Some(detail),
                    instance: None,
                }),
                (None, None) => EffectOutcome::NotDone {},
            };
            client.reconcile_effect(&ReconcileEffect { run_id, task: TaskId(task), outcome, note }, key).await
        }
        Command::Fork(Fork { version, position, before_task, input, context, definition, .. }) => {
            let at = match (version, position, before_task) {
                (Some(version), ..) => ForkAt::Version(Version(version)),
                (None, Some(position), _) => ForkAt::Position(Position(position)),
                (None, None, task) => ForkAt::BeforeTask(task.map_or(Value::Null, named)),
            };
            let text = |file: Option<PathBuf>| file.as_deref().map(read).transpose();
            let fork = ForkRun {
                run_id,
                at,
                input: text(input)?.map(value),
                context: text(context)?.map(value),
                workflow: None,
                definition: text(definition)?.map(Value::String),
            };
            return Ok(Answer::Fork(client.fork_run(&fork, key).await?));
        }
    };
    Ok(Answer::Run(answered?))
}

/// A task as the wire names it: an ordinal is a number.
fn named(task: String) -> Value {
    task.parse::<u32>().map_or(Value::String(task), Value::from)
}
