//! `openclaw log verify` and `openclaw log export`, on the log of a server that does not run.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anyhow::Context as _;
use futures_util::StreamExt;
use openclaw_log::EventLog;
use openclaw_model::Position;
use openclaw_sled::{SledLog, VerifyError};
use serde_json::json;

use super::{Settings, output};
use crate::{data::Data, telemetry};

/// What to do with the log.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Walk the whole hash chain and report the first break.
    Verify(Verify),
    /// Write the events as JSON Lines.
    Export(Export),
}

/// Walk the whole hash chain and report the first break.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Write the events as JSON Lines.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    settings: Settings,
    /// The first position.
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    from: u64,
    /// The last position; without it the end of the log.
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
}

/// Exit code 0 if the log is whole, 1 if it is not.
pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(args) => verify(args).await,
        Command::Export(args) => export(args).await,
    }
}

async fn verify(args: Verify) -> anyhow::Result<ExitCode> {
    let config = args.settings.load(&[])?;
    telemetry::install(&config.telemetry)?;
    let directory = Data::at(&config.data).log();
    let options = config.log.options();
    let verified = tokio::task::spawn_blocking(move || openclaw_sled::verify(&directory, options))
        .await
        .context("the verification panicked")?;
    match verified {
        Ok(verified) => {
            let (events, frames, head) = (verified.events, verified.frames, verified.head);
            output::data(&if args.json {
                json!({ "ok": true, "events": events, "frames": frames, "position": head.position, "hash": head.hash })
                    .to_string()
            } else {
                format!(
                    "the log is whole: {events} events in {frames} frames, ends at {} with {}",
                    head.position, head.hash
                )
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(VerifyError::Broken(at)) => {
            output::data(&if args.json {
                json!({ "ok": false, "code": "OC-LOG-001", "position": at.position, "reason": at.reason.to_string() })
                    .to_string()
            } else {
                format!("[OC-LOG-001] the log is broken at position {}: {}", at.position, at.reason)
            })?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(anyhow::anyhow!("[{}] {error}", error.code())),
    }
}

async fn export(args: Export) -> anyhow::Result<ExitCode> {
    let config = args.settings.load(&[])?;
    telemetry::install(&config.telemetry)?;
    let directory = Data::at(&config.data).log();
    // Opening would make a log where there is none.
    anyhow::ensure!(directory.is_dir(), "there is no log in {}", directory.display());
    let options = config.log.options();
    let log = tokio::task::spawn_blocking(move || SledLog::open(&directory, options))
        .await
        .context("opening the log panicked")?
        .map_err(|error| anyhow::anyhow!("[{}] {error}", error.code()))?;
    let written = write(&log, Position(args.from.max(1)), args.to.map(Position)).await;
    tokio::task::spawn_blocking(move || log.close()).await.context("closing the log panicked")?;
    match written {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS),
    }
}

async fn write<L: EventLog>(log: &L, from: Position, to: Option<Position>) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(256 << 10, io::stdout());
    let mut batches = log.read(from);
    'all: while let Some(batch) = batches.next().await {
        for event in batch?.iter() {
            if to.is_some_and(|to| event.position > to) {
                break 'all;
            }
            let line = event
                .to_export()
                .with_context(|| format!("the data of position {} is not JSON", event.position))?;
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
