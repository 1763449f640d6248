//! `openclaw run`: one workflow, from its document to its end.
//!
//! The result comes from the command side: `run.start` is repeated with the same key until the run has ended, which
//! starts nothing twice. What is shown meanwhile comes from a subscription and may fail without harm.

mod control;
mod progress;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use openclaw_client::{CancelRun, Client, Error, Run, StartRun, Status};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{FAILURE, connect::Server, output};
use crate::{shutdown::Signals, telemetry};

/// What the exit codes say.
const EXIT_CODES: &str = "Exit codes: 0 completed, 1 faulted, 2 wrong usage, 3 cancelled, 4 could not be run, \
    5 suspended (somebody has to decide how it goes on)";

/// Run a workflow and wait for its end, or take a run in hand.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    control: Option<control::Command>,
    /// The workflow's document, YAML or JSON; `-` reads it from standard input. A file that is called as one of the
    /// commands is given with its directory, as `./pause`.
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// The run's input: JSON, or else text; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// Print one JSON object with runId, status, output or error, and position.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// How long one call waits for the end before it is made again.
const WAIT: &str = "30s";

/// Runs the workflow, on the server that is configured or runs already, else on one of its own.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = match (args.control, args.file) {
        (Some(control), _) => return control::carry_out(control).await,
        (None, Some(file)) => file,
        (None, None) => return Ok(ExitCode::from(2)),
    };
    let stdin = Path::new("-");
    if file == stdin && args.input.as_deref() == Some(stdin) {
        output::note("openclaw: the document and the input cannot both be standard input");
        return Ok(ExitCode::from(2));
    }
    let start = StartRun {
        definition: Some(Value::String(read(&file)?)),
        input: args.input.as_deref().map(read).transpose()?.map(value),
        ..StartRun::default()
    };
    let config = args.server.load()?;
    telemetry::install(&config.telemetry)?;
    let mut signals = Signals::listen().context("signals cannot be handled")?;

    let connection = args.server.find_or_start(&config).await?;
    let ended = follow(&connection.client, start, &mut signals).await;
    if let Some(own) = connection.own
        && !own.stop().await
    {
        output::note("openclaw: the server did not stop in time; the next start recovers");
    }
    let Some(run) = ended? else { return Ok(ExitCode::from(130)) };
    report(&run, args.json)?;
    Ok(ExitCode::from(match run.status {
        Status::Completed => 0,
        Status::Faulted => 1,
        Status::Cancelled => 3,
        Status::Suspended => 5,
        Status::Pending | Status::Running | Status::Waiting => FAILURE,
    }))
}

/// The text of a file, or of standard input.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("standard input cannot be read as text")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// JSON where it is JSON, else the text itself.
pub(super) fn value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Starts the run and waits until it has ended or nothing more can happen. None after a second signal; the first one
/// asks the run to stop.
async fn follow(client: &Client, start: StartRun, signals: &mut Signals) -> anyhow::Result<Option<Run>> {
    let key = fresh_key()?;
    let first = call(client, &start, &key).await?;
    let progress = progress::Progress::watch(client.clone(), &first);
    let waiting = StartRun { wait: Some(WAIT.to_owned()), ..start };
    let mut asked = false;
    let end = loop {
        tokio::select! {
            run = call(client, &waiting, &key) => {
                let run = run.with_context(|| {
                    format!("the server was lost; run {} goes on when it is back", first.run_id)
                })?;
                if run.status.is_final() || run.status == Status::Suspended {
                    break Some(run);
                }
            }
            () = signals.next() => {
                if asked {
                    break None;
                }
                asked = true;
                output::note("cancelling; once more to leave at once");
                let cancel = CancelRun { run_id: first.run_id, reason: Some("interrupted at the terminal".into()) };
                client.cancel_run(&cancel, Some(&format!("{key}-cancel"))).await?;
            }
        }
    };
    progress.finish(end.as_ref().filter(|run| run.status.is_final())).await;
    Ok(end)
}

/// `run.start`, again for as long as the server is busy.
async fn call(client: &Client, start: &StartRun, key: &str) -> Result<Run, Error> {
    loop {
        match client.start_run(start, Some(key)).await {
            Err(error) => match error.retry_after() {
                Some(pause) => sleep(pause.max(Duration::from_millis(10))).await,
                None => return Err(error),
            },
            run => return run,
        }
    }
}

/// A key that nobody has used: 128 random bits.
pub(super) fn fresh_key() -> anyhow::Result<String> {
    let mut bits = [0_u8; 16];
    #[expect(clippy::disallowed_methods, reason = "made at the edge, and never part of a decision")]
    getrandom::fill(&mut bits).context("no random bytes")?;
    Ok(format!("cli-{:032x}", u128::from_be_bytes(bits)))
}

/// The result on standard output; for a person the rest on standard error.
fn report(run: &Run, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let mut line = json!({ "runId": run.run_id, "status": run.status, "position": run.position });
        if let Some(output) = &run.output {
            line["output"] = output.clone();
        }
        if let Some(error) = &run.error {
            line["error"] = serde_json::to_value(error)?;
        }
        output::data(&line.to_string())?;
        return Ok(());
    }
    let status = serde_json::to_value(run.status)?;
    output::note(&format!(
        "run {} {} at position {}",
        run.run_id,
        status.as_str().unwrap_or_default(),
        run.position
    ));
    if let Some(error) = &run.error {
        let part =
            |text: &Option<String>| text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        let place = error.instance.as_deref().map(|place| format!(" (at {place})")).unwrap_or_default();
        output::note(&format!(
            "{} {}{}{}{place}",
            error.status,
            error.r#type,
            part(&error.title),
            part(&error.detail)
        ));
    }
    match &run.output {
        Some(Value::String(text)) => output::data(text.trim_end_matches('\n'))?,
        Some(value) => output::data(&serde_json::to_string_pretty(value)?)?,
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_json_where_it_is_json_and_text_elsewhere() {
        assert_eq!(value("{\"a\": 1}\n".into()), json!({ "a": 1 }));
        assert_eq!(value("12".into()), json!(12));
        let log = "127.0.0.1 - - [22/Nov/2026] \"GET / HTTP/1.1\" 200\n";
        assert_eq!(value(log.into()), json!(log));
        assert_eq!(value(String::new()), json!(""));
    }

    #[test]
    fn keys_are_fresh() {
        let key = fresh_key().unwrap();
        assert_ne!(key, fresh_key().unwrap());
        assert!(key.len() <= 120 && key.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
