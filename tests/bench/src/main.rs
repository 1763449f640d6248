//! Measures what the project promises, each figure against a baseline of the same run or a fixed target.
//!
//! Run it through `ops/bench`, which builds what it needs. It exits with 1 if a target was missed or a part
//! could not be measured; the others are measured all the same.
//!
//! With `--into FILE` the tables replace those that stand in FILE between the marks of the same part (see [`document`]).

mod append;
mod document;
mod drive;
mod engine;
mod group;
mod load;
mod machine;
mod observer;
mod peer;
mod projection;
mod report;
mod runs;
mod scenario;
mod server;
mod start;
mod storage;
mod waiting;
mod workflows;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{machine::Machine, report::Report};

/// Measures openclaw on this machine.
#[derive(Debug, Parser)]
#[command(name = "openclaw-bench", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Print one JSON object instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Where to write; must lie on a disk. By default a temporary directory.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write the tables into this document, between the marks of the parts that were measured.
    #[arg(long, global = true, value_name = "FILE")]
    into: Option<PathBuf>,
    /// How often each figure is taken; medians are shown.
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    repeats: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum What {
    /// Durable appends against a bare file.
    Append,
    /// Runs of ten durable tasks.
    Runs,
    /// Building and following the read model.
    Projection,
    /// Start and idle memory of the server with a million events.
    Start,
    /// Workflows of several shapes in the real server.
    Workflows,
    /// What runs take on the disk.
    Storage,
    /// Thousands of runs that wait.
    Waiting,
    /// The same work by Mastra, which is installed from its registry.
    Peer,
    /// What is left of runs after `kill -9`, here and of Mastra.
    Crash,
    /// Everything.
    All,
}

impl What {
    /// Everything, in the order in which it is measured.
    const PARTS: [Self; 9] = [
        Self::Append,
        Self::Runs,
        Self::Projection,
        Self::Start,
        Self::Workflows,
        Self::Storage,
        Self::Waiting,
        Self::Peer,
        Self::Crash,
    ];

    /// Measures one part, or nothing for [`What::All`].
    async fn measure(self, dir: &Path, repeats: usize) -> anyhow::Result<Vec<Report>> {
        let turns = repeats.min(3);
        Ok(match self {
            Self::Append => vec![append::measure(dir, repeats, Duration::from_millis(1500)).await?],
            Self::Runs => vec![runs::measure(dir, repeats, Duration::from_secs(3)).await?],
            Self::Projection => {
                vec![projection::measure(dir, 300_000, repeats, Duration::from_secs(5)).await?]
            }
            Self::Start => vec![start::measure(dir, 1_000_000, repeats).await?],
            Self::Workflows => vec![workflows::measure(dir, turns, Duration::from_millis(1500)).await?],
            Self::Storage => vec![storage::measure(dir).await?],
            Self::Waiting => vec![waiting::measure(dir).await?],
            Self::Peer => peer::measure(dir, turns, Duration::from_millis(1500)).await?,
            Self::Crash => vec![peer::crash(dir).await?],
            Self::All => Vec::new(),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).init();
    let dir = match &cli.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let machine = Machine::look(dir.path())?;
    let mut out = io::stdout().lock();
    if !cli.json {
        writeln!(out, "{}", machine.line())?;
    }
    let repeats = usize::from(cli.repeats);
    let mut reports: Vec<Report> = Vec::new();
    let mut failed = false;
    for what in What::PARTS {
        if cli.what != What::All && cli.what != what {
            continue;
        }
        let measured = match what.measure(dir.path(), repeats).await {
            Ok(measured) => measured,
            Err(error) => {
                tracing::error!("{what:?} could not be measured: {error:#}");
                failed = true;
                continue;
            }
        };
        for report in measured {
            if !cli.json {
                writeln!(out, "\n## {}\n", report.name)?;
                report.print(&mut out)?;
            }
            // What was skipped must not wipe out what was measured elsewhere.
            if let Some(document) = cli.into.as_ref().filter(|_| !report.rows.is_empty()) {
                document::write(document, &machine, &report)
                    .with_context(|| format!("the tables were not written to {}", document.display()))?;
            }
            reports.push(report);
        }
    }
    if cli.json {
        report::print_json(&machine, &reports, &mut out)?;
    }
    let missed = reports.iter().flat_map(|report| &report.checks).any(report::Check::is_missed);
    Ok(if missed || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
