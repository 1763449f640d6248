//! Measures what the project promises, each figure against a baseline of the same run or a fixed target.
//!
//! Run it through `ops/bench`, which builds what it needs. It exits with 1 if a target was missed.

mod append;
mod engine;
mod group;
mod load;
mod machine;
mod projection;
mod report;
mod runs;
mod start;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

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
    /// How often each figure is taken; medians are shown.
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
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
    /// Everything.
    All,
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
    for what in [What::Append, What::Runs, What::Projection, What::Start] {
        if cli.what != What::All && cli.what != what {
            continue;
        }
        let report = match what {
            What::Append => append::measure(dir.path(), repeats, Duration::from_millis(1500)).await?,
            What::Runs => runs::measure(dir.path(), repeats, Duration::from_secs(3)).await?,
            What::Projection => {
                projection::measure(dir.path(), 300_000, repeats, Duration::from_secs(5)).await?
            }
            _ => start::measure(dir.path(), 1_000_000, repeats).await?,
        };
        if !cli.json {
            writeln!(out, "\n## {}\n", report.name)?;
            report.print(&mut out)?;
        }
        reports.push(report);
    }
    if cli.json {
        report::print_json(&machine, &reports, &mut out)?;
    }
    let missed = reports.iter().flat_map(|report| &report.checks).any(report::Check::is_missed);
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
