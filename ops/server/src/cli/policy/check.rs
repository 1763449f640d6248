//! `openclaw policy check`: what `policy.set` would refuse, without a server.

use std::{path::PathBuf, process::ExitCode};

use openclaw_workflow::policy;
use serde_json::json;

use crate::cli::{
    output,
    workflow::{report, source::Source},
};

/// Say everything that is wrong with policy files.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 there are errors, 2 wrong usage, 4 a file cannot be read"
)]
pub(in crate::cli) struct Args {
    /// Policies, YAML or JSON; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object with what is wrong in each file.
    #[arg(long)]
    json: bool,
}

/// Checks every file. What is wrong is data, so it goes to standard output.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut reports, mut valid) = (Vec::new(), true);
    for path in &args.files {
        let source = Source::read(path)?;
        let problems = policy::load(&source.text).err().unwrap_or_default();
        valid &= problems.is_empty();
        if args.json {
            let valid = problems.is_empty();
            reports.push(json!({ "file": source.name, "valid": valid, "problems": problems }));
            continue;
        }
        for problem in &problems {
            output::data(&report::tell(&source, problem))?;
        }
        output::data(&match problems.len() {
            0 => format!("{}: ok", source.name),
            1 => format!("{}: 1 error", source.name),
            many => format!("{}: {many} errors", source.name),
        })?;
    }
    if args.json {
        output::data(&json!({ "valid": valid, "files": reports }).to_string())?;
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
